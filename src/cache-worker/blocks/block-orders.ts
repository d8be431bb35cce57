// Why: with its answers to reports and heartbeats the master says what is to become of blocks here:
// freed, copied here, released (the store has their bytes now), pinned or not. How: what touches
// the disk is done in the background; pins are told to the store at once, and remembered, because a
// master that registers this worker anew names all pins again and a pin that it does not name any
// more is over.
//
// AN ORDER TO DELETE IS OLDER THAN WHAT WAS WRITTEN SINCE: with its orders the master says up to
// which report it knew. A block that was said to be here in a later one, or that a writer has found
// here and counts on, stays, and is reported again.
import type { BlockStore } from '../../block/block-store.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { ReportBlocksResponse, WorkerHeartbeatResponse } from '../../wire/generated/master.ts'
import type { BlockChanges } from './block-changes.ts'
import { BlockChores } from './block-chores.ts'
import type { BlockCopier } from './block-copier.ts'

export interface BlockOrdersDependencies {
  readonly store: Pick<BlockStore, 'free' | 'has' | 'release' | 'setPinned' | 'setRunningLoads'>
  readonly changes: Pick<BlockChanges, 'answerBegins' | 'isSaidAfter' | 'addedAgain' | 'removed'>
  /** Undefined: replicas that the master wants here are not made. */
  readonly copier?: Pick<BlockCopier, 'add'> | undefined
  readonly logger: Logger
}

export class BlockOrders {
  readonly #deps: BlockOrdersDependencies
  readonly #freeing: BlockChores
  readonly #releasing: BlockChores
  readonly #pinned = new Set<number>()
  /** Blocks to delete -> up to which report the order knew. */
  readonly #doomed = new Map<number, number>()
  /**
   * Pins of the session before that this one has not named yet; undefined when its report is in.
   */
  #unconfirmed: Set<number> | undefined

  constructor(deps: BlockOrdersDependencies) {
    this.#deps = deps
    const { store, logger } = deps
    this.#freeing = new BlockChores({ what: 'freed', act: (blockId) => this.#delete(blockId) }, logger)
    this.#releasing = new BlockChores({ what: 'released', act: (blockId) => store.release(blockId) }, logger)
  }

  /** A full report begins: its answers name all pins. */
  beginFullReport(): void {
    this.#unconfirmed = new Set(this.#pinned)
  }

  endFullReport(): void {
    this.#pin(this.#unconfirmed ?? [], false)
    this.#unconfirmed = undefined
  }

  /** The answer to a report that said that `removed` are gone. */
  afterReport({ unknown, release, pinned }: ReportBlocksResponse, removed: readonly number[]): void {
    // If such a block comes again, the answer to that report says whether it is pinned.
    this.#pin(
      removed.filter((blockId) => this.#pinned.has(blockId)),
      false,
    )
    this.#pin(pinned, true)
    // Of files that are gone for ever, or of versions that are.
    this.#doom(unknown, Number.POSITIVE_INFINITY)
    this.#releasing.add(release)
  }

  /**
   * Before the master is asked. @returns for afterHeartbeat: the reports that any answer knows of
   */
  heartbeatBegins(): number {
    const [oldest = Number.POSITIVE_INFINITY] = this.#doomed.values()
    return this.#deps.changes.answerBegins(oldest)
  }

  /** A writer has found a block here and counts on it: no order that is on its way deletes it. */
  keep(blockId: number): void {
    this.#doomed.delete(blockId)
    this.#freeing.cancel(blockId)
    this.#deps.changes.addedAgain(blockId)
  }

  /** @param known what heartbeatBegins gave: for masters that do not say what they knew */
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
    // The master waits for the word that they are gone.
    for (const blockId of ordered) if (!store.has(blockId)) changes.removed(blockId)
    this.#releasing.add(releaseBlocks)
    copier?.add(copyBlocks)
  }

  /** Resolves when nothing is left to do on the disk. */
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
    // Evicted and written anew while the order waited.
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
