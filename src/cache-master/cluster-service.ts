// Why: the whole cluster at a glance, and where its job master is.
import type { ClusterSummary, JobMasterAddress, RegisterJobMasterRequest, TierUsage, WorkerInfo } from '../wire/generated/master.ts'
import type { MasterContext } from './master-context.ts'
import type { SafeMode } from './safe-mode.ts'

export class ClusterService {
  readonly #context: MasterContext
  readonly #clusterId: string
  readonly #startedMs: number
  readonly #safeMode: SafeMode
  /** In memory only: the job master registers again every few seconds. */
  #jobMaster: JobMasterAddress = { rpcAddress: '', webAddress: '' }

  constructor(context: MasterContext, clusterId: string, safeMode: SafeMode) {
    this.#context = context
    this.#clusterId = clusterId
    this.#startedMs = context.clock.nowMs()
    this.#safeMode = safeMode
  }

  registerJobMaster({ rpcAddress, webAddress }: RegisterJobMasterRequest): void {
    this.#jobMaster = { rpcAddress, webAddress }
  }

  jobMaster(): JobMasterAddress {
    return this.#jobMaster
  }

  /** Capacity and usage count live workers only. */
  summary(): ClusterSummary {
    const { workers, clock, options, tables } = this.#context
    const all = workers.list()
    const live = all.filter((worker) => worker.live)
    const tiers = tiersOf(live)
    return {
      masterAddress: options.address(),
      webPort: options.webPort,
      rpcPort: options.rpcPort,
      startedMs: this.#startedMs,
      nowMs: clock.nowMs(),
      version: options.version,
      safeMode: this.#safeMode.isOn,
      liveWorkers: live.length,
      lostWorkers: all.length - live.length,
      capacityBytes: live.reduce((sum, worker) => sum + worker.capacityBytes, 0),
      usedBytes: live.reduce((sum, worker) => sum + worker.usedBytes, 0),
      tiers,
      files: tables.counter('files'),
      clusterId: this.#clusterId,
    }
  }
}

function tiersOf(workers: readonly WorkerInfo[]): TierUsage[] {
  const tiers = new Map<string, TierUsage>()
  for (const { tier, quotaBytes, usedBytes } of workers.flatMap((worker) => worker.directories)) {
    const sum = tiers.get(tier) ?? { alias: tier, capacityBytes: 0, usedBytes: 0 }
    tiers.set(tier, { alias: tier, capacityBytes: sum.capacityBytes + quotaBytes, usedBytes: sum.usedBytes + usedBytes })
  }
  return [...tiers.values()]
}
