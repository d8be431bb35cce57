// Why: a handle reads one version of a file, also when its blocks move, are evicted, or get lost
// with a worker. How: what the master said when the file was opened leads to the blocks
// (read/file-reader.ts). When a read fails because nobody has a block any more, the master is asked
// again, and the read goes on where it was, if the file still has the same content. After a read
// that had to leave a worker, or to ask the store, a later one asks the master too, once in a
// while: failed workers are not tried for ever, and new replicas are found.
import { type Clock, throwIfAborted } from '../../base/clock.ts'
import { type ErrorCode, isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import type { ChunkMemory } from '../../base/flow/lent-pieces.ts'
import type { ByteRange } from '../../wire/data/data-client.ts'
import type { FileInfo, OpenFileResponse } from '../../wire/generated/master.ts'
import type { OpenOptions } from '../file-system.ts'
import type { FileReader } from '../read/file-reader.ts'
import { newReadMemory, type ReadMemory } from '../read/read-memory.ts'
import { place, type ReadTarget } from '../read/read-target.ts'

export interface FileVersionOptions {
  readonly reader: Pick<FileReader, 'readOpened' | 'readFromFile' | 'isInFile' | 'keptBytes'>
  /** Asks the master for the same path. */
  readonly askAgain: (signal: AbortSignal) => Promise<OpenFileResponse>
  /** Called when the store has another content by now. Does not throw. */
  readonly onChanged: (file: FileInfo) => Promise<void>
  /** Told where bytes came from. */
  readonly onSource?: OpenOptions['onSource']
  readonly clock: Clock
}

/** Errors of reads that may be over when the master is asked where the blocks are now. */
const movedCodes: ReadonlySet<ErrorCode> = new Set(['unavailable', 'deadline_exceeded', 'not_found', 'data_loss'])
/** Between two questions that no failed read needs. */
const askAgainMs = 1000

export class FileVersion {
  readonly file: FileInfo
  readonly #options: FileVersionOptions
  #opened: OpenFileResponse
  #memory: ReadMemory = newReadMemory()
  #askedMs: number

  /** @param file that of `opened` */
  constructor(opened: OpenFileResponse, file: FileInfo, options: FileVersionOptions) {
    this.file = file
    this.#options = options
    this.#opened = opened
    this.#askedMs = options.clock.monotonicMs()
  }

  /** Takes a later answer of the master about the same file, whose blocks may have moved. */
  renew(opened: OpenFileResponse): void {
    this.#askedMs = this.#options.clock.monotonicMs()
    this.#opened = opened
    // Which blocks were read whole is still true.
    this.#memory = { ...newReadMemory(), bytesOf: this.#memory.bytesOf }
  }

  /**
   * Fills the target with the bytes of a range of the file. When it throws, nothing more is written
   * to the target.
   * @param onBytes called with the bytes of the range that are in the target
   * @throws as `stream`
   */
  async readInto(
    range: ByteRange,
    target: ReadTarget,
    signal: AbortSignal,
    onBytes?: (bytes: number) => void,
  ): Promise<void> {
    const into = target.at(range.offset)
    if (into.length >= range.length && !this.#isWorthAsking()) {
      const how = { memory: this.#memory, onSource: this.#options.onSource }
      const part = into.subarray(0, range.length)
      if (await this.#options.reader.readFromFile(this.#opened, range.offset, part, signal, how)) {
        onBytes?.(range.length)
        return
      }
    }
    let at = range.offset
    for await (const chunk of this.stream(range, signal, target)) {
      place(chunk, at, target)
      at += chunk.length
      onBytes?.(at - range.offset)
    }
  }

  /** The bytes of a range, which must not be changed. @throws as `stream` */
  async bytes(range: ByteRange, signal: AbortSignal): Promise<Uint8Array> {
    const kept = this.#isWorthAsking() ? undefined : this.#options.reader.keptBytes(this.#opened, range)
    if (kept !== undefined) {
      this.#options.onSource?.('cache', kept.length)
      return kept
    }
    const chunks: Uint8Array[] = []
    for await (const chunk of this.stream(range, signal)) chunks.push(chunk)
    const [first] = chunks
    return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, range.length)
  }

  /** Whether the bytes at an offset are expected to come from a file of this host. */
  isInFile(offset: number): boolean {
    return this.#options.reader.isInFile(this.#opened, offset, this.#memory)
  }

  /**
   * Yields the bytes of a range of the file.
   * @throws SkeinError aborted (`object_changed`), unavailable, data_loss, not_found; the signal's
   *   reason
   */
  async *stream(
    range: ByteRange,
    signal: AbortSignal,
    target?: ReadTarget,
    lent?: ChunkMemory,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const end = range.offset + range.length
    let at = range.offset
    let askedAt = -1
    if (this.#isWorthAsking()) await this.#ask(signal)
    while (at < end) {
      try {
        const how = {
          range: { offset: at, length: end - at },
          ...{ target, lent },
          memory: this.#memory,
          onSource: this.#options.onSource,
        }
        for await (const chunk of this.#options.reader.readOpened(this.#opened, signal, how)) {
          at += chunk.length
          yield chunk
        }
        return
      } catch (thrown) {
        throwIfAborted(signal)
        const error = toSkeinError(thrown)
        if (isSkeinError(error, 'aborted', 'object_changed')) await this.#options.onChanged(this.file)
        if (!movedCodes.has(error.code) || askedAt === at) throw error
        askedAt = at
        const answer = await this.#ask(signal)
        if (answer === 'unknown') throw error
        if (answer === 'other') throw replaced(this.file, error)
      }
    }
  }

  #isWorthAsking(): boolean {
    const { failedWorkers, wasStoreRead } = this.#memory
    if (failedWorkers.size === 0 && !wasStoreRead) return false
    return this.#options.clock.monotonicMs() - this.#askedMs >= askAgainMs
  }

  /** What is at the path now: the same content, whose blocks are known from now on, or another. */
  async #ask(signal: AbortSignal): Promise<'same' | 'other' | 'unknown'> {
    this.#askedMs = this.#options.clock.monotonicMs()
    let opened
    try {
      opened = await this.#options.askAgain(signal)
    } catch {
      throwIfAborted(signal)
      return 'unknown'
    }
    if (opened.file === undefined || !isSameContent(opened.file, this.file)) return 'other'
    this.#opened = opened
    this.#memory = newReadMemory()
    return 'same'
  }
}

/** A file whose blocks were freed has another id, and the same version at its store. */
export function isSameContent(now: FileInfo, before: FileInfo): boolean {
  if (now.length !== before.length || now.namespaceId !== before.namespaceId) return false
  return now.fileId === before.fileId || (now.etag !== '' && now.etag === before.etag)
}

function replaced({ path }: FileInfo, cause: SkeinError): SkeinError {
  const options = { reason: 'object_changed', cause }
  return new SkeinError('aborted', `${path} was replaced while it was open: open it again`, options)
}
