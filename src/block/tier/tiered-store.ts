// Why: memory above disks, and a cache that makes room for what is new: several tiers as one
// BlockStore. How: each tier is a BlockStore; the table (tier-table.ts) knows which one has a
// block, and this class joins the parts. Where a block goes when its tier is full is decided in
// eviction-policy.ts, done in tier-room.ts and tier-moves.ts; promotions.ts goes upwards. Which
// blocks must stay is known from the calls of block-eviction.ts.
//
// A new block goes to the top tier. Without room there: the coldest blocks go down; a write that
// may evict lets the last tier delete its coldest; where even that is not possible the block itself
// is written further down, or refused. A write that may not evict (a load) never makes the store
// delete anything; only watermarks of the last tier, where they are configured, do so by
// themselves.
//
// Of a block there is one life at a time, in one tier: a second writer is refused, and the next
// life waits until the last one's removal, and the move that it may have interrupted, are over.
import { SkeinError } from '../../base/errors.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import type { BlockAnnotator } from './order/annotator.ts'
import type { BlockEviction } from '../block-eviction.ts'
import { alreadyExists, blockNotFound } from '../segment/block-ledger.ts'
import type { BlockHeader, BlockReader, BlockReservation, BlockStore, BlockStoreEvents } from '../block-store.ts'
import type { DirectoryUsage, KeptBlock, WriteHints } from '../block-store.ts'
import { TierMedia } from './tier-media.ts'
import { StalledWrites } from './stalled-writes.ts'
import { TierReader } from './tier-reader.ts'
import { Promotions } from './promotions.ts'
import { RunningLoads } from './running-loads.ts'
import { TierMover } from './tier-moves.ts'
import { type RoomLimits, TierRoom, type TierStore } from './tier-room.ts'
import { type TierBlock, TierTable } from './tier-table.ts'
import { type TierWrite, TierWrites } from './tier-writes.ts'

import { TierPlacing } from './tier-placing.ts'

export interface TieredStoreOptions extends RoomLimits {
  readonly levels: number
  readonly makeAnnotator: () => BlockAnnotator
  /** 0: no promotion. */
  readonly promotionBytesPerSecond: number
  /**
   * How long a reservation that hardly grows keeps its room while a writer finds none;
   * stalled-writes.ts. Default 3 s.
   */
  readonly stallMs?: number | undefined
  /** What a reservation must grow by, then. Default 64 KiB. */
  readonly leastBytesPerSecond?: number | undefined
  readonly events: BlockStoreEvents
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: MetricRegistry
}

export class TieredStore implements BlockStore, BlockEviction {
  readonly #events: BlockStoreEvents
  readonly #metrics: MetricRegistry
  readonly #tiers: readonly TierStore[]
  readonly #media: TierMedia
  readonly #table: TierTable
  readonly #mover: TierMover
  readonly #room: TierRoom
  readonly #promotions: Promotions
  readonly #placing: TierPlacing
  readonly #loads = new RunningLoads()
  readonly #stop: AbortController
  readonly #writing = new TierWrites()
  readonly #closing: (() => Promise<void>)[] = []
  /** Removals that are not over yet. */
  readonly #leaving = new Map<number, Promise<unknown>>()

  private constructor(options: TieredStoreOptions, tiers: readonly TierStore[], table: TierTable) {
    const { events, clock, logger, metrics, promotionBytesPerSecond: bytesPerSecond } = options
    this.#events = events
    this.#metrics = metrics
    this.#tiers = tiers
    this.#media = new TierMedia(tiers)
    this.#table = table
    this.#stop = new AbortController()
    const diskWasFull = (level: number): void => this.#room.diskWasFull(level)
    this.#mover = new TierMover({ tiers, table, signal: this.#stop.signal, diskWasFull, logger })
    const evict = (block: TierBlock): Promise<void> => this.#remove(block, 'evicted')
    this.#room = new TierRoom({ tiers, table, mover: this.#mover, limits: options, evict, clock, logger })
    this.#promotions = new Promotions({ table, mover: this.#mover, room: this.#room, clock, metrics, bytesPerSecond })
    const stalled = new StalledWrites({ ...options, signal: this.#stop.signal, writes: () => this.#writing.open() })
    const usage = (): readonly DirectoryUsage[] => this.usage()
    this.#placing = new TierPlacing({ tiers, room: this.#room, mover: this.#mover, stalled, usage })
  }

  /**
   * Opens the tiers, level 0 (the top) first, each with the events it must call, and what to ask
   * about a block that was lost and is here again; they belong to the store from now on. A block
   * that is found in two tiers stays in the upper one.
   * @throws what openTier throws
   */
  static async open(
    openTier: (level: number, events: BlockStoreEvents, found: (block: KeptBlock) => boolean) => Promise<TierStore>,
    options: TieredStoreOptions,
  ): Promise<TieredStore> {
    const table = new TierTable(options.levels, options.makeAnnotator)
    const tiers: TierStore[] = []
    let store: TieredStore | undefined
    try {
      for (let level = 0; level < options.levels; level += 1) {
        const events: BlockStoreEvents = {
          added: (header) => {
            if (store !== undefined) store.#added(level, header)
          },
          removed: (blockId, why) => {
            if (store !== undefined) store.#removed(level, blockId, why)
          },
        }
        tiers.push(await openTier(level, events, (header) => store !== undefined && store.#found(level, header)))
      }
      for (const [level, tier] of tiers.entries()) {
        for (const header of tier.list()) {
          if (table.get(header.blockId) === undefined) table.add(header, level)
          else await tier.free(header.blockId)
        }
      }
    } catch (thrown) {
      await Promise.all(tiers.map((tier) => tier.close()))
      throw thrown
    }
    return (store = new TieredStore(options, tiers, table))
  }

  get blockCount(): number {
    return this.#table.blockCount
  }

  get reservedBytes(): number {
    return this.#tiers.reduce((total, tier) => total + tier.reservedBytes, 0)
  }

  async reserve(header: BlockHeader, hints?: WriteHints): Promise<BlockReservation> {
    const write = await this.#begin(header, hints)
    try {
      const reservation = await this.#placing.place(header, write, (tier) => tier.reserve(header))
      write.reservation = reservation
      return reservation
    } catch (thrown) {
      this.#writing.end(header.blockId, write)
      throw thrown
    }
  }

  async put(header: BlockHeader, bytes: Uint8Array, hints?: WriteHints): Promise<void> {
    const begun = this.#begin(header, hints)
    const write = begun instanceof Promise ? await begun : begun
    try {
      // The usual case with nothing around it: a small block must cost little.
      if (!(await this.#placing.putOnTop(header, bytes)))
        await this.#placing.place(header, write, (tier) => tier.put(header, bytes))
    } finally {
      this.#writing.end(header.blockId, write)
    }
  }

  async open(blockId: number): Promise<BlockReader> {
    const block = this.#table.get(blockId)
    if (block === undefined) throw blockNotFound(blockId)
    // From here on it is no victim.
    block.readers += 1
    this.#table.touch(block)
    try {
      return new TierReader(await this.#openWhereItIs(block), () => this.#readerClosed(block))
    } catch (thrown) {
      block.readers -= 1
      throw thrown
    }
  }

  has(blockId: number): boolean {
    return this.#table.get(blockId) !== undefined
  }

  /** The tier that a block is in, 0 = the top. */
  levelOf(blockId: number): number | undefined {
    return this.#table.get(blockId)?.level
  }

  isInMemory(blockId: number): boolean {
    const block = this.#table.get(blockId)
    return block !== undefined && this.#media.isMemory(block.level, blockId)
  }

  async free(blockId: number): Promise<boolean> {
    const block = this.#table.get(blockId)
    if (block === undefined) return false
    await this.#remove(block, 'freed')
    return true
  }

  async release(blockId: number): Promise<void> {
    const block = this.#table.get(blockId)
    if (block?.header.durable !== true) return
    this.#table.release(block)
    await this.#tiers[block.level]?.release(blockId)
  }

  setPinned(blockId: number, pinned: boolean): void {
    this.#table.setPinned(blockId, pinned)
  }

  setRunningLoads(loadIds: Iterable<string> | undefined, before?: number): void {
    this.#loads.setRunning(loadIds, before)
  }

  hold(blockId: number, loadId: string): boolean {
    const block = this.#table.get(blockId)
    if (block !== undefined) this.#table.hold(block, this.#loads.of(loadId))
    return block !== undefined
  }

  list(): Iterable<KeptBlock> {
    return this.#table.headers()
  }

  usage(): readonly DirectoryUsage[] {
    return this.#tiers.flatMap((tier) => tier.usage())
  }

  /** Resolves when nothing is moved, promoted or evicted ahead of need any more. */
  async settle(): Promise<void> {
    await this.#promotions.settle()
    await this.#room.settle()
  }

  /** Something that must end before the tiers are closed. */
  onClose(task: () => Promise<void>): void {
    this.#closing.push(task)
  }

  /**
   * Ends moves where they are, fails writers that wait for room, and closes the tiers. Readers stay
   * usable.
   */
  async close(): Promise<void> {
    this.#stop.abort(new SkeinError('unavailable', 'the block store is closed', { reason: 'stopping' }))
    await Promise.all([...this.#closing.map((task) => task()), this.#promotions.close(), this.#room.close()])
    await Promise.all(this.#leaving.values())
    await Promise.all(this.#tiers.map((tier) => tier.close()))
  }

  /** One writer a block: without waiting, unless its last life is still being removed. */
  #begin(header: BlockHeader, hints: WriteHints | undefined): TierWrite | Promise<TierWrite> {
    const leaving = this.#leaving.size === 0 ? undefined : this.#leaving.get(header.blockId)
    if (leaving !== undefined) return leaving.then(() => this.#begin(header, hints))
    const there = this.#table.get(header.blockId)
    if (there === undefined && this.#writing.isUnderWay(header.blockId))
      throw alreadyExists({ header, mode: 'writing' })
    const load = hints?.loadId === undefined ? undefined : this.#loads.of(hints.loadId)
    if (there !== undefined) {
      if (load !== undefined) this.#table.hold(there, load)
      throw alreadyExists({ header, mode: 'committed' })
    }
    const write: TierWrite = { evict: hints?.evict === true, load, reservation: undefined }
    this.#writing.begin(header.blockId, write)
    return write
  }

  /** A block that is moved while it is opened is opened where it went. */
  async #openWhereItIs(block: TierBlock): Promise<BlockReader> {
    for (;;) {
      const { level } = block
      const { blockId } = block.header
      try {
        const reader = await this.#tiers[level]?.open(blockId)
        if (reader === undefined) throw blockNotFound(blockId)
        return reader
      } catch (thrown) {
        if (block.level === level || !this.#table.has(block)) throw thrown
      }
    }
  }

  #readerClosed(block: TierBlock): void {
    block.readers -= 1
    if (block.readers === 0 && block.level > 0) this.#promotions.offer(block)
  }

  /** Out of sight at once. Does not throw. */
  #remove(block: TierBlock, why: 'freed' | 'evicted'): Promise<void> {
    const { blockId } = block.header
    this.#table.drop(block)
    this.#events.removed(blockId, why)
    if (why === 'evicted') this.#metrics.add('skein_worker_blocks_removed_total', 1, { reason: 'evicted' })
    return this.#leave(blockId, Promise.all([this.#tiers[block.level]?.free(blockId), block.move?.done]))
  }

  #added(level: number, header: KeptBlock): void {
    const write = this.#writing.get(header.blockId)
    if (write === undefined) {
      // A move's commit: readers find the new copy from now on. If the block was freed meanwhile,
      // the mover clears it away.
      const block = this.#table.get(header.blockId)
      if (block?.move?.to !== level) return
      const wasInMemory = this.isInMemory(header.blockId)
      this.#table.changeLevel(block, level)
      if (this.isInMemory(header.blockId) !== wasInMemory) this.#events.moved?.(header.blockId)
      this.#room.came(level)
      return
    }
    this.#writing.end(header.blockId, write)
    this.#table.add(header, level, write.load)
    this.#metrics.add('skein_worker_written_bytes_total', header.length)
    this.#events.added(header)
    this.#room.came(level)
  }

  /**
   * A block's disk is well again. @returns false when the block came anew meanwhile, or is about to
   */
  #found(level: number, header: KeptBlock): boolean {
    const { blockId } = header
    const isComing = this.#writing.isUnderWay(blockId)
    if (isComing || this.#table.get(blockId) !== undefined || this.#leaving.has(blockId)) return false
    this.#table.add(header, level)
    this.#events.added(header)
    this.#room.came(level)
    return true
  }

  /** Of what this store removed itself, and of the old copy of a move, the table knows already. */
  #removed(level: number, blockId: number, why: Parameters<BlockStoreEvents['removed']>[1]): void {
    const block = this.#table.get(blockId)
    if (block === undefined || block.level !== level) return
    this.#table.drop(block)
    this.#events.removed(blockId, why)
    if (block.move !== undefined) void this.#leave(blockId, block.move.done)
  }

  /** The block's next life waits for this. */
  #leave(blockId: number, over: Promise<unknown>): Promise<void> {
    const gone = over.then(() => {
      this.#leaving.delete(blockId)
    })
    this.#leaving.set(blockId, gone)
    return gone
  }
}
