// Why: a client has chosen this worker for a block by its own hash, whether there is room or not.
// How: the block is kept here; where that fails, the master names another worker, as for every
// writer. When no other has room either, the client is told why this one did not take it.
import { isSkeinError } from '../../base/errors.ts'
import type { BlockOutputParts } from '../../client/write/block-output.ts'
import type { BlockSink, BlockTarget, SmallBlock } from '../../client/write/block-target.ts'
import type { BlockTargetPool } from '../../client/write/block-target-pool.ts'
import type { LifecycleServiceDefinition, PlaceBlockResponse } from '../../wire/generated/lifecycle.ts'
import type { WriteHints } from '../../wire/data/data-plane.ts'
import type { BlockHeader } from '../../wire/generated/worker.ts'
import type { CallOptions, Service } from '../../wire/service.ts'

export interface Placing {
  readonly lifecycle: Pick<Service<LifecycleServiceDefinition>, 'placeBlock'>
  /** This worker. */
  readonly own: BlockTarget
  readonly others: Pick<BlockTargetPool, 'targetFor'>
}

/** Where a block goes, and by what. */
export function ownWorkerFirst(
  { lifecycle, own, others }: Placing,
  block: { readonly fileId: number; readonly blockIndex: number },
  options: CallOptions,
): Pick<BlockOutputParts, 'place' | 'targetOf'> {
  const here = new OwnTarget(own)
  const ownPlace: PlaceBlockResponse = { workerId: own.workerId, hostname: '', rpcAddress: '', dataAddress: '' }
  return {
    place: async (length, failed, openEnded) => {
      if (!failed.has(own.workerId)) return ownPlace
      const excludedWorkerIds = [...failed]
      try {
        return await lifecycle.placeBlock({ ...block, length, openEnded, excludedWorkerIds }, options)
      } catch (thrown) {
        throw here.noRoom ?? thrown
      }
    },
    targetOf: (worker) => (worker === ownPlace ? here : others.targetFor(worker)),
  }
}

/** Remembers that there was no room. */
class OwnTarget implements BlockTarget {
  readonly #target: BlockTarget
  noRoom: unknown

  constructor(target: BlockTarget) {
    this.#target = target
  }

  get workerId(): string {
    return this.#target.workerId
  }

  open(header: BlockHeader, signal: AbortSignal, hints?: WriteHints): Promise<BlockSink | undefined> {
    return this.#noting(this.#target.open(header, signal, hints))
  }

  put(block: SmallBlock, signal: AbortSignal, hints?: WriteHints): Promise<void> {
    return this.#noting(this.#target.put(block, signal, hints))
  }

  async #noting<T>(writing: Promise<T>): Promise<T> {
    try {
      return await writing
    } catch (thrown) {
      if (isSkeinError(thrown, 'resource_exhausted')) this.noRoom = thrown
      throw thrown
    }
  }
}
