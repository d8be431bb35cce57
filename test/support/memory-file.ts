// Why: an open file of the in-memory file system keeps its version, whatever is written meanwhile.
import { throwIfAborted } from '../../src/base/clock.ts'
import { SkeinError } from '../../src/base/errors.ts'
import type { CallSignal, FileHandle, FileRange, FileStatus } from '../../src/client/file-system.ts'

export class MemoryFile implements FileHandle {
  readonly status: FileStatus
  readonly #bytes: Uint8Array
  readonly #chunkBytes: number
  #onClose: (() => void) | undefined

  constructor(bytes: Uint8Array, status: FileStatus, chunkBytes: number, onClose: () => void) {
    this.#bytes = bytes
    this.status = status
    this.#chunkBytes = chunkBytes
    this.#onClose = onClose
  }

  async read(into: Uint8Array, position: number, { signal }: CallSignal = {}): Promise<number> {
    await this.#check(signal)
    const part = this.#bytes.subarray(position, position + into.length)
    into.set(part)
    return part.length
  }

  async *stream(
    { offset, length }: FileRange = { offset: 0 },
    { signal }: CallSignal = {},
  ): AsyncGenerator<Uint8Array> {
    const end = Math.min(this.#bytes.length, length === undefined ? this.#bytes.length : offset + length)
    for (let at = offset; at < end; at += this.#chunkBytes) {
      await this.#check(signal)
      yield Uint8Array.from(this.#bytes.subarray(at, Math.min(end, at + this.#chunkBytes)))
    }
  }

  close(): Promise<void> {
    this.#onClose?.()
    this.#onClose = undefined
    return Promise.resolve()
  }

  async #check(signal: AbortSignal | undefined): Promise<void> {
    if (signal !== undefined) throwIfAborted(signal)
    if (this.#onClose === undefined) throw new SkeinError('failed_precondition', 'the file was closed')
    await Promise.resolve()
  }
}
