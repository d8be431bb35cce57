// Why: blocks mean what their ids say in one cluster only, so a worker must know whose it holds
// before a master may say anything about them. How: its directories say it
// (block/disk/directory-cluster.ts), a registration names it, and the answer is taken in before the
// first report: another cluster's master that adopted this worker has durable blocks set aside and
// the others freed first, and only then are the directories the new cluster's. Interrupted
// anywhere, it is done again.
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { BlockStore } from '../../block/block-store.ts'
import { clusterOf, type ClusterMark, writeClusterMark } from '../../block/disk/directory-cluster.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { RegisterWorkerRequest, RegisterWorkerResponse } from '../../wire/generated/master.ts'
import type { KeptBlocks } from '../blocks/kept-blocks.ts'

/** Where durable blocks go that were there before any cluster was named. */
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
   * This worker's first registration: durable blocks that the master does not know are of nobody
   * known until it has ended.
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

  /** What a registration says of it. */
  get said(): Pick<RegisterWorkerRequest, 'clusterId' | 'incarnation' | 'blocks'> {
    return { ...this.#mark, blocks: this.#deps.store.blockCount }
  }

  /**
   * Takes in the answer to a registration.
   * @throws SkeinError failed_precondition (`other_cluster`) when the master is another one and did
   *   not say that it takes this
   *   worker over, and what the disk throws
   */
  async join({ clusterId = '', incarnation = '', adopted = false }: RegisterWorkerResponse): Promise<void> {
    const { store, kept } = this.#deps
    const before = this.#mark
    if (clusterId === '') {
      if (before === undefined || store.blockCount === 0) return
      const why =
        'the master does not say of which cluster it is, ' +
        `and this worker holds blocks of cluster ${before.clusterId}: update the master`
      throw new SkeinError('failed_precondition', why, { reason: 'other_cluster' })
    }
    if (before !== undefined && adopted) {
      await kept.leaveCluster(before.clusterId)
    } else if (before !== undefined && before.clusterId !== clusterId && store.blockCount > 0) {
      const why = `this worker holds blocks of cluster ${before.clusterId}, and the master is of cluster ${clusterId}`
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
        // One whose disk is down says it when it is back; until then the others do.
        logger.warn('a block directory does not say yet whose blocks it holds', {
          directory,
          error: toSkeinError(thrown).message,
        })
      })
    }
    this.#mark = mark
    if (before?.clusterId !== mark.clusterId)
      logger.info('joined a cluster', { clusterId: mark.clusterId, before: before?.clusterId })
  }

  /** The master has no file of these durable blocks. */
  async keep(blockIds: readonly number[]): Promise<void> {
    if (this.#joining !== undefined) await this.#deps.kept.setAside(blockIds, unnamedCluster)
    else this.#deps.kept.keep(blockIds)
  }

  beginFullReport(): void {
    this.#deps.kept.forgetUnknown()
  }

  /** From now on what the directories hold is this cluster's. */
  async endFullReport(): Promise<void> {
    if (this.#joining !== undefined) await this.#become(this.#joining)
    this.#joining = undefined
  }
}
