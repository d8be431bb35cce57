// Why: a file whose length is known only at its end must not be seen before. How: its bytes go to a
// temporary file beside its name (local-writer.ts), which is synced when it is sealed and gets its
// name when it is finished. Its inode and times stay the same, so its version is known before, and
// a second finish knows what the first one made.
import { constants } from 'node:fs'
import { type FileHandle, open, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { throwIfAborted } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import type { ObjectInfo, ObjectUpload, UploadConditions } from '../under-file-system.ts'
import { localEtag, localObject } from './local-version.ts'
import { giveName, placeFor, pruneDirectories, syncDirectory, temporaryBeside, writeError } from './local-writer.ts'

interface LocalUploadParts {
  /** A real path. */
  readonly root: string
  readonly key: string
  readonly path: string
  readonly temporary: string
  readonly signal: AbortSignal
  readonly onFinished: (bytes: number) => void
}

export class LocalUpload implements ObjectUpload {
  readonly #parts: LocalUploadParts
  readonly #file: FileHandle
  #length = 0
  #sealed: ObjectInfo | undefined
  #isFinished = false
  #isGivenUp = false
  #running: Promise<unknown> = Promise.resolve()

  /** @param root a real path @throws see UnderFileSystem.beginUpload */
  static async begin(
    root: string,
    key: string,
    signal: AbortSignal,
    onFinished: (bytes: number) => void,
  ): Promise<LocalUpload> {
    const path = await placeFor(root, key)
    const temporary = temporaryBeside(path)
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
    try {
      const file = await open(temporary, flags, 0o666)
      return new LocalUpload({ root, key, path, temporary, signal, onFinished }, file)
    } catch (thrown) {
      await pruneDirectories(root, dirname(path))
      throw writeError(path, thrown)
    }
  }

  private constructor(parts: LocalUploadParts, file: FileHandle) {
    this.#parts = parts
    this.#file = file
  }

  get length(): number {
    return this.#length
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#run(async () => {
      if (this.#sealed !== undefined) throw new SkeinError('internal', 'an upload that is sealed takes no more bytes')
      for (let from = 0; from < chunk.length;) {
        throwIfAborted(this.#parts.signal)
        const { bytesWritten } = await this.#file.write(chunk, from, chunk.length - from, this.#length)
        from += bytesWritten
        this.#length += bytesWritten
      }
    })
  }

  seal(): Promise<void> {
    return this.#run(async () => void (await this.#seal()))
  }

  finish(conditions: UploadConditions, signal: AbortSignal): Promise<ObjectInfo> {
    return this.#run(async () => {
      const sealed = await this.#seal()
      if (this.#isFinished) return sealed
      throwIfAborted(signal)
      const { path, temporary, onFinished } = this.#parts
      if (!(await this.#hasName(sealed.etag))) await giveName(temporary, path, conditions)
      await syncDirectory(dirname(path))
      this.#isFinished = true
      onFinished(this.#length)
      return sealed
    })
  }

  async abort(): Promise<void> {
    if (this.#isGivenUp || this.#isFinished) return
    this.#isGivenUp = true
    await this.#running
    if (this.#isFinished) return
    await this.#file.close().catch(() => undefined)
    const { root, path, temporary } = this.#parts
    await rm(temporary, { force: true }).catch(() => undefined)
    await pruneDirectories(root, dirname(path)).catch(() => undefined)
  }

  async #seal(): Promise<ObjectInfo> {
    if (this.#sealed !== undefined) return this.#sealed
    throwIfAborted(this.#parts.signal)
    await this.#file.sync()
    const about = await this.#file.stat({ bigint: true })
    if (Number(about.size) !== this.#length)
      throw new SkeinError('unavailable', `the file has ${about.size} bytes after ${this.#length} were written`)
    await this.#file.close()
    this.#sealed = localObject(this.#parts.key, about)
    return this.#sealed
  }

  /** An earlier call may have given the name before it failed. */
  async #hasName(etag: string): Promise<boolean> {
    const about = await stat(this.#parts.path, { bigint: true }).catch(() => undefined)
    return about !== undefined && localEtag(about) === etag
  }

  async #run<Result>(act: () => Promise<Result>): Promise<Result> {
    if (this.#isGivenUp) throw new SkeinError('cancelled', 'the upload was given up')
    const running = act().catch((thrown: unknown) => {
      throw thrown instanceof SkeinError ? thrown : writeError(this.#parts.path, thrown)
    })
    this.#running = running.catch(() => undefined)
    return await running
  }
}
