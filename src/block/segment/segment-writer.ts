// Why: a small block costs a share of one system call instead of three of its own. How: one writer
// a directory. Records queue up; all that are there when the disk is free, at most a batch, go out
// as one vectored write. A record is written when that write has returned: after a crash of the
// process the file system has it.
//
// A write that fails is cut off again, so that what follows does not lie behind garbage; where that
// fails too, the segment is sealed and the next one begun.
import { SkeinError } from '../../base/errors.ts'
import { diskError, truncateFile, writeFully } from '../disk/disk-calls.ts'
import type { Segment, SegmentPlace } from './segment-file.ts'
import { setMark } from './segment-record.ts'

/** Of one write; a larger record goes alone. */
const batchBytesMax = 1024 * 1024
const batchBuffersMax = 1000

export interface Append {
  /** From segment-record.ts, without its mark; the writer's from now on. */
  readonly head: Buffer
  /** Must stay as they are until one of the two is called. */
  readonly data: readonly Uint8Array[]
  /** Of head and data. */
  readonly bytes: number
  /** Called once, without waiting: it is on disk, or is not. */
  readonly written: (place: SegmentPlace) => void
  readonly failed: (error: Error) => void
}

export interface SegmentWriterOptions {
  readonly segmentBytes: number
  /** To go on with; undefined: a new one is made when it is needed. */
  readonly segment: Segment | undefined
  readonly create: () => Promise<Segment>
  /** A segment is full or broken; no more will be appended. */
  readonly onSealed: (segment: Segment) => void
  /** After each write. */
  readonly onWritten: () => void
  /** After a write that failed. */
  readonly onFailed: () => void
}

export class SegmentWriter {
  readonly #options: SegmentWriterOptions
  #queue: Append[] = []
  /** Of the queue that was written; the rest is moved up when it is worth it. */
  #done = 0
  #segment: Segment | undefined
  #pumping: Promise<void> | undefined
  #closed = false

  constructor(options: SegmentWriterOptions) {
    this.#options = options
    this.#segment = options.segment
  }

  /** The segment that is appended to. */
  get segment(): Segment | undefined {
    return this.#segment
  }

  append(record: Append): void {
    if (this.#closed) {
      record.failed(new SkeinError('unavailable', 'the segments are closed', { reason: 'stopping' }))
      return
    }
    this.#queue.push(record)
    this.#pumping ??= this.#pump()
  }

  /**
   * Takes no more, and resolves when all that was appended is written or failed. The descriptors
   * may be closed then.
   */
  async close(): Promise<void> {
    this.#closed = true
    await this.#pumping
  }

  /**
   * Begins a new segment with the next record. Not from within a write: only from `onWritten` and
   * `onFailed`.
   */
  seal(): void {
    const segment = this.#segment
    if (segment === undefined) return
    this.#segment = undefined
    segment.sealed = true
    this.#options.onSealed(segment)
  }

  async #pump(): Promise<void> {
    // Lets the rest of this turn join the first write.
    await Promise.resolve()
    while (this.#done < this.#queue.length) {
      const failure = await this.#writeBatch()
      if (failure === undefined) this.#options.onWritten()
      else this.#options.onFailed()
    }
    this.#queue = []
    this.#done = 0
    this.#pumping = undefined
  }

  async #writeBatch(): Promise<Error | undefined> {
    let batch: readonly Append[] = []
    try {
      const first = this.#queue[this.#done]
      if (first !== undefined && !fits(this.#segment, first.bytes, this.#options.segmentBytes)) this.seal()
      this.#segment ??= await this.#options.create()
      batch = this.#take(this.#segment)
      await this.#write(this.#segment, batch)
      return undefined
    } catch (thrown) {
      // No segment could be made: nothing that waits can be written.
      if (batch.length === 0) batch = this.#takeAll()
      const error = diskError(thrown, 'writing small blocks')
      for (const record of batch) record.failed(error)
      return error
    }
  }

  #take(segment: Segment): readonly Append[] {
    const from = this.#done
    let bytes = 0
    let buffers = 0
    for (let to = from; to < this.#queue.length; to += 1) {
      const record = this.#queue[to]
      if (record === undefined) break
      const more = bytes + record.bytes
      const full = more > batchBytesMax || buffers + 1 + record.data.length > batchBuffersMax
      if (to > from && (full || segment.size + more > this.#options.segmentBytes)) break
      bytes = more
      buffers += 1 + record.data.length
      this.#done = to + 1
    }
    const batch = this.#queue.slice(from, this.#done)
    if (this.#done > 4096) {
      this.#queue = this.#queue.slice(this.#done)
      this.#done = 0
    }
    return batch
  }

  #takeAll(): readonly Append[] {
    const all = this.#queue.slice(this.#done)
    this.#queue = []
    this.#done = 0
    return all
  }

  async #write(segment: Segment, batch: readonly Append[]): Promise<void> {
    const buffers: Uint8Array[] = []
    for (const record of batch) {
      setMark(record.head, segment.mark)
      buffers.push(record.head)
      for (const chunk of record.data) if (chunk.length > 0) buffers.push(chunk)
    }
    try {
      await writeFully(segment.fd, buffers, segment.size)
    } catch (thrown) {
      await truncateFile(segment.fd, segment.size).catch(() => this.seal())
      throw thrown
    }
    let position = segment.size
    for (const record of batch) segment.size += record.bytes
    for (const record of batch) {
      record.written({ segment, position, bytes: record.bytes })
      position += record.bytes
    }
  }
}

function fits(segment: Segment | undefined, bytes: number, segmentBytes: number): boolean {
  return segment === undefined || segment.size === 0 || segment.size + bytes <= segmentBytes
}
