// Why: what workers call. How: a report and a heartbeat go to all who keep something of workers,
// and the answer is made of what each of them has to say.
import type {
  LoadIds,
  RegisterWorkerRequest,
  RegisterWorkerResponse,
  ReportBlocksRequest,
  ReportBlocksResponse,
  WorkerHeartbeatRequest,
  WorkerHeartbeatResponse,
} from '../../wire/generated/master.ts'
import type { ClusterGate } from '../workers/cluster-gate.ts'
import type { BlockNotices } from '../workers/block-notices.ts'
import type { ClusterMetricSums } from './cluster-metrics.ts'
import type { ReplicationChecker } from '../replication/replication-checker.ts'
import type { SafeMode } from './safe-mode.ts'
import type { WorkerRegistry } from '../workers/worker-registry.ts'

export interface WorkerCallParts {
  readonly gate: ClusterGate
  readonly workers: WorkerRegistry
  readonly replication: ReplicationChecker
  readonly safeMode: SafeMode
  readonly notices: BlockNotices
  readonly metrics: ClusterMetricSums
  /** Undefined: unknown. */
  readonly runningLoads: () => LoadIds | undefined
}

export class WorkerCalls {
  readonly #parts: WorkerCallParts

  constructor(parts: WorkerCallParts) {
    this.#parts = parts
  }

  async register(request: RegisterWorkerRequest): Promise<RegisterWorkerResponse> {
    const { gate, workers, notices, safeMode } = this.#parts
    const cluster = gate.admit(request)
    const session = workers.register(request)
    // The report that follows is answered with all there is to say.
    notices.forget(request.workerId)
    await safeMode.expect(request.workerId)
    return { session, ...cluster }
  }

  report(request: ReportBlocksRequest): ReportBlocksResponse {
    const { unknown, kept } = this.#parts.workers.report(request)
    return { unknown, kept: { ids: kept }, ...this.#parts.notices.answer(request) }
  }

  heartbeat(request: WorkerHeartbeatRequest): WorkerHeartbeatResponse {
    const { workers, replication, notices, metrics, runningLoads } = this.#parts
    const orders = workers.heartbeat(request)
    metrics.add(request.workerId, request.counters)
    const running = runningLoads()
    return {
      ...orders,
      copyBlocks: replication.copiesFor(request.workerId),
      ...notices.take(request.workerId),
      ...(running === undefined ? {} : { runningLoads: running }),
    }
  }

  /** Forgets what lost workers were to be told. */
  forgetLost(): void {
    const live = this.#parts.workers.list().filter((worker) => worker.live)
    this.#parts.notices.keepOnly(new Set(live.map(({ workerId }) => workerId)))
  }
}
