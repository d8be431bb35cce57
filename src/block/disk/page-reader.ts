// Why: a reader gets the right bytes or an error, whatever the disk did since. How: every page that
// a read touches is checked against its checksum, each time; CRC-32 runs at several GB/s, which is
// less than remembering what was checked would risk. Where the bytes come from is the store's: the
// block in memory, or a place to read pages from.
import { throwIfAborted } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import { pageBytes } from '../../base/page-checksum.ts'
import { unzeroedBytes } from '../../base/flow/aligned-memory.ts'
import type { PiecePool } from '../../base/flow/piece-pool.ts'
import { rottenPage } from './block-file.ts'
import type { BlockHeader, BlockPlace, BlockReader } from '../block-store.ts'
import { diskError } from './disk-calls.ts'

/** A block that takes no more on disk is read whole when it is opened. */
export const wholeBlockBytesMax = 256 * 1024

export interface PageSource {
  /**
   * Fills `into` from the block's byte `from` on; resolves to how many bytes there were. @throws
   * the file system's error
   */
  read(into: Uint8Array, from: number): Promise<number>
  /** Called once, when no read is under way. */
  release(): Promise<void>
}

/** Pages of one block of which readers want parts, kept for those who want the rest. */
export interface PartPages {
  /**
   * Calls `take` with the page that begins at `from`, when it is there.
   * @param length of the page
   * @param read fills memory with the page and checks it; called unless the page is there already
   * @param take copies its part, at once; returns the bytes of it
   * @throws what `read` throws, to everybody who waits for the page
   */
  use(
    from: number,
    length: number,
    read: (into: Uint8Array) => Promise<void>,
    take: (page: Uint8Array) => number,
  ): Promise<void>
}

/**
 * The block's file or record is not what it should be. Reason `block_missing`: there is none;
 * `block_corrupt`: it is torn, rotten or another's.
 */
export function brokenBlock(
  reason: 'block_missing' | 'block_corrupt',
  { blockId }: Pick<BlockHeader, 'blockId'>,
  what: string,
): SkeinError {
  return new SkeinError('data_loss', `block ${blockId} ${what}; it was dropped`, { reason })
}

/** A block's reader; `broken` drops the block, and is waited for before a read throws data_loss. */
export class PageReader implements BlockReader {
  readonly header: BlockHeader
  readonly place: BlockPlace
  readonly #checksums: readonly number[]
  readonly #source: Uint8Array | PageSource
  readonly #broken: (header: BlockHeader) => Promise<void>
  #reading = 0
  #mode: 'open' | 'closing' | 'closed' = 'open'
  readonly #closed = Promise.withResolvers<void>()

  constructor(
    header: BlockHeader,
    place: BlockPlace,
    checksums: readonly number[],
    source: Uint8Array | PageSource,
    broken: (header: BlockHeader) => Promise<void>,
  ) {
    this.header = header
    this.place = place
    this.#checksums = checksums
    this.#source = source
    this.#broken = broken
  }

  read(offset: number, length: number, signal: AbortSignal, pieces?: PiecePool): Promise<Uint8Array> {
    return this.#whileOpen(offset, length, signal, async () => {
      const from = offset - (offset % pageBytes)
      const to = this.#pageEnd(offset + length)
      const pages = await this.#pages(from, to, pieces)
      const at = offset - from
      pieces?.giveBack(pages.subarray(0, at))
      pieces?.giveBack(pages.subarray(at + length))
      return pages.subarray(at, at + length)
    })
  }

  /**
   * Fills `into` with the bytes from `offset` on. Whole pages are read into `into` itself; of the
   * first and the last one, where the range cuts them, a part is copied. Errors as of `read`, when
   * the content of `into` is undefined; nothing is written to it afterwards.
   * @param pages where the pages of which a part is copied are kept; undefined: nowhere
   */
  async readInto(into: Uint8Array, offset: number, signal: AbortSignal, pages?: PartPages): Promise<void> {
    await this.#whileOpen(offset, into.length, signal, async () => {
      const end = offset + into.length
      const steps: Promise<void>[] = []
      for (let at = offset; at < end;) {
        const wholeEnd = this.#pageEnd(end) === end ? end : end - (end % pageBytes)
        const isWhole = at % pageBytes === 0 && wholeEnd > at
        const to = isWhole ? wholeEnd : Math.min(end, this.#pageEnd(at + 1))
        const part = into.subarray(at - offset, to - offset)
        steps.push(isWhole ? this.#fill(part, at) : this.#copyPart(part, at, pages))
        at = to
      }
      if (steps.length === 1) await steps[0]
      else for (const step of await Promise.allSettled(steps)) if (step.status === 'rejected') throw step.reason
      return into
    })
  }

  /** Fills `into` with bytes of one page. */
  async #copyPart(into: Uint8Array, at: number, pages: PartPages | undefined): Promise<void> {
    const [from, to] = [at - (at % pageBytes), this.#pageEnd(at + 1)]
    const take = (page: Uint8Array): number => {
      into.set(page.subarray(at - from, at - from + into.length))
      return into.length
    }
    if (pages === undefined) take(await this.#pages(from, to, undefined))
    else await pages.use(from, to - from, (memory) => this.#fill(memory, from), take)
  }

  /** The end of the page in which the byte before `offset` is. */
  #pageEnd(offset: number): number {
    return Math.min(this.header.length, Math.ceil(offset / pageBytes) * pageBytes)
  }

  async #whileOpen(
    offset: number,
    length: number,
    signal: AbortSignal,
    read: () => Promise<Uint8Array>,
  ): Promise<Uint8Array> {
    const { blockId, length: blockBytes } = this.header
    if (
      !Number.isSafeInteger(offset) ||
      !Number.isSafeInteger(length) ||
      offset < 0 ||
      length < 0 ||
      offset + length > blockBytes
    ) {
      throw new SkeinError(
        'invalid_argument',
        `bytes ${offset}+${length} are not all in block ${blockId} of ${blockBytes} bytes`,
      )
    }
    throwIfAborted(signal)
    if (this.#mode !== 'open')
      throw new SkeinError('failed_precondition', `block ${blockId} is read after its reader was closed`)
    if (length === 0) return new Uint8Array()
    this.#reading += 1
    try {
      return await read()
    } catch (thrown) {
      throw diskError(thrown, `reading block ${blockId}`)
    } finally {
      this.#reading -= 1
      this.#releaseIfIdle()
    }
  }

  close(): Promise<void> {
    if (this.#mode === 'open') {
      this.#mode = 'closing'
      this.#releaseIfIdle()
    }
    return this.#closed.promise
  }

  /** Whole pages, checked. */
  async #pages(from: number, to: number, pieces: PiecePool | undefined): Promise<Uint8Array> {
    if (this.#source instanceof Uint8Array) {
      const pages = this.#source.subarray(from, to)
      await this.#check(pages, from, pages.length === to - from)
      return pages
    }
    const bytes = to - from
    const into = pieces !== undefined && bytes <= pieces.pieceBytes ? pieces.take(bytes) : unzeroedBytes(bytes)
    await this.#fill(into, from)
    return into
  }

  /** Fills `into` with whole pages and checks them. */
  async #fill(into: Uint8Array, from: number): Promise<void> {
    if (this.#source instanceof Uint8Array) into.set(await this.#pages(from, from + into.length, undefined))
    else await this.#check(into, from, (await this.#source.read(into, from)) === into.length)
  }

  async #check(pages: Uint8Array, from: number, isComplete: boolean): Promise<void> {
    const rotten = isComplete ? rottenPage(pages, from / pageBytes, this.#checksums) : undefined
    if (isComplete && rotten === undefined) return
    await this.#broken(this.header)
    const why = isComplete ? `has a wrong checksum in page ${rotten}` : 'is cut short'
    throw brokenBlock('block_corrupt', this.header, why)
  }

  #releaseIfIdle(): void {
    // A descriptor that is closed under a running read may be another file's by the time the disk
    // is asked.
    if (this.#mode !== 'closing' || this.#reading > 0) return
    this.#mode = 'closed'
    this.#closed.resolve(this.#source instanceof Uint8Array ? undefined : this.#source.release())
  }
}
