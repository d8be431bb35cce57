// Why: programs write a file in pieces, close it, and expect it to be there; a file of the cluster
// appears as a whole. How: one output of the file system per file that is being written. Bytes must
// come in order. The file is completed when its program closes it: then `close` reports what went
// wrong. A program that goes on writing after that (its shell has closed a copy of the descriptor)
// writes the file again, from what is there, while that is small.
//
//   writing --complete--> complete --write (small)--> writing
//   writing --failure---> failed (each call reports it)      any --discard--> discarded
import { SkeinError } from '../../base/errors.ts'
import type { CreateOptions, FileOutput, FileStatus, FileSystem } from '../../client/file-system.ts'
import { ErrnoError } from '../error-numbers.ts'

/** A larger file is not written again for a program that goes on after closing it. */
export const rewrittenBytesMax = 64 * 1024 * 1024
const copyBytes = 1024 * 1024

export interface WrittenFileOptions {
  readonly files: Pick<FileSystem, 'create' | 'open'>
  readonly path: string
  readonly create: CreateOptions
  /** Aborts the output at the end of the mount. */
  readonly signal: AbortSignal
  /** Called with each new status, once the file is there. */
  readonly onComplete: (status: FileStatus) => Promise<void>
}

type State =
  | { readonly mode: 'writing'; readonly output: FileOutput }
  | { readonly mode: 'complete'; readonly status: FileStatus }
  | { readonly mode: 'failed'; readonly error: unknown }
  | { readonly mode: 'discarded' }

export class WrittenFile {
  readonly path: string
  readonly createdMs: number
  readonly #options: WrittenFileOptions
  #state: State
  #length = 0
  /** Whether bytes came since the file was begun or completed. */
  #isDirty = false
  /** Whether a descriptor was closed since the last bytes. */
  isFlushed = false
  #last: Promise<unknown> = Promise.resolve()

  private constructor(options: WrittenFileOptions, output: FileOutput, nowMs: number) {
    this.path = options.path
    this.createdMs = nowMs
    this.#options = options
    this.#state = { mode: 'writing', output }
  }

  /** @throws what `create` of the file system throws */
  static async begin(options: WrittenFileOptions, signal: AbortSignal, nowMs: number): Promise<WrittenFile> {
    signal.throwIfAborted()
    const output = await options.files.create(options.path, { ...options.create, signal: options.signal })
    return new WrittenFile(options, output, nowMs)
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length
  }

  get isWriting(): boolean {
    return this.#state.mode === 'writing'
  }

  /** Whether nobody will see what was written. */
  get isDiscarded(): boolean {
    return this.#state.mode === 'discarded'
  }

  /** Whether bytes came since the file was begun or completed. */
  get isDirty(): boolean {
    return this.#isDirty
  }

  /**
   * Appends a chunk; resolves when its memory may be used again.
   * @throws ErrnoError EOPNOTSUPP unless `offset` is the end of what was written
   */
  write(offset: number, chunk: Uint8Array): Promise<void> {
    return this.#inTurn(async () => {
      if (offset !== this.#length)
        throw new ErrnoError('EOPNOTSUPP', `${this.path} is written from its start to its end, not at ${offset}`)
      if (this.#state.mode === 'complete') await this.#beginAgain(this.#state.status)
      const output = this.#output()
      await this.#failing(() => output.write(chunk))
      this.#length += chunk.length
      this.#isDirty = true
      this.isFlushed = false
    })
  }

  /**
   * Makes the file visible. Does nothing when it is.
   * @throws what `close` of the output throws
   */
  complete(): Promise<FileStatus | undefined> {
    return this.#inTurn(async () => {
      const state = this.#state
      if (state.mode === 'complete') return state.status
      if (state.mode === 'discarded') return undefined
      const output = this.#output()
      const status = await this.#failing(() => output.close())
      this.#state = { mode: 'complete', status }
      this.#isDirty = false
      await this.#options.onComplete(status)
      return status
    })
  }

  /**
   * Cuts the file to nothing, or leaves its length.
   * @throws ErrnoError EOPNOTSUPP for another length
   */
  truncate(length: number): Promise<void> {
    return this.#inTurn(async () => {
      if (length === this.#length) return
      if (length !== 0) throw new ErrnoError('EOPNOTSUPP', `${this.path} cannot be cut to ${length} bytes`)
      if (this.#state.mode === 'writing') await this.#state.output.abort()
      await this.#failing(async () => {
        const output = await this.#options.files.create(this.path, this.#overwriting())
        this.#state = { mode: 'writing', output }
      })
      this.#length = 0
      this.#isDirty = true
      this.isFlushed = false
    })
  }

  /** Nobody wants the file any more: its name was removed. */
  discard(): Promise<void> {
    return this.#inTurn(async () => {
      const state = this.#state
      this.#state = { mode: 'discarded' }
      if (state.mode === 'writing') await state.output.abort()
    })
  }

  async #beginAgain(status: FileStatus): Promise<void> {
    const { files, signal } = this.#options
    if (status.length > rewrittenBytesMax)
      throw new ErrnoError('EOPNOTSUPP', `${this.path} was closed already: nothing is appended to a file`)
    const output = await files.create(this.path, { ...this.#overwriting(), ifFileId: status.fileId })
    try {
      const file = await files.open(this.path, { signal })
      try {
        if (file.status.fileId !== status.fileId)
          throw new SkeinError('aborted', `${this.path} was replaced after it was closed`, { reason: 'file_changed' })
        for await (const chunk of file.stream({ offset: 0, length: status.length }, { signal })) {
          for (let at = 0; at < chunk.length; at += copyBytes) await output.write(chunk.subarray(at, at + copyBytes))
        }
      } finally {
        await file.close()
      }
    } catch (thrown) {
      await output.abort()
      throw thrown
    }
    this.#state = { mode: 'writing', output }
  }

  #overwriting(): CreateOptions {
    return { ...this.#options.create, ifExists: 'overwrite', signal: this.#options.signal }
  }

  #output(): FileOutput {
    const state = this.#state
    if (state.mode === 'failed') throw state.error
    if (state.mode === 'writing') return state.output
    // Bytes of a file without a name are nobody's.
    if (state.mode === 'discarded') return { write: nothing, close: removed, abort: nothing }
    throw new ErrnoError('EIO', `${this.path} is no longer being written`)
  }

  async #failing<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      this.#state = { mode: 'failed', error }
      throw error
    }
  }

  /** One call after the other. */
  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(act)
    this.#last = turn.catch(() => undefined)
    return turn
  }
}

function nothing(): Promise<void> {
  return Promise.resolve()
}

function removed(): Promise<never> {
  return Promise.reject(new ErrnoError('ENOENT', 'the file was removed'))
}
