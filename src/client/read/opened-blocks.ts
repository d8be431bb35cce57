// Why: asking a worker where a block is costs more than reading a page of it, so a block file that
// was opened is kept open for the next reads. How: blocks by key, the least recently used one is
// closed first. Each is closed after a short time, also while it is read all the time: the worker
// then hears again that it is read, and the disk gets the space of freed blocks back.
import { type Clock, untilAborted } from '../../base/clock.ts'
import type { PageReader } from '../../block/disk/page-reader.ts'

type Block = Pick<PageReader, 'readInto' | 'read' | 'close'>

export interface OpenedBlocksOptions {
  readonly clock: Clock
  /** Open files at most; more only while they are all being read. */
  readonly blocksMax?: number
  readonly keepMs?: number
}

/** A block that is lent to one read. Give it back once. */
export interface LentBlock {
  readonly reader: Block
  /** Whether it was open before. */
  readonly wasOpen: boolean
  /** @param isBroken it cannot be read, so nobody else gets it */
  giveBack(isBroken: boolean): void
}

interface Entry {
  readonly opening: Promise<Block | undefined>
  readonly openedMs: number
  users: number
  isDropped: boolean
}

export class OpenedBlocks {
  readonly #clock: Clock
  readonly #blocksMax: number
  readonly #keepMs: number
  /** In the order of their last use. */
  readonly #entries = new Map<string, Entry>()
  #stopLooking: (() => void) | undefined

  constructor({ clock, blocksMax = 16, keepMs = 2000 }: OpenedBlocksOptions) {
    this.#clock = clock
    this.#blocksMax = blocksMax
    this.#keepMs = keepMs
  }

  /** Whether the block is open, and for long enough to be lent. */
  has(key: string): boolean {
    const entry = this.#entries.get(key)
    return entry !== undefined && !this.#isOld(entry)
  }

  /**
   * Lends the block, which `open` opens unless it is open. Reads that come meanwhile wait for the
   * same call.
   * @returns undefined when `open` does
   * @throws the signal's reason, and what `open` throws
   */
  async lend(key: string, open: () => Promise<Block | undefined>, signal: AbortSignal): Promise<LentBlock | undefined> {
    const known = this.#entries.get(key)
    const wasOpen = known !== undefined && !this.#isOld(known)
    if (known !== undefined && !wasOpen) this.#drop(key, known)
    const entry: Entry = wasOpen
      ? known
      : { opening: open(), openedMs: this.#clock.monotonicMs(), users: 0, isDropped: false }
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    entry.users += 1
    let isLent = true
    const giveBack = (isBroken: boolean): void => {
      if (!isLent) return
      isLent = false
      entry.users -= 1
      if (isBroken || this.#isOld(entry)) this.#drop(key, entry)
      else if (entry.isDropped) this.#closeUnused(entry)
    }
    try {
      this.#makeRoom()
      this.#lookLater()
      const reader = await untilAborted(entry.opening, signal)
      if (reader !== undefined) return { reader, wasOpen, giveBack }
      giveBack(true)
      return undefined
    } catch (thrown) {
      // Whoever stops waiting leaves the block to the others.
      giveBack(!signal.aborted)
      throw thrown
    }
  }

  /** Closes all blocks, as soon as nobody reads them. */
  close(): void {
    this.#stopLooking?.()
    for (const [key, entry] of this.#entries) this.#drop(key, entry)
  }

  #isOld({ openedMs }: Entry): boolean {
    return this.#clock.monotonicMs() - openedMs >= this.#keepMs
  }

  #makeRoom(): void {
    for (const [key, entry] of this.#entries) {
      if (this.#entries.size <= this.#blocksMax) return
      if (entry.users === 0) this.#drop(key, entry)
    }
  }

  #lookLater(): void {
    if (this.#stopLooking !== undefined) return
    this.#stopLooking = this.#clock.schedule(this.#keepMs, () => {
      this.#stopLooking = undefined
      for (const [key, entry] of this.#entries) if (this.#isOld(entry)) this.#drop(key, entry)
      if (this.#entries.size > 0) this.#lookLater()
    })
  }

  #drop(key: string, entry: Entry): void {
    if (this.#entries.get(key) === entry) this.#entries.delete(key)
    entry.isDropped = true
    this.#closeUnused(entry)
  }

  #closeUnused(entry: Entry): void {
    if (entry.users > 0) return
    entry.opening.then((reader) => reader?.close()).catch(() => undefined)
  }
}
