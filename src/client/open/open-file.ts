// Why: a program reads a file at any place and in any order (FileHandle). How: the bytes go from
// their source into the caller's memory, or were read ahead (handle-read-ahead.ts). Everything that
// the handle has begun ends with it.
import { SkeinError } from '../../base/errors.ts'
import { eachUnlessAborted } from '../aborted-calls.ts'
import { rangeWithin } from '../file-range.ts'
import type { CallSignal, FileHandle, FileRange, FileStatus, StreamOptions } from '../file-system.ts'
import { checkBytes, checkOptions } from '../given-options.ts'
import { targetOf } from '../read/read-target.ts'
import type { FileVersion } from './file-version.ts'
import type { ReadAhead } from './handle-read-ahead.ts'

/** Of `bytes`. */
const rangeBytesMax = 1024 * 1024

export class OpenFile implements FileHandle {
  readonly status: FileStatus
  readonly #version: Pick<FileVersion, 'readInto' | 'stream' | 'bytes'>
  readonly #ahead: Pick<ReadAhead, 'read' | 'close'> | undefined
  readonly #onClose: () => void
  /** Of reads and streams whose caller has no signal. */
  readonly #closing = new AbortController()
  /** Of those whose caller has one, while they are under way. */
  readonly #running = new Set<AbortController>()
  #others = 0
  readonly #reads = new Set<Promise<unknown>>()
  #closed: Promise<void> | undefined

  /**
   * @param ahead undefined: nothing is read ahead
   * @param onClose called once, when nothing of the handle is left
   */
  constructor(
    status: FileStatus,
    version: Pick<FileVersion, 'readInto' | 'stream' | 'bytes'>,
    ahead: Pick<ReadAhead, 'read' | 'close'> | undefined,
    onClose: () => void,
  ) {
    this.status = status
    this.#version = version
    this.#ahead = ahead
    this.#onClose = onClose
  }

  async read(into: Uint8Array, position: number, options: CallSignal = {}): Promise<number> {
    checkBytes(into)
    const range = rangeWithin({ offset: position, length: into.length }, this.status.length)
    const { signal, end } = this.#begin(options)
    if (range.length === 0) {
      end()
      return 0
    }
    const read =
      this.#ahead === undefined
        ? this.#version.readInto(range, targetOf(into, position), signal)
        : this.#ahead.read(range, into.subarray(0, range.length), signal)
    this.#reads.add(read)
    try {
      await read
    } catch (thrown) {
      options.signal?.throwIfAborted()
      throw thrown
    } finally {
      this.#reads.delete(read)
      end()
    }
    return range.length
  }

  async *stream(
    range: FileRange = { offset: 0 },
    options: StreamOptions = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    checkOptions('range', range)
    checkOptions('stream', options)
    const { signal, end } = this.#begin(options)
    try {
      const chunks = this.#version.stream(rangeWithin(range, this.status.length), signal, undefined, options.memory)
      yield* eachUnlessAborted(options, chunks)
    } finally {
      end()
    }
  }

  async bytes(range: FileRange, options: CallSignal = {}): Promise<Uint8Array> {
    checkOptions('range', range)
    const within = rangeWithin(range, this.status.length)
    if (within.length > rangeBytesMax)
      throw new SkeinError('invalid_argument', `a range of ${within.length} bytes is too long: use read or stream`)
    const { signal, end } = this.#begin(options)
    try {
      return within.length === 0 ? new Uint8Array() : await this.#version.bytes(within, signal)
    } catch (thrown) {
      options.signal?.throwIfAborted()
      throw thrown
    } finally {
      end()
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    // An error costs more than all else that closing does, and mostly nobody would see it.
    if (this.#running.size + this.#others > 0) {
      const closed = new SkeinError('cancelled', `${this.status.path} was closed while it was read`)
      for (const controller of [...this.#running, this.#closing]) controller.abort(closed)
    }
    await Promise.allSettled(this.#reads)
    await this.#ahead?.close()
    this.#onClose()
  }

  /**
   * A signal that aborts with the handle and with the caller's; `end` is called once, at the end.
   * AbortSignal.any would take longer than a small read, and leave work for the garbage collector.
   * @throws SkeinError failed_precondition (closed); the signal's reason
   */
  #begin(options: CallSignal): { readonly signal: AbortSignal; readonly end: () => void } {
    checkOptions('call', options)
    const { signal } = options
    if (this.#closed !== undefined)
      throw new SkeinError('failed_precondition', `${this.status.path} is read after it was closed`)
    if (signal === undefined) {
      this.#others += 1
      return { signal: this.#closing.signal, end: () => void (this.#others -= 1) }
    }
    signal.throwIfAborted()
    const controller = new AbortController()
    const onAbort = (): void => controller.abort(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    this.#running.add(controller)
    const end = (): void => {
      this.#running.delete(controller)
      signal.removeEventListener('abort', onAbort)
    }
    return { signal: controller.signal, end }
  }
}
