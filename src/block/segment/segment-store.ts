// Why: a file for each small block costs most of the time of loading it (60 to 450 us of system
// time on a busy ext4); here many share a segment. How: the ledger (block-ledger.ts) decides who
// may write what without waiting, the writer appends (segment-writer.ts), entries know their place,
// a freed block leaves a tombstone, and compaction gives the space back (segment-compaction.ts).
// Nothing is synced: a block of a persisted file can be read again.
//
// What lies on the disk beyond the quota, and how much at most: segment-limits.ts.
import { randomUUID } from 'node:crypto'
import { assert } from '../../base/assert.ts'
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import { pageChecksums } from '../../base/page-checksum.ts'
import { type BlockEntry, type BlockLedger, blockNotFound } from './block-ledger.ts'
import { BlockRemovals } from './block-removals.ts'
import type {
  BlockHeader,
  BlockReader,
  BlockReservation,
  BlockStore,
  DirectoryUsage,
  KeptBlock,
} from '../block-store.ts'
import { type DirectoryLayout, tempPath } from '../disk/directory-layout.ts'
import type { DirectoryOptions, DirectoryStoreDependencies } from '../disk/directory-options.ts'
import { diskError } from '../disk/disk-calls.ts'
import { mustBeGivenWhole } from '../disk/reservation-checks.ts'
import { SegmentCompaction } from './segment-compaction.ts'
import { createSegment } from './segment-file.ts'
import { HeadsQueue } from './segment-heads.ts'
import { segmentLimits } from './segment-limits.ts'
import { type FoundBlock, loadSegments } from './segment-load.ts'
import { openSegmentReader } from './segment-reader.ts'
import { encodeBlockHead } from './segment-record.ts'
import { SegmentReservation } from './segment-reservation.ts'
import { SegmentRoom } from './segment-room.ts'
import { SegmentTable } from './segment-table.ts'
import { SegmentWriter } from './segment-writer.ts'

const defaultCompactionBytesPerSecond = 64 * 1024 * 1024

export interface SegmentStoreOptions extends DirectoryOptions {
  readonly layout: DirectoryLayout
  /** Shared by all stores of the directory. */
  readonly ledger: BlockLedger
  readonly deps: DirectoryStoreDependencies
  /**
   * A segment is not appended to beyond this, or less where the quota is small; a larger block has
   * one of its own.
   */
  readonly segmentBytes?: number | undefined
  readonly compactionBytesPerSecond?: number | undefined
  /** False: only `compact` compacts. */
  readonly background?: boolean | undefined
  /** Ends the scan early. */
  readonly signal?: AbortSignal
}

export class SegmentStore implements BlockStore {
  readonly #options: SegmentStoreOptions
  readonly #ledger: BlockLedger
  readonly #table: SegmentTable
  readonly #writer: SegmentWriter
  readonly #compaction: SegmentCompaction
  readonly #heads: HeadsQueue
  readonly #room: SegmentRoom
  readonly #removals: BlockRemovals
  readonly #reservations = new Set<SegmentReservation>()
  #closed = false

  private constructor(options: SegmentStoreOptions, table: SegmentTable, open: SegmentWriter['segment']) {
    const { layout, ledger, deps } = options
    const limits = segmentLimits(ledger.quotaBytes, options.segmentBytes)
    this.#options = options
    this.#ledger = ledger
    this.#table = table
    this.#heads = new HeadsQueue(deps.logger)
    this.#writer = new SegmentWriter({
      segmentBytes: limits.segmentBytes,
      segment: open,
      create: async () => {
        const segment = await createSegment(layout.segmentsPath, table.nextNumber())
        table.add(segment)
        return segment
      },
      onSealed: (segment) => {
        this.#heads.add(segment)
        this.#compactInBackground()
      },
      onWritten: () => this.#afterWrite(),
      onFailed: () => this.#afterFailure(),
    })
    this.#compaction = new SegmentCompaction({
      ledger,
      table,
      writer: this.#writer,
      bytesPerSecond: options.compactionBytesPerSecond ?? defaultCompactionBytesPerSecond,
      isUrgent: () => this.#room.isUrgent,
      dropCorrupt: (entry) => this.#removals.dropBroken(entry),
      owe: (blockId) => this.#removals.owe(blockId),
      clock: deps.clock,
      logger: deps.logger,
    })
    const isClosed = (): boolean => this.#closed
    this.#room = new SegmentRoom({ ledger, table, compaction: this.#compaction, limits, isClosed })
    this.#removals = new BlockRemovals({
      ...deps,
      ledger,
      table,
      writer: this.#writer,
      room: this.#room,
      path: layout.path,
      isClosed,
    })
  }

  /**
   * Finds the blocks in the segments of a prepared directory. Blocks beyond a quota that was
   * lowered are freed.
   * @throws SkeinError unavailable (the disk fails)
   */
  static async open(options: SegmentStoreOptions): Promise<SegmentStore> {
    const { layout, deps, signal = new AbortController().signal } = options
    const { segmentBytes } = segmentLimits(options.ledger.quotaBytes, options.segmentBytes)
    const table = new SegmentTable(segmentBytes)
    const { blocks, open, withoutHeads, cutBytes, foreignFiles } = await loadSegments(layout.segmentsPath, table, {
      segmentBytes,
      signal,
    })
    const store = new SegmentStore(options, table, open)
    store.#adopt(blocks)
    table.recount()
    const found = {
      path: layout.segmentsPath,
      blocks: blocks.length,
      diskBytes: table.diskBytes,
      deadBytes: table.deadBytes,
    }
    if (table.diskBytes > 0 || foreignFiles > 0)
      deps.logger.info('segments opened', { ...found, cutBytes, foreignFiles })
    for (const segment of withoutHeads) store.#heads.add(segment)
    store.#compactInBackground()
    return store
  }

  get blockCount(): number {
    return this.#ledger.committedCount
  }

  get reservedBytes(): number {
    return this.#ledger.reservedBytes
  }

  /** Of the segments' files, dead records and all. */
  get diskBytes(): number {
    return this.#table.diskBytes
  }

  has(blockId: number): boolean {
    return this.#ledger.committed(blockId) !== undefined
  }

  list(): Iterable<KeptBlock> {
    return this.#ledger.headers()
  }

  usage(): readonly DirectoryUsage[] {
    const { layout, tier, mediumType, quotaBytes } = this.#options
    return [{ path: layout.path, tier, mediumType, quotaBytes, usedBytes: this.#ledger.takenBytes, state: 'normal' }]
  }

  async reserve(header: BlockHeader): Promise<BlockReservation> {
    const begun = this.#begin(header)
    const entry = begun instanceof Promise ? await begun : begun
    const id = randomUUID()
    const path = tempPath(this.#options.layout, header.blockId, id)
    const reservation: SegmentReservation = new SegmentReservation({
      id,
      header,
      path,
      append: async (ended, data, checksums) => {
        await this.untilRoom()
        await this.#append(entry, ended, data, checksums)
      },
      ended: (how) => {
        this.#reservations.delete(reservation)
        if (how === 'aborted') this.#ledger.end(entry)
      },
      warn: (message, thrown) => this.#options.deps.logger.warn(message, { path, error: thrown }),
    })
    this.#reservations.add(reservation)
    return reservation
  }

  async put(header: BlockHeader, bytes: Uint8Array): Promise<void> {
    mustBeGivenWhole(header, bytes)
    const begun = this.#begin(header)
    const entry = begun instanceof Promise ? await begun : begun
    try {
      const room = this.untilRoom()
      if (room !== undefined) await room
      await this.#append(entry, header, [bytes], pageChecksums(bytes))
    } catch (thrown) {
      this.#ledger.end(entry)
      throw diskError(thrown, `writing block ${header.blockId}`)
    }
  }

  async open(blockId: number): Promise<BlockReader> {
    this.#mustBeOpen()
    const entry = this.#ledger.committed(blockId)
    if (entry?.place === undefined) throw blockNotFound(blockId)
    try {
      return await openSegmentReader(entry.place, entry.header, ({ key }) => this.#removals.dropBroken(entry, key))
    } catch (thrown) {
      if (entry.mode !== 'committed') throw blockNotFound(blockId)
      if (isSkeinError(thrown, 'data_loss')) await this.#removals.dropBroken(entry)
      throw thrown
    }
  }

  async free(blockId: number): Promise<boolean> {
    this.#mustBeOpen()
    const entry = this.#ledger.committed(blockId)
    if (entry?.place === undefined) return false
    await this.#removals.remove(entry, 'freed')
    return true
  }

  /** No block in a segment is durable. */
  async release(): Promise<void> {}

  /**
   * Undefined: what is reserved has room on the disk. Else resolves when it has, or when compaction
   * can give no more. Never fails.
   */
  untilRoom(): Promise<void> | undefined {
    return this.#options.background !== false ? this.#room.untilRoom() : undefined
  }

  /**
   * Compacts until no segment is worth it. Only with `background: false`. @throws what the disk
   * throws
   */
  compact(): Promise<void> {
    return this.#compaction.run()
  }

  /**
   * Aborts the open reservations, takes no more, and waits for what is under way. Readers stay
   * usable.
   */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await Promise.all([...this.#reservations].map((reservation) => reservation.abort()))
    await this.#compaction.stop()
    await this.#writer.close()
    await this.#heads.stop()
    for (const segment of this.#table.segments) segment.retire()
  }

  /** The blocks that were found in the segments become the ledger's. */
  #adopt(blocks: readonly FoundBlock[]): void {
    for (const { header, place } of blocks) {
      if (header.length > this.#ledger.quotaBytes - this.#ledger.usedBytes) {
        this.#table.addDead(place, header.blockId, false)
        this.#removals.bury(header.blockId).catch(() => undefined)
        continue
      }
      const entry = this.#ledger.begin(header)
      entry.place = place
      this.#ledger.commit(entry)
      this.#table.addLive(place)
      this.#room.chargeHeads(place.bytes - header.length)
    }
  }

  #mustBeOpen(): void {
    if (this.#closed)
      throw new SkeinError('unavailable', `block directory ${this.#options.layout.path} is closed`, {
        reason: 'stopping',
      })
  }

  /** Without waiting, unless the block's last life is still being removed. */
  #begin(header: BlockHeader): BlockEntry | Promise<BlockEntry> {
    assert(header.durable !== true, `block ${header.blockId} is durable, and segments are not synced`)
    this.#mustBeOpen()
    return this.#ledger.tryBegin(header) ?? this.#ledger.beginAfterRemoval(header, () => this.#mustBeOpen())
  }

  /**
   * The entry is committed when this resolves. @throws SkeinError; the entry is still `writing`
   * then
   */
  #append(
    entry: BlockEntry,
    header: BlockHeader,
    data: readonly Uint8Array[],
    checksums: readonly number[],
  ): Promise<void> {
    const head = encodeBlockHead(this.#table.nextSequence(), header, checksums)
    return new Promise((resolve, reject) => {
      this.#writer.append({
        head,
        data,
        bytes: head.length + header.length,
        written: (place) => {
          entry.place = place
          this.#table.addLive(place)
          this.#room.chargeHeads(place.bytes - header.length)
          this.#ledger.commit(entry, header.length)
          this.#options.deps.events.added(entry.header)
          resolve()
        },
        failed: reject,
      })
    })
  }

  #afterWrite(): void {
    this.#removals.writeOwed()
    this.#table.recount()
    const { segment } = this.#writer
    if (segment !== undefined && this.#table.isWasteful(segment)) this.#writer.seal()
    this.#compactInBackground()
  }

  /**
   * A full disk has room again once a segment goes that holds no block any more; that needs no room
   * itself.
   */
  #afterFailure(): void {
    const { segment } = this.#writer
    if (segment !== undefined && segment.liveBlocks === 0 && segment.deadBytes > 0) this.#writer.seal()
    this.#compactInBackground()
  }

  #compactInBackground(): void {
    if (this.#options.background !== false && !this.#closed) this.#compaction.start()
  }
}
