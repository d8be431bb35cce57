// Why: a worker is taken out of service without losing what only it has cached. How: a journaled flag, so that it
// outlives the master; placement leaves the worker out, and the replication checker moves its blocks.
import { SkeinError } from '../base/errors.ts'
import type { DecommissionRequest, DecommissionResponse } from '../wire/generated/lifecycle.ts'
import type { WorkerInfo } from '../wire/generated/master.ts'
import type { MasterContext } from './master-context.ts'
import type { ReplicationChecker } from './replication-checker.ts'

export class Decommission {
  readonly #context: Pick<MasterContext, 'tables' | 'log' | 'workers' | 'clock' | 'logger'>
  readonly #checker: Pick<ReplicationChecker, 'decommissioningChanged'>

  constructor(
    context: Pick<MasterContext, 'tables' | 'log' | 'workers' | 'clock' | 'logger'>,
    checker: Pick<ReplicationChecker, 'decommissioningChanged'>,
  ) {
    this.#context = context
    this.#checker = checker
  }

  /**
   * Begins, goes on with, or cancels taking a worker out of service. Idempotent: call it again to see how far it is.
   * `done`: the worker holds no block any more. What was moved does not come back by cancelling.
   * @throws SkeinError not_found; invalid_argument when several workers are meant; failed_precondition for a lost worker
   */
  async decommission(request: DecommissionRequest): Promise<DecommissionResponse> {
    const { tables, log, clock, logger } = this.#context
    const { workerId, info } = this.#find(request.worker)
    if (!request.cancel && info?.live !== true) {
      throw new SkeinError('failed_precondition', `worker ${workerId} is lost: there is nothing to move from it`)
    }
    const decommissioning = !request.cancel
    if (tables.decommissioning().has(workerId) !== decommissioning) {
      await log.submit({ type: 'set_decommissioning', atMs: clock.nowMs(), workerId, decommissioning })
      logger.info(decommissioning ? 'worker is being decommissioned' : 'worker is in service again', { workerId })
      this.#checker.decommissioningChanged()
    }
    const blocksLeft = this.#context.workers.infos([workerId])[0]?.blockCount ?? 0
    return { workerId, blocksLeft, done: decommissioning && blocksLeft === 0 && this.#context.workers.hasReported(workerId) }
  }

  #find(text: string): { readonly workerId: string; readonly info: WorkerInfo | undefined } {
    const { workers, tables } = this.#context
    const all = workers.list()
    const byId = all.find((worker) => worker.workerId === text)
    if (byId !== undefined) return { workerId: text, info: byId }
    if (text !== '' && tables.decommissioning().has(text)) return { workerId: text, info: undefined }
    const named = all.filter((worker) => text !== '' && namesOf(worker).includes(text))
    // A worker that was replaced at its address, or host, is not meant.
    const meant = named.some((worker) => worker.live) ? named.filter((worker) => worker.live) : named
    const [only, ...others] = meant
    if (only === undefined) throw new SkeinError('not_found', `there is no worker '${text}': name its id, hostname or host:port`)
    if (others.length > 0) {
      const choices = meant.map((worker) => `${worker.workerId} (${worker.rpcAddress})`).join(', ')
      throw new SkeinError('invalid_argument', `'${text}' is ${meant.length} workers, name one of them by its id: ${choices}`)
    }
    return { workerId: only.workerId, info: only }
  }
}

function namesOf({ hostname, rpcAddress, dataAddress, webAddress }: WorkerInfo): string[] {
  const addresses = [rpcAddress, dataAddress, webAddress].filter((address) => address !== '')
  return [hostname, ...addresses, ...addresses.map((address) => `${hostname}${address.slice(address.lastIndexOf(':'))}`)]
}
