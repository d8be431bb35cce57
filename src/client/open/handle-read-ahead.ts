// Why: a program that reads a file in small reads, one after the other, should not wait for each.
// How: behind a stream of reads (read-pattern.ts) parts are requested ahead, first a small one,
// then twice as much each time the reader has come half through the last one, up to a bound. A read
// takes its bytes from the parts, and reads what no part has straight into the memory of its
// caller. Random reads request nothing but their bytes. Nothing is requested where the bytes are in
// a file of this host and the reads are of pages or more: the kernel reads ahead there, and a part
// would only be copied once more. A part that fails is read again by whoever needs it, so the error
// reaches that read alone.
import type { Clock } from '../../base/clock.ts'
import { pageBytes } from '../../base/page-checksum.ts'
import type { ByteRange } from '../../wire/data/data-client.ts'
import { type ReadTarget, targetOf } from '../read/read-target.ts'
import type { AheadMemory, AheadOwner } from './ahead-memory.ts'
import { AheadPart, type FillPart } from './ahead-part.ts'
import { ReadPattern, slackOf } from './read-pattern.ts'

const partBytesFirst = 256 * 1024
/** Two parts are ahead at most, so a reader has up to twice as many bytes ahead. */
const partBytesMax = 4 * 1024 * 1024

export interface ReadAheadOptions {
  /** Reads a range of the file. */
  readonly readRange: FillPart
  /** Of the file. */
  readonly length: number
  readonly memory: AheadMemory
  /** Whether the bytes at an offset of the file come from a file of this host. */
  readonly isInFile: (offset: number) => boolean
  readonly clock: Pick<Clock, 'monotonicMs'>
}

export class ReadAhead implements AheadOwner {
  readonly #options: ReadAheadOptions
  readonly #pattern = new ReadPattern()
  /** In the order of their places; they do not overlap. */
  #parts: AheadPart[] = []
  readonly #filling = new Set<Promise<void>>()
  #partBytes = partBytesFirst
  #isClosed = false
  readMs: number

  constructor(options: ReadAheadOptions) {
    this.#options = options
    this.readMs = options.clock.monotonicMs()
  }

  /**
   * Fills `into` with the range of the file, which is in the file. When it throws, nothing more is
   * written to `into`.
   * @throws what `readRange` throws, and the signal's reason
   */
  async read(range: ByteRange, into: Uint8Array, signal: AbortSignal): Promise<void> {
    this.readMs = this.#options.clock.monotonicMs()
    const pattern = this.#pattern.note(range.offset, range.length)
    if (pattern === 'begins') this.#restart()
    // It holds its parts before any of them is given back.
    const steps = this.#steps(range).map(({ part, offset, length }) => {
      const memory = into.subarray(offset - range.offset, offset - range.offset + length)
      return part === undefined ? this.#fill(memory, offset, signal) : this.#take(part, memory, offset, signal)
    })
    if (pattern !== 'random') this.#requestAhead(range.length)
    for (const result of await Promise.allSettled(steps)) if (result.status === 'rejected') throw result.reason
  }

  dropUnused(): void {
    this.#keep((part) => !part.isUnused)
  }

  /** Ends all requests. Resolves when nothing of them is left. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#keep(() => false)
    this.#options.memory.leave(this)
    await Promise.all(this.#filling)
  }

  /** The range, cut at the parts. */
  #steps({ offset, length }: ByteRange): (ByteRange & { readonly part: AheadPart | undefined })[] {
    const end = offset + length
    const steps: (ByteRange & { readonly part: AheadPart | undefined })[] = []
    let at = offset
    for (const part of this.#parts) {
      if (part.to <= at || part.from >= end || part.hasFailed) continue
      if (part.from > at) steps.push({ part: undefined, offset: at, length: part.from - at })
      at = Math.max(at, part.from)
      const to = Math.min(end, part.to)
      steps.push({ part, offset: at, length: to - at })
      at = to
    }
    if (at < end) steps.push({ part: undefined, offset: at, length: end - at })
    return steps
  }

  async #take(part: AheadPart, memory: Uint8Array, offset: number, signal: AbortSignal): Promise<void> {
    const copied = await part.copy(memory, offset, signal)
    if (copied < memory.length) await this.#fill(memory.subarray(copied), offset + copied, signal)
  }

  #fill(memory: Uint8Array, offset: number, signal: AbortSignal): Promise<void> {
    const target: ReadTarget = targetOf(memory, offset)
    return this.#options.readRange({ offset, length: memory.length }, target, signal, () => undefined)
  }

  /** Drops what is behind the stream, and requests more when half of the last part was read. */
  #requestAhead(readBytes: number): void {
    const { memory, length, readRange, isInFile } = this.#options
    const next = this.#pattern.next ?? 0
    this.#keep((part) => part.to > next - slackOf(readBytes) && !part.hasFailed)
    const last = this.#parts.at(-1)
    const from = Math.max(next, last?.to ?? 0)
    if (this.#isClosed || from >= length || (readBytes >= pageBytes && isInFile(from))) return
    if (last !== undefined && from - next > (last.to - last.from) / 2) return
    const partBytes = Math.min(this.#partBytes, memory.windowBytesMax, length - from)
    if (partBytes <= 0) return
    const pieces = memory.take(partBytes, this)
    if (pieces === undefined) return
    const part = new AheadPart({ offset: from, length: partBytes }, pieces, readRange)
    this.#parts.push(part)
    this.#partBytes = Math.min(2 * this.#partBytes, partBytesMax)
    const filling = part.ended.then(() => {
      this.#filling.delete(filling)
      if (!part.hasFailed) return
      this.#partBytes = partBytesFirst
      this.#keep((other) => other !== part)
    })
    this.#filling.add(filling)
  }

  #restart(): void {
    this.#keep(() => false)
    this.#partBytes = partBytesFirst
  }

  #keep(isWanted: (part: AheadPart) => boolean): void {
    const unwanted = this.#parts.filter((part) => !isWanted(part))
    if (unwanted.length === 0) return
    this.#parts = this.#parts.filter(isWanted)
    for (const part of unwanted) part.drop()
    if (this.#parts.length === 0) this.#options.memory.leave(this)
  }
}
