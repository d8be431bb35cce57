// Why: an open file of the in-memory file system keeps its version, whatever is written meanwhile.
import { SkeinError } from '../../src/base/errors.ts'
import { rangeWithin } from '../../src/client/file-range.ts'
import { checkBytes, checkOptions } from '../../src/client/given-options.ts'
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
    checkBytes(into)
    await this.#check(signal)
    const { length } = rangeWithin({ offset: position, length: into.length }, this.#bytes.length)
    const part = this.#bytes.subarray(position, position + length)
    into.set(part)
    return part.length
  }

  async *stream(range: FileRange = { offset: 0 }, { signal }: CallSignal = {}): AsyncGenerator<Uint8Array> {
    checkOptions('range', range)
    const { offset, length } = rangeWithin(range, this.#bytes.length)
    const end = offset + length
    for (let at = offset; at < end; at += this.#chunkBytes) {
      await this.#check(signal)
      yield Uint8Array.from(this.#bytes.subarray(at, Math.min(end, at + this.#chunkBytes)))
    }
  }

  async bytes(range: FileRange, { signal }: CallSignal = {}): Promise<Uint8Array> {
    checkOptions('range', range)
    const { offset, length } = rangeWithin(range, this.#bytes.length)
    if (length > 1024 * 1024) throw new SkeinError('invalid_argument', 'the range is too long')
    await this.#check(signal)
    return Uint8Array.from(this.#bytes.subarray(offset, offset + length))
  }

  close(): Promise<void> {
    this.#onClose?.()
    this.#onClose = undefined
    return Promise.resolve()
  }

  async #check(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    if (this.#onClose === undefined) throw new SkeinError('failed_precondition', 'the file was closed')
    await Promise.resolve()
  }
}
