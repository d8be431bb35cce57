// Why: the whole cluster at a glance, and where its job master is.
import { safeSum } from '../../base/safe-sum.ts'
import type {
  ClusterMetrics,
  ClusterSummary,
  JobMasterAddress,
  LoadIds,
  RefusedWorker,
  RegisterJobMasterRequest,
  TierUsage,
  WorkerInfo,
} from '../../wire/generated/master.ts'
import { ClusterMetricSums } from './cluster-metrics.ts'
import { placeOf } from '../../meta/resolve-path.ts'
import type { MasterContext } from '../master-context.ts'
import { formatPath } from '../../base/paths.ts'
import type { SafeMode } from './safe-mode.ts'

/** Files that an answer names. */
const unwrittenMax = 1000
/** The job master registers every second. */
const runningLoadsHoldMs = 10_000

export class ClusterService {
  readonly #context: MasterContext
  readonly #clusterId: string
  readonly #startedMs: number
  readonly #safeMode: SafeMode
  readonly #refusedWorkers: () => RefusedWorker[]
  /** In memory only: the job master registers again every few seconds. */
  #jobMaster: JobMasterAddress = { rpcAddress: '', webAddress: '' }
  #runningLoads: { readonly ids: LoadIds; readonly heardMonotonicMs: number } | undefined
  /** What workers' heartbeats bring. */
  readonly sums: ClusterMetricSums

  constructor(context: MasterContext, clusterId: string, safeMode: SafeMode, refusedWorkers: () => RefusedWorker[]) {
    this.#context = context
    this.#clusterId = clusterId
    this.#startedMs = context.clock.nowMs()
    this.#safeMode = safeMode
    this.#refusedWorkers = refusedWorkers
    this.sums = new ClusterMetricSums(context.clock)
  }

  registerJobMaster({ rpcAddress, webAddress, runningLoads }: RegisterJobMasterRequest): void {
    this.#jobMaster = { rpcAddress, webAddress }
    const heardMonotonicMs = this.#context.clock.monotonicMs()
    this.#runningLoads = runningLoads === undefined ? undefined : { ids: runningLoads, heardMonotonicMs }
  }

  /** The loads that have not ended; undefined when the job master has not said so of late. */
  runningLoads(): LoadIds | undefined {
    if (this.#runningLoads === undefined) return undefined
    const { ids, heardMonotonicMs } = this.#runningLoads
    return this.#context.clock.monotonicMs() - heardMonotonicMs < runningLoadsHoldMs ? ids : undefined
  }

  metrics(): ClusterMetrics {
    const blocks = this.#context.workers.list().reduce((sum, worker) => sum + worker.blockCount, 0)
    return { metrics: this.sums.metrics(this.summary(), blocks) }
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
      capacityBytes: safeSum(...live.map((worker) => worker.capacityBytes)),
      usedBytes: safeSum(...live.map((worker) => worker.usedBytes)),
      tiers,
      files: tables.counter('files'),
      clusterId: this.#clusterId,
      refusedWorkers: this.#refusedWorkers(),
      ...this.#unwritten(),
    }
  }

  #unwritten(): Pick<ClusterSummary, 'unwritten'> {
    const { tables, persistProblems } = this.#context
    const files = persistProblems.all().flatMap(([fileId, { message: problem }]) => {
      const file = tables.inode(fileId)
      const place = file?.kind === 'file' && !file.persisted ? placeOf(tables, file) : undefined
      return place === undefined
        ? []
        : [{ path: formatPath({ namespace: place.record.name, key: place.key }), problem }]
    })
    if (files.length === 0) return {}
    return { unwritten: { files: files.slice(-unwrittenMax), total: files.length } }
  }
}

/** Tiers that an answer names; what is in others counts in the cluster's sums. */
const tiersMax = 100

function tiersOf(workers: readonly WorkerInfo[]): TierUsage[] {
  const tiers = new Map<string, TierUsage>()
  for (const { tier, quotaBytes, usedBytes } of workers.flatMap((worker) => worker.directories)) {
    const sum = tiers.get(tier) ?? { alias: tier, capacityBytes: 0, usedBytes: 0 }
    if (tiers.size >= tiersMax && !tiers.has(tier)) continue
    tiers.set(tier, {
      ...sum,
      capacityBytes: safeSum(sum.capacityBytes, quotaBytes),
      usedBytes: safeSum(sum.usedBytes, usedBytes),
    })
  }
  return [...tiers.values()]
}
