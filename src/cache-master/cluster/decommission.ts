// Why: a worker is taken out of service without losing what only it has cached. How: a journaled
// flag, so that it outlives the master; placement leaves the worker out, and the replication
// checker moves its blocks.
import { SkeinError } from '../../base/errors.ts'
import type {
  DecommissionRequest,
  DecommissionResponse,
  ForgetWorkerRequest,
  ForgetWorkerResponse,
} from '../../wire/generated/lifecycle.ts'
import type { WorkerInfo } from '../../wire/generated/master.ts'
import type { MasterContext } from '../master-context.ts'
import type { LeavingState, ReplicationChecker } from '../replication/replication-checker.ts'
import type { SafeMode } from './safe-mode.ts'

export class Decommission {
  readonly #context: Pick<MasterContext, 'tables' | 'log' | 'workers' | 'clock' | 'logger'>
  readonly #checker: Pick<ReplicationChecker, 'decommissioningChanged' | 'leavingState'>
  readonly #safeMode: Pick<SafeMode, 'forget'>

  constructor(
    context: Pick<MasterContext, 'tables' | 'log' | 'workers' | 'clock' | 'logger'>,
    checker: Pick<ReplicationChecker, 'decommissioningChanged' | 'leavingState'>,
    safeMode: Pick<SafeMode, 'forget'>,
  ) {
    this.#context = context
    this.#checker = checker
    this.#safeMode = safeMode
  }

  /**
   * Begins, goes on with, or cancels taking a worker out of service. Idempotent: call it again to
   * see how far it is. `done`: the worker holds no block any more. What was moved does not come
   * back by cancelling.
   * @throws SkeinError not_found; invalid_argument when several workers are meant;
   *   failed_precondition for a lost worker
   */
  async decommission(request: DecommissionRequest): Promise<DecommissionResponse> {
    const { tables, log, clock, logger } = this.#context
    const { workerId, info } = this.#find(request.worker)
    if (!request.cancel && info?.live !== true) {
      throw new SkeinError(
        'failed_precondition',
        `worker ${workerId} is lost: no block can be copied from it. ` +
          `If it does not come back, run 'skein fsadmin forget ${workerId}'`,
      )
    }
    const decommissioning = !request.cancel
    if (tables.decommissioning().has(workerId) !== decommissioning) {
      await log.submit({ type: 'set_decommissioning', atMs: clock.nowMs(), workerId, decommissioning })
      logger.info(decommissioning ? 'worker is being decommissioned' : 'worker is in service again', { workerId })
      this.#checker.decommissioningChanged()
    }
    const blocksLeft = this.#context.workers.infos([workerId])[0]?.blockCount ?? 0
    const hasReported = this.#context.workers.hasReported(workerId)
    const done = decommissioning && blocksLeft === 0 && hasReported
    if (!decommissioning || done) return { workerId, blocksLeft, done }
    const others = this.#context.workers
      .list()
      .filter((worker) => worker.live && worker.decommissioning !== true).length
    return {
      workerId,
      blocksLeft,
      done,
      waitingFor: waitingFor(hasReported, others, this.#checker.leavingState(workerId)),
    }
  }

  /**
   * A lost worker leaves the reports, and its decommissioning ends. Its blocks are not touched: a
   * worker that comes back registers as any other.
   * @throws SkeinError not_found; invalid_argument when several workers are meant;
   *   failed_precondition for a live worker
   */
  async forget({ worker }: ForgetWorkerRequest): Promise<ForgetWorkerResponse> {
    const { tables, log, clock, logger, workers } = this.#context
    const { workerId, info } = this.#find(worker, 'lost')
    if (info?.live === true) {
      const command = `skein fsadmin decommission ${workerId}`
      const message = `worker ${workerId} is live: run '${command}' and stop it, then forget it`
      throw new SkeinError('failed_precondition', message)
    }
    await this.#safeMode.forget(workerId)
    if (tables.decommissioning().has(workerId)) {
      await log.submit({ type: 'set_decommissioning', atMs: clock.nowMs(), workerId, decommissioning: false })
      this.#checker.decommissioningChanged()
    }
    workers.forget(workerId)
    logger.info('lost worker is forgotten', { workerId, hostname: info?.hostname })
    return { workerId }
  }

  /** @param preferred of several workers of one name */
  #find(
    text: string,
    preferred: 'live' | 'lost' = 'live',
  ): { readonly workerId: string; readonly info: WorkerInfo | undefined } {
    const { workers, tables } = this.#context
    const all = workers.list()
    const byId = all.find((worker) => worker.workerId === text)
    if (byId !== undefined) return { workerId: text, info: byId }
    const isKnown = tables.decommissioning().has(text) || tables.expectedWorkers().has(text)
    if (text !== '' && isKnown) return { workerId: text, info: undefined }
    const named = all.filter((worker) => text !== '' && namesOf(worker).includes(text))
    // A worker that was replaced at its address, or host, is not meant.
    const isPreferred = ({ live }: WorkerInfo): boolean => live === (preferred === 'live')
    const meant = named.some(isPreferred) ? named.filter(isPreferred) : named
    const [only, ...others] = meant
    if (only === undefined)
      throw new SkeinError('not_found', `there is no worker '${text}': give a worker id, hostname or host:port`)
    if (others.length > 0) {
      const choices = meant.map((worker) => `${worker.workerId} (${worker.rpcAddress})`).join(', ')
      throw new SkeinError(
        'invalid_argument',
        `'${text}' matches ${meant.length} workers: give a worker id: ${choices}`,
      )
    }
    return { workerId: only.workerId, info: only }
  }
}

function namesOf({ hostname, rpcAddress, dataAddress, webAddress }: WorkerInfo): string[] {
  const addresses = [rpcAddress, dataAddress, webAddress].filter((address) => address !== '')
  return [
    hostname,
    ...addresses,
    ...addresses.map((address) => `${hostname}${address.slice(address.lastIndexOf(':'))}`),
  ]
}

/** In one line for the operator. */
function waitingFor(
  hasReported: boolean,
  others: number,
  { mayCopy, copiesOpen, unplacedBytes }: LeavingState,
): string {
  if (!hasReported) return 'the worker has not reported all of its blocks yet'
  if (others === 0) return 'no other live worker can take its blocks: start one, or cancel another decommissioning'
  if (unplacedBytes > 0)
    return `no other worker has room for a block of ${unplacedBytes} bytes: add room, or free files`
  if (!mayCopy) return 'workers have registered lately, and copies begin once all of them have reported'
  if (copiesOpen > 0) return `${copiesOpen} ${copiesOpen === 1 ? 'copy is' : 'copies are'} on the way`
  return 'its blocks are looked at; those with enough other replicas are dropped, the others are copied'
}
