// Why: a reader gets the right bytes or an error, whatever the disk did since. How: every page that a read touches is
// checked against the footer, each time; CRC-32 runs at several GB/s, which is less than remembering what was checked
// would risk. A small block's file is read whole at once and closed; a large one's descriptor stays open, so that it can
// be read on after the block was freed.
import { SkeinError } from '../base/errors.ts'
import { throwIfAborted } from '../base/clock.ts'
import { pageBytes } from '../base/page-checksum.ts'
import { type BlockFooter, decodeFooter, encodeFooter, pageCount, rottenPage, sameHeader } from './block-file.ts'
import type { BlockHeader, BlockReader } from './block-store.ts'
import { closeFile, diskError, hasErrno, openFile, readFileFlags, readFully } from './disk-calls.ts'

const wholeFileBytesMax = 256 * 1024

/** The block's file is not what it should be. Reason `block_missing`: there is none; `block_corrupt`: it is torn, rotten or another's. */
function brokenBlock(reason: 'block_missing' | 'block_corrupt', header: BlockHeader, what: string): SkeinError {
  return new SkeinError('data_loss', `block ${header.blockId} ${what}; it was dropped`, { reason })
}

/**
 * Opens a block's file and checks its footer against `header`.
 * @param broken drops the block; called and waited for before a later read throws data_loss
 * @throws SkeinError data_loss (see brokenBlock; the caller drops the block), unavailable when the disk fails
 */
export async function openReader(path: string, header: BlockHeader, broken: () => Promise<void>): Promise<BlockReader> {
  const fd = await openBlockFile(path, header)
  let held = false
  try {
    const fileBytes = header.length + expectedFooterBytes(header)
    const whole = fileBytes <= wholeFileBytesMax
    const from = whole ? 0 : header.length
    // One byte more than there should be, so that a longer file is seen.
    const tail = Buffer.allocUnsafe(fileBytes - from + 1)
    const count = await readFully(fd, tail, from)
    const footer = decodeFooter(tail.subarray(0, count), from + count)
    if (footer === undefined || !sameHeader(footer.header, header)) throw brokenBlock('block_corrupt', header, 'has a torn or foreign file')
    held = !whole
    return new DirectoryReader(footer, whole ? tail.subarray(0, header.length) : fd, broken)
  } catch (thrown) {
    throw diskError(thrown, `opening block ${header.blockId}`)
  } finally {
    if (!held) await closeFile(fd)
  }
}

async function openBlockFile(path: string, header: BlockHeader): Promise<number> {
  try {
    return await openFile(path, readFileFlags)
  } catch (thrown) {
    if (hasErrno(thrown, 'ENOENT')) throw brokenBlock('block_missing', header, 'has no file any more')
    if (hasErrno(thrown, 'ELOOP')) throw brokenBlock('block_corrupt', header, 'has a symbolic link for a file')
    throw diskError(thrown, `opening block ${header.blockId}`)
  }
}

function expectedFooterBytes(header: BlockHeader): number {
  return encodeFooter(header, []).length + 4 * pageCount(header.length)
}

class DirectoryReader implements BlockReader {
  readonly header: BlockHeader
  readonly #checksums: readonly number[]
  /** The block's bytes, or the descriptor to read them from. */
  readonly #source: Uint8Array | number
  readonly #broken: () => Promise<void>
  #reading = 0
  #mode: 'open' | 'closing' | 'closed' = 'open'
  readonly #closed = Promise.withResolvers<void>()

  constructor(footer: BlockFooter, source: Uint8Array | number, broken: () => Promise<void>) {
    this.header = footer.header
    this.#checksums = footer.checksums
    this.#source = source
    this.#broken = broken
  }

  async read(offset: number, length: number, signal: AbortSignal): Promise<Uint8Array> {
    const { blockId, length: blockBytes } = this.header
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0 || offset + length > blockBytes) {
      throw new SkeinError('invalid_argument', `bytes ${offset}+${length} are not all in block ${blockId} of ${blockBytes} bytes`)
    }
    throwIfAborted(signal)
    if (this.#mode !== 'open') throw new SkeinError('failed_precondition', `block ${blockId} is read after its reader was closed`)
    if (length === 0) return new Uint8Array()
    this.#reading += 1
    try {
      const firstPage = Math.floor(offset / pageBytes)
      const from = firstPage * pageBytes
      const to = Math.min(blockBytes, Math.ceil((offset + length) / pageBytes) * pageBytes)
      const pages = await this.#pages(from, to)
      const rotten = pages === undefined ? undefined : rottenPage(pages, firstPage, this.#checksums)
      if (pages === undefined || rotten !== undefined) {
        await this.#broken()
        throw brokenBlock('block_corrupt', this.header, pages === undefined ? 'is cut short' : `has a wrong checksum in page ${rotten}`)
      }
      return pages.subarray(offset - from, offset - from + length)
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

  async #pages(from: number, to: number): Promise<Uint8Array | undefined> {
    if (typeof this.#source !== 'number') return this.#source.subarray(from, to)
    const into = Buffer.allocUnsafeSlow(to - from)
    return (await readFully(this.#source, into, from)) === into.length ? into : undefined
  }

  #releaseIfIdle(): void {
    // A descriptor that is closed under a running read may be another file's by the time the disk is asked.
    if (this.#mode !== 'closing' || this.#reading > 0) return
    this.#mode = 'closed'
    // An error at closing a file that was only read says nothing to anybody.
    const closed = typeof this.#source === 'number' ? closeFile(this.#source).catch(() => undefined) : Promise.resolve()
    this.#closed.resolve(closed)
  }
}
