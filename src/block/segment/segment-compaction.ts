// Why: the space of freed blocks comes back. How: the live records of the segment that wastes the
// most are appended to the open one, with the tombstones that are still needed, and then the file
// is deleted. A record's old place stays valid until its copy is written, and a copy keeps its
// sequence number: a crash leaves both or one, and a block that is freed in between stays freed
// (segment-record.ts). Readers hold the old file.
//
// One piece at a time waits in the writer's queue, so that a writer never waits for more than that,
// and between pieces the rate is kept, unless the dead bytes outgrow their bound (segment-table.ts)
// or the disk has more on it than the quota allows (`isUrgent`). Copying takes at most 1.5 bytes a
// byte that is given back; when it is urgent, whatever it takes.
import { assert } from '../../base/assert.ts'
import { type Clock, throwIfAborted } from '../../base/clock.ts'
import { isSkeinError, toSkeinError } from '../../base/errors.ts'
import { freeAtOnce } from '../../base/flow/free-memory.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { rottenPage } from '../disk/block-file.ts'
import type { BlockEntry, BlockLedger } from './block-ledger.ts'
import { readFully } from '../disk/disk-calls.ts'
import { deleteSegment, type Segment } from './segment-file.ts'
import { type BlockRecord, encodeBlockHead, encodeTombstone, type TombstoneRecord } from './segment-record.ts'
import { readWindows, type RecordWindow } from './segment-scan.ts'
import type { SegmentTable } from './segment-table.ts'
import type { SegmentWriter } from './segment-writer.ts'

const pieceBytes = 1024 * 1024
/** After a failure, such as a full disk. */
const retryMs = 5000

export interface CompactionOptions {
  readonly ledger: BlockLedger
  readonly table: SegmentTable
  readonly writer: SegmentWriter
  /** Copied in a second, at most, while the dead bytes are within their bound. */
  readonly bytesPerSecond: number
  /** Room is needed: it does not rest, and segments with few dead bytes will do. */
  readonly isUrgent: () => boolean
  /** Drops a block whose record is rotten. */
  readonly dropCorrupt: (entry: BlockEntry) => Promise<void>
  /** A tombstone is needed and cannot be written now: the disk is full. */
  readonly owe: (blockId: number) => void
  readonly clock: Clock
  readonly logger: Logger
}

export class SegmentCompaction {
  readonly #options: CompactionOptions
  readonly #stopping = new AbortController()
  #running: Promise<void> | undefined
  /** Resolves true when it is worth looking again, false when the disk fails. */
  #next = Promise.withResolvers<boolean>()
  #failed = false
  #movedBytes = 0

  constructor(options: CompactionOptions) {
    this.#options = options
  }

  /**
   * Of the segment that is being emptied, what is in another one already: twice on the disk, until
   * that one is deleted.
   */
  get movedBytes(): number {
    return this.#movedBytes
  }

  /**
   * Begins, if need be, and resolves true when it is worth looking again; false when there is
   * nothing to give, or the disk fails.
   */
  async next(): Promise<boolean> {
    this.start()
    return this.#running !== undefined && !this.#failed && (await this.#next.promise)
  }

  /** Begins in the background if there is anything to do. Does not wait, does not throw. */
  start(): void {
    if (this.#running !== undefined || this.#stopping.signal.aborted || this.#choose() === undefined) return
    this.#running = this.#runInBackground().finally(() => {
      this.#running = undefined
      this.start()
      // Who waits must look again.
      if (this.#running === undefined) this.#tell(true)
    })
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  /**
   * Compacts until nothing is left to do. Not while it runs in the background. @throws what the
   * disk throws
   */
  async run(): Promise<void> {
    for (let segment = this.#choose(); segment !== undefined; segment = this.#choose()) {
      try {
        await this.#compact(segment)
      } finally {
        this.#movedBytes = 0
      }
      this.#tell(true)
    }
  }

  #choose(): Segment | undefined {
    const { table, isUrgent } = this.#options
    return table.worst() ?? (isUrgent() ? table.mostDead() : undefined)
  }

  #tell(given: boolean): void {
    const { resolve } = this.#next
    this.#next = Promise.withResolvers()
    resolve(given)
  }

  async #runInBackground(): Promise<void> {
    const { clock, logger } = this.#options
    const { signal } = this.#stopping
    try {
      await this.run()
    } catch (thrown) {
      if (signal.aborted) return
      logger.warn('segments could not be compacted; retrying', { error: toSkeinError(thrown), retryMs })
      this.#failed = true
      this.#tell(false)
      await clock.sleep(retryMs, signal).catch(() => undefined)
      this.#failed = false
    }
  }

  async #compact(segment: Segment): Promise<void> {
    const { table, logger } = this.#options
    const { number, size, liveBytes } = segment
    if (segment.liveBlocks > 0 || segment.tombstones > 0) await this.#empty(segment)
    throwIfAborted(this.#stopping.signal)
    assert(segment.liveBlocks === 0, `segment ${number} is to be deleted with ${segment.liveBlocks} blocks in it`)
    await deleteSegment(segment)
    table.delete(segment)
    logger.debug('a segment was compacted', { number, size, liveBytes })
  }

  /** Moves what is needed out of the segment. */
  async #empty(segment: Segment): Promise<void> {
    const { clock, bytesPerSecond, table, isUrgent } = this.#options
    const { signal } = this.#stopping
    const tombstones: TombstoneRecord[] = []
    for await (const window of readWindows(segment, pieceBytes, signal)) {
      const copiedBytes = await this.#copyLive(segment, window)
      for (const { record } of window.records) if (record.kind === 'tombstone') tombstones.push(record)
      if (copiedBytes > 0 && !table.isBehind() && !isUrgent())
        await clock.sleep((1000 * copiedBytes) / bytesPerSecond, signal)
    }
    // Blocks whose heads have rotted since cannot be copied.
    if (segment.liveBlocks > 0) await this.#dropUnreadable(segment)
    await Promise.all(table.neededWithout(segment, tombstones).map((tombstone) => this.#carry(tombstone)))
    // Not once more, should the file not let itself be deleted.
    segment.tombstones = 0
  }

  /** @returns how many bytes were copied */
  async #copyLive(segment: Segment, window: RecordWindow): Promise<number> {
    let bytes = 0
    const copies: Promise<void>[] = []
    const beyond: Buffer[] = []
    for (const { position, record } of window.records) {
      if (record.kind !== 'block') continue
      const entry = this.#options.ledger.committed(record.header.blockId)
      if (entry === undefined || !isAt(entry, segment, position)) continue
      const from = position - window.position
      const inWindow = from + record.bytes <= window.bytes.length
      const whole = inWindow
        ? window.bytes.subarray(from, from + record.bytes)
        : await readRecord(segment, position, record.bytes)
      if (!inWindow) beyond.push(whole)
      const data = whole.subarray(record.headBytes)
      if (data.length !== record.header.length || rottenPage(data, 0, record.checksums) !== undefined) {
        await this.#options.dropCorrupt(entry)
        continue
      }
      copies.push(this.#copy(entry, segment, position, record, data))
      bytes += record.bytes
    }
    await Promise.all(copies)
    for (const record of beyond) freeAtOnce(record)
    return bytes
  }

  #copy(entry: BlockEntry, segment: Segment, position: number, record: BlockRecord, data: Buffer): Promise<void> {
    const { table, writer } = this.#options
    const head = encodeBlockHead(record.sequence, record.header, record.checksums)
    return new Promise((resolve, reject) => {
      writer.append({
        head,
        data: [data],
        bytes: head.length + data.length,
        written: (place) => {
          if (entry.mode === 'committed' && isAt(entry, segment, position)) {
            table.addDead({ segment, position, bytes: record.bytes }, record.header.blockId, true)
            table.addLive(place)
            entry.place = place
            this.#movedBytes += record.bytes
          } else table.addDead(place, record.header.blockId, false)
          resolve()
        },
        failed: reject,
      })
    })
  }

  #carry({ blockId, sequence }: TombstoneRecord): Promise<void> {
    const { table, writer, owe } = this.#options
    const head = encodeTombstone(sequence, blockId)
    return new Promise((resolve, reject) => {
      writer.append({
        head,
        data: [],
        bytes: head.length,
        written: (place) => {
          table.addTombstone(place.segment, blockId, sequence, true, head.length)
          resolve()
        },
        failed: (error) => {
          if (!isSkeinError(error, 'resource_exhausted', 'disk_full')) {
            reject(error)
            return
          }
          owe(blockId)
          resolve()
        },
      })
    })
  }

  async #dropUnreadable(segment: Segment): Promise<void> {
    for (const entry of [...this.#options.ledger.entries()]) {
      if (entry.mode === 'committed' && entry.place?.segment === segment) await this.#options.dropCorrupt(entry)
    }
  }
}

function isAt({ place }: BlockEntry, segment: Segment, position: number): boolean {
  return place?.segment === segment && place.position === position
}

async function readRecord(segment: Segment, position: number, bytes: number): Promise<Buffer> {
  const record = Buffer.allocUnsafeSlow(bytes)
  return record.subarray(0, await readFully(segment.fd, record, position))
}
