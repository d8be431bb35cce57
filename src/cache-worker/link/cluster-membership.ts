// Why: block ids are valid in one cluster only. Before a master may give orders about blocks, the
// worker must know to which cluster its blocks belong. How: the block directories store the cluster
// id (block/disk/directory-cluster.ts), the registration sends it, and the answer is applied before
// the first report. When another cluster's master adopts this worker, durable blocks are set aside
// and all others freed; only then do the directories get the new cluster id. If this is interrupted
// at any point, it is done again.
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { BlockStore } from '../../block/block-store.ts'
import { clusterOf, type ClusterMark, writeClusterMark } from '../../block/disk/directory-cluster.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { RegisterWorkerRequest, RegisterWorkerResponse } from '../../wire/generated/master.ts'
import type { KeptBlocks } from '../blocks/kept-blocks.ts'

/** Cluster name for durable blocks that were set aside before any cluster was known. */
const unnamedCluster = 'unknown'

export interface MembershipDependencies {
  readonly directories: readonly string[]
  readonly store: Pick<BlockStore, 'blockCount'>
  readonly kept: KeptBlocks
  readonly logger: Logger
}

export class ClusterMembership {
  readonly #deps: MembershipDependencies
  #mark: ClusterMark | undefined
  /**
   * Set during this worker's first registration. Durable blocks that the master does not know are
   * set aside then, because their cluster is unknown.
   */
  #joining: ClusterMark | undefined

  private constructor(deps: MembershipDependencies, mark: ClusterMark | undefined) {
    this.#deps = deps
    this.#mark = mark
  }

  /** @throws SkeinError as clusterOf */
  static async open(deps: MembershipDependencies): Promise<ClusterMembership> {
    await deps.kept.open()
    return new ClusterMembership(deps, await clusterOf(deps.directories))
  }

  /** The fields that a registration sends. */
  get said(): Pick<RegisterWorkerRequest, 'clusterId' | 'incarnation' | 'blocks'> {
    return { ...this.#mark, blocks: this.#deps.store.blockCount }
  }

  /**
   * Applies the answer to a registration.
   * @throws SkeinError failed_precondition (`other_cluster`) when the blocks belong to another
   *   cluster and the master did not adopt this worker; and what the disk throws
   */
  async join({ clusterId = '', incarnation = '', adopted = false }: RegisterWorkerResponse): Promise<void> {
    const { store, kept } = this.#deps
    const before = this.#mark
    if (clusterId === '') {
      if (before === undefined || store.blockCount === 0) return
      const why =
        'the master does not send its cluster id, ' +
        `and this worker holds blocks of cluster ${before.clusterId}: upgrade the master`
      throw new SkeinError('failed_precondition', why, { reason: 'other_cluster' })
    }
    if (before !== undefined && adopted) {
      await kept.leaveCluster(before.clusterId)
    } else if (before !== undefined && before.clusterId !== clusterId && store.blockCount > 0) {
      const why = `this worker holds blocks of cluster ${before.clusterId}, the master belongs to cluster ${clusterId}`
      throw new SkeinError('failed_precondition', why, { reason: 'other_cluster' })
    }
    this.#joining = undefined
    if (before === undefined) this.#joining = { clusterId, incarnation }
    else await this.#become({ clusterId, incarnation })
  }

  async #become(mark: ClusterMark): Promise<void> {
    const { directories, logger } = this.#deps
    const before = this.#mark
    for (const directory of directories) {
      await writeClusterMark(directory, mark).catch((thrown: unknown) => {
        // A directory whose disk is down is marked later. Until then the other directories have the
        // mark.
        logger.warn('cannot write the cluster id to a block directory', {
          directory,
          error: toSkeinError(thrown).message,
        })
      })
    }
    this.#mark = mark
    if (before?.clusterId !== mark.clusterId)
      logger.info('joined a cluster', { clusterId: mark.clusterId, before: before?.clusterId })
  }

  /** The master has no file for these durable blocks. */
  async keep(blockIds: readonly number[]): Promise<void> {
    if (this.#joining !== undefined) await this.#deps.kept.setAside(blockIds, unnamedCluster)
    else this.#deps.kept.keep(blockIds)
  }

  beginFullReport(): void {
    this.#deps.kept.forgetUnknown()
  }

  /** From now on the directories belong to this cluster. */
  async endFullReport(): Promise<void> {
    if (this.#joining !== undefined) await this.#become(this.#joining)
    this.#joining = undefined
  }
}
