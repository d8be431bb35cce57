// Why: a worker that holds blocks of another cluster must not be told what to delete by this one.
// How: a registration says whose blocks the worker holds; what is ours, adopted, or holds nothing
// may come, and all others are refused, by name, with the command that takes them over. Who was
// refused of late is remembered for the doctor.
import type { Clock } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type {
  AdoptClusterRequest,
  AdoptClusterResponse,
  RefusedWorker,
  RegisterWorkerRequest,
} from '../../wire/generated/master.ts'
import type { StateIdentity } from '../state/state-identity.ts'

const refusedHeldMs = 60_000
const refusedMax = 1000
const idPattern = /^[\w-]{1,64}$/

export class ClusterGate {
  readonly #identity: StateIdentity
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #refused = new Map<string, { readonly worker: RefusedWorker; readonly monotonicMs: number }>()

  constructor(identity: StateIdentity, clock: Clock, logger: Logger) {
    this.#identity = identity
    this.#clock = clock
    this.#logger = logger
  }

  /**
   * What a registration is answered of the cluster.
   * @throws SkeinError failed_precondition (reason `other_cluster`) for a worker that holds another
   *   cluster's blocks
   */
  admit(request: RegisterWorkerRequest): {
    readonly clusterId: string
    readonly incarnation: string
    readonly adopted: boolean
  } {
    const { clusterId = '', incarnation = '', blocks = 0, workerId, hostname } = request
    const ours = { clusterId: this.#identity.clusterId ?? '', incarnation: this.#identity.incarnation }
    const isOther = clusterId !== ours.clusterId
    const adopt = isOther ? clusterId : incarnation
    const isOurs = clusterId === '' || this.#identity.isOurs(clusterId, incarnation)
    const adopted = !isOurs && this.#identity.isAdopted(adopt)
    if (isOurs || adopted || blocks === 0) {
      this.#refused.delete(workerId)
      return { ...ours, adopted }
    }
    this.#remember({ workerId, hostname, clusterId, blocks, adopt })
    const whose = isOther
      ? `of cluster ${clusterId}; this master is of cluster ${ours.clusterId}`
      : `of a later state of this cluster (${incarnation})`
    const why =
      `worker ${hostname} (${workerId}) holds ${blocks} blocks ${whose}. It keeps them. ` +
      'Connect it to its own master, restore that master from a backup, ' +
      `or take the worker over with 'skein fsadmin adopt ${adopt}'`
    throw new SkeinError('failed_precondition', why, { reason: 'other_cluster' })
  }

  /** It asks again every few seconds, and is logged when it is new here or says something else. */
  #remember(worker: RefusedWorker): void {
    const { workerId, hostname, clusterId, blocks, adopt } = worker
    const before = this.#refused.get(workerId)?.worker
    if (before === undefined && this.#refused.size >= refusedMax) return
    this.#refused.set(workerId, { worker, monotonicMs: this.#clock.monotonicMs() })
    if (before?.adopt !== adopt || before.blocks !== blocks)
      this.#logger.warn('a worker that holds blocks of another cluster was refused', {
        workerId,
        hostname,
        clusterId,
        blocks,
      })
  }

  /** @throws SkeinError invalid_argument for what is no id */
  async adopt({ id }: AdoptClusterRequest): Promise<AdoptClusterResponse> {
    if (!idPattern.test(id))
      throw new SkeinError('invalid_argument', `'${id.slice(0, 100)}' is not a cluster id: fsadmin doctor shows it`)
    if (this.#identity.isOurs(id, ''))
      throw new SkeinError('invalid_argument', `${id} is the id of this cluster: there is nothing to adopt`)
    const wasAdopted = await this.#identity.adopt(id)
    this.#logger.info('a cluster was adopted: its workers may register', { id, wasAdopted })
    return { wasAdopted }
  }

  /** Workers that were refused of late. */
  refusedWorkers(): RefusedWorker[] {
    const nowMs = this.#clock.monotonicMs()
    for (const [workerId, { monotonicMs }] of this.#refused)
      if (nowMs - monotonicMs > refusedHeldMs) this.#refused.delete(workerId)
    return [...this.#refused.values()].map(({ worker }) => worker)
  }
}
