// Why: the master's answers to reports and heartbeats carry orders for blocks on this worker: free,
// copy, release (the under file system has the bytes now), pin, unpin. How: work on the disk runs
// in the background. Pins are passed to the store at once and remembered: when the worker registers
// again, the master names all pins again, and a pin that is not named has ended.
//
// AN ORDER TO DELETE MAY BE OLDER THAN A NEW WRITE. With its orders the master sends the number of
// the last report that it knew. A block stays, and is reported again, if a later report added it or
// if a writer has found it here and relies on it.
import type { BlockEviction } from '../../block/block-eviction.ts'
import type { BlockStore } from '../../block/block-store.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { ReportBlocksResponse, WorkerHeartbeatResponse } from '../../wire/generated/master.ts'
import type { BlockChanges } from './block-changes.ts'
import { BlockChores } from './block-chores.ts'
import type { BlockCopier } from './block-copier.ts'

export interface BlockOrdersDependencies {
  readonly store: Pick<BlockStore, 'free' | 'has' | 'release'> & Pick<BlockEviction, 'setPinned' | 'setRunningLoads'>
  readonly changes: Pick<BlockChanges, 'answerBegins' | 'isSaidAfter' | 'addedAgain' | 'removed'>
  /** Undefined: the master's orders to copy blocks are ignored. */
  readonly copier?: Pick<BlockCopier, 'add'> | undefined
  readonly logger: Logger
}

export class BlockOrders {
  readonly #deps: BlockOrdersDependencies
  readonly #freeing: BlockChores
  readonly #releasing: BlockChores
  readonly #pinned = new Set<number>()
  /** Blocks to delete -> number of the last report that the order knew. */
  readonly #doomed = new Map<number, number>()
  /**
   * Pins of the previous session that this session has not confirmed yet. Undefined after the full
   * report.
   */
  #unconfirmed: Set<number> | undefined

  constructor(deps: BlockOrdersDependencies) {
    this.#deps = deps
    const { store, logger } = deps
    this.#freeing = new BlockChores({ what: 'freed', act: (blockId) => this.#delete(blockId) }, logger)
    this.#releasing = new BlockChores({ what: 'released', act: (blockId) => store.release(blockId) }, logger)
  }

  /** Call before a full report. The answers to its parts name all pins. */
  beginFullReport(): void {
    this.#unconfirmed = new Set(this.#pinned)
  }

  endFullReport(): void {
    this.#pin(this.#unconfirmed ?? [], false)
    this.#unconfirmed = undefined
  }

  /** Handles the answer to a report that listed `removed` blocks. */
  afterReport({ unknown, release, pinned }: ReportBlocksResponse, removed: readonly number[]): void {
    // If such a block is added again, the answer to that report says whether it is pinned.
    this.#pin(
      removed.filter((blockId) => this.#pinned.has(blockId)),
      false,
    )
    this.#pin(pinned, true)
    // Their files or their versions are gone for ever.
    this.#doom(unknown, Number.POSITIVE_INFINITY)
    this.#releasing.add(release)
  }

  /**
   * Call before each heartbeat.
   * @returns for afterHeartbeat: the last report that any answer is sure to know
   */
  heartbeatBegins(): number {
    const [oldest = Number.POSITIVE_INFINITY] = this.#doomed.values()
    return this.#deps.changes.answerBegins(oldest)
  }

  /** A writer has found a block here and relies on it. Orders in flight do not delete it. */
  keep(blockId: number): void {
    this.#doomed.delete(blockId)
    this.#freeing.cancel(blockId)
    this.#deps.changes.addedAgain(blockId)
  }

  /** @param known result of heartbeatBegins, for masters whose answers have no `asOfReport` */
  afterHeartbeat(answer: WorkerHeartbeatResponse, known: number): void {
    const { freeBlocks, copyBlocks, releaseBlocks, pinBlocks, unpinBlocks, runningLoads, asOfReport = known } = answer
    const { store, copier, changes } = this.#deps
    store.setRunningLoads(runningLoads?.ids, runningLoads?.before)
    this.#pin(pinBlocks, true)
    this.#pin(unpinBlocks, false)
    const ordered = freeBlocks.filter((blockId) => !changes.isSaidAfter(blockId, asOfReport))
    this.#doom(
      ordered.filter((blockId) => store.has(blockId)),
      asOfReport,
    )
    // The master waits for the report that these blocks are gone.
    for (const blockId of ordered) if (!store.has(blockId)) changes.removed(blockId)
    this.#releasing.add(releaseBlocks)
    copier?.add(copyBlocks)
  }

  /** Resolves when no work on the disk is left. */
  async idle(): Promise<void> {
    await Promise.all([this.#freeing.idle(), this.#releasing.idle()])
  }

  #doom(blockIds: readonly number[], asOf: number): void {
    for (const blockId of blockIds) if (!this.#doomed.has(blockId)) this.#doomed.set(blockId, asOf)
    this.#freeing.add(blockIds)
  }

  async #delete(blockId: number): Promise<void> {
    const asOf = this.#doomed.get(blockId)
    this.#doomed.delete(blockId)
    // The block was evicted and written again while the order waited.
    if (asOf === undefined || (Number.isFinite(asOf) && this.#deps.changes.isSaidAfter(blockId, asOf))) return
    await this.#deps.store.free(blockId)
  }

  #pin(blockIds: Iterable<number>, pinned: boolean): void {
    for (const blockId of blockIds) {
      if (pinned) {
        this.#pinned.add(blockId)
        this.#unconfirmed?.delete(blockId)
      } else this.#pinned.delete(blockId)
      this.#deps.store.setPinned(blockId, pinned)
    }
  }
}
