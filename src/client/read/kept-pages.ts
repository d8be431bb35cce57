// Why: a page of a block file is read and checked as a whole (block/disk/page-reader.ts), and
// readers want parts of it: the kernel's reads begin in the middle of pages, and programs read some
// KiB at a time. Read anew for each of them, a page would cost its whole length each time. How: a
// page of which a part was wanted stays for the rest of it. Reads that come while the page is being
// read wait for the same read. A page goes when all of its bytes were taken, when others need the
// room, or after a while without a read. What is kept was checked after it came from the disk; a
// block id names one version of its bytes for ever.
import type { Clock } from '../../base/clock.ts'
import { PiecePool } from '../../base/flow/piece-pool.ts'
import { pageBytes } from '../../base/page-checksum.ts'
import type { PartPages } from '../../block/disk/page-reader.ts'

export interface KeptPagesOptions {
  /** Pages at most that nobody waits for. */
  readonly pagesMax: number
  readonly clock: Pick<Clock, 'schedule'>
}

/** A page without a part that was taken goes after this time to twice of it. */
const idleMs = 500

interface Page {
  readonly bytes: Uint8Array
  readonly reading: Promise<void>
  users: number
  takenBytes: number
  /** Whether it was used since the last look. */
  isRecent: boolean
  isDropped: boolean
  hasFailed: boolean
}

export class KeptPages {
  readonly #options: KeptPagesOptions
  readonly #pool: PiecePool
  /** In the order of their last use. */
  readonly #pages = new Map<string, Page>()
  #stopLooking: (() => void) | undefined

  constructor(options: KeptPagesOptions) {
    this.#options = options
    this.#pool = new PiecePool({ pieceBytes: pageBytes, idleMax: options.pagesMax, clock: options.clock })
  }

  /** Pages that are kept, and those that are being read. */
  get size(): number {
    return this.#pages.size
  }

  /** The pages of a block. @param key names the worker and the block */
  of(key: string): PartPages {
    return {
      use: async (from, length, read, take) => {
        const pageKey = `${key} ${from}`
        const page = this.#pages.get(pageKey) ?? this.#begin(length, read)
        // The last used one is at the end.
        this.#pages.delete(pageKey)
        this.#pages.set(pageKey, page)
        page.users += 1
        page.isRecent = true
        this.#makeRoom()
        this.#lookLater()
        try {
          await page.reading
          page.takenBytes += take(page.bytes)
          if (page.takenBytes >= length) this.#drop(pageKey, page)
        } catch (thrown) {
          page.hasFailed = true
          this.#drop(pageKey, page)
          throw thrown
        } finally {
          page.users -= 1
          this.#freeUnused(page)
          this.#makeRoom()
        }
      },
    }
  }

  /** Drops all pages. */
  close(): void {
    this.#stopLooking?.()
    for (const [key, page] of this.#pages) this.#drop(key, page)
  }

  #begin(length: number, read: (into: Uint8Array) => Promise<void>): Page {
    const bytes = this.#pool.take(length)
    return {
      bytes,
      reading: read(bytes),
      users: 0,
      takenBytes: 0,
      ...{ isRecent: true, isDropped: false, hasFailed: false },
    }
  }

  #makeRoom(): void {
    for (const [key, page] of this.#pages) {
      if (this.#pages.size <= this.#options.pagesMax) return
      if (page.users === 0) this.#drop(key, page)
    }
  }

  #lookLater(): void {
    if (this.#stopLooking !== undefined) return
    this.#stopLooking = this.#options.clock.schedule(idleMs, () => {
      this.#stopLooking = undefined
      for (const [key, page] of this.#pages) {
        if (!page.isRecent && page.users === 0) this.#drop(key, page)
        page.isRecent = false
      }
      if (this.#pages.size > 0) this.#lookLater()
    })
  }

  #drop(key: string, page: Page): void {
    if (this.#pages.get(key) === page) this.#pages.delete(key)
    page.isDropped = true
    this.#freeUnused(page)
  }

  /** After an error its memory is not used again. */
  #freeUnused(page: Page): void {
    if (!page.isDropped || page.users > 0 || page.hasFailed) return
    this.#pool.giveBack(page.bytes)
  }
}
