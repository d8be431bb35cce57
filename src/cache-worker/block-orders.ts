// Why: with its answers to reports and heartbeats the master says what is to become of blocks here: freed, copied here,
// released (the store has their bytes now), pinned or not. How: what touches the disk is done in the background; pins are
// told to the store at once, and remembered, because a master that registers this worker anew names all pins again and a
// pin that it does not name any more is over.
import type { BlockStore } from '../block/block-store.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { ReportBlocksResponse, WorkerHeartbeatResponse } from '../wire/generated/master.ts'
import { BlockChores } from './block-chores.ts'
import type { BlockCopier } from './block-copier.ts'

export interface BlockOrdersDependencies {
  readonly store: Pick<BlockStore, 'free' | 'release' | 'setPinned' | 'setRunningLoads'>
  /** Undefined: replicas that the master wants here are not made. */
  readonly copier?: Pick<BlockCopier, 'add'> | undefined
  readonly logger: Logger
}

export class BlockOrders {
  readonly #deps: BlockOrdersDependencies
  readonly #freeing: BlockChores
  readonly #releasing: BlockChores
  readonly #pinned = new Set<number>()
  /** Pins of the session before that this one has not named yet; undefined when its report is in. */
  #unconfirmed: Set<number> | undefined

  constructor(deps: BlockOrdersDependencies) {
    this.#deps = deps
    const { store, logger } = deps
    this.#freeing = new BlockChores({ what: 'freed', act: (blockId) => store.free(blockId) }, logger)
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
    this.#freeing.add(unknown)
    this.#releasing.add(release)
  }

  afterHeartbeat({ freeBlocks, copyBlocks, releaseBlocks, pinBlocks, unpinBlocks, runningLoads }: WorkerHeartbeatResponse): void {
    const { store, copier } = this.#deps
    store.setRunningLoads(runningLoads?.ids)
    this.#pin(pinBlocks, true)
    this.#pin(unpinBlocks, false)
    this.#freeing.add(freeBlocks)
    this.#releasing.add(releaseBlocks)
    copier?.add(copyBlocks)
  }

  /** Resolves when nothing is left to do on the disk. */
  async idle(): Promise<void> {
    await Promise.all([this.#freeing.idle(), this.#releasing.idle()])
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
