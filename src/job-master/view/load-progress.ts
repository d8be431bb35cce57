// Why: users who follow a load want to see the progress per worker, the recent rate, and where
// tasks fail. How: kept in memory and updated when sets complete. It starts again after a restart
// of the job master.
import type { Clock } from '../../base/clock.ts'
import { hasEnded, setBytes, type LoadRecord, type SetRecord } from '../../load/load.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import type { BlockFailure, WorkerProgress } from '../../wire/generated/job.ts'

interface Worker {
  bytes: number
  failures: number
}
interface Sample {
  readonly atMs: number
  /** Bytes loaded since the job master started. */
  readonly bytes: number
}
interface Seen {
  readonly workers: Map<string, Worker>
  samples: Sample[]
  bytes: number
}

/** A completed set. `outMs`: how long the task was in flight, if known. */
export interface CompletedSet {
  readonly loadId: number
  readonly record: Pick<SetRecord, 'pieces' | 'targets'>
  readonly failures: readonly BlockFailure[]
  readonly outMs: number | undefined
}

/** Ended loads whose progress is kept. */
const endedKept = 100
const windowMs = 30_000
const sampleEveryMs = 500

export class LoadProgress {
  readonly #clock: Clock
  readonly #metrics: MetricRegistry
  /** In the order of their last completion. */
  readonly #loads = new Map<number, Seen>()

  constructor(clock: Clock, metrics: MetricRegistry) {
    this.#clock = clock
    this.#metrics = metrics
  }

  /** Records the result of a set. */
  completed({ loadId, record, failures, outMs }: CompletedSet): void {
    const seen = this.#loads.get(loadId) ?? { workers: new Map<string, Worker>(), samples: [], bytes: 0 }
    this.#loads.delete(loadId)
    this.#loads.set(loadId, seen)
    const unread = bytesOf(record, failures, '')
    const arrived = setBytes(record) - unread
    for (const target of record.targets) {
      const worker = seen.workers.get(target) ?? { bytes: 0, failures: 0 }
      seen.workers.set(target, worker)
      worker.bytes += Math.max(0, arrived - bytesOf(record, failures, target))
      worker.failures += failures.filter((failure) => failure.workerId === target).length
    }
    seen.bytes += Math.max(0, arrived)
    this.#sample(seen)
    if (outMs !== undefined) this.#metrics.record('skein_job_task_duration_seconds', outMs / 1000)
    if (this.#loads.size > endedKept) this.#forgetOldest()
  }

  /** @param tasksOut tasks of the load in flight, by worker */
  workersOf(
    loadId: number,
    tasksOut: ReadonlyMap<string, number>,
    hostnameOf: (workerId: string) => string,
  ): WorkerProgress[] {
    const workers = this.#loads.get(loadId)?.workers ?? new Map<string, Worker>()
    const names = new Set([...workers.keys(), ...tasksOut.keys()])
    return [...names].toSorted().map((workerId) => {
      const { bytes, failures } = workers.get(workerId) ?? { bytes: 0, failures: 0 }
      return { workerId, hostname: hostnameOf(workerId), bytes, tasksOut: tasksOut.get(workerId) ?? 0, failures }
    })
  }

  /**
   * Expected end of a running load at the recent rate, wall clock. Undefined while the listing runs
   * or nothing moves.
   */
  estimateMs(load: LoadRecord): number | undefined {
    const { bytes, bytesCached, bytesLoaded } = load.counts
    const samples = this.#loads.get(load.loadId)?.samples ?? []
    const first = samples[0]
    const nowMs = this.#clock.monotonicMs()
    if (hasEnded(load.mode) || !load.listingDone || first === undefined || samples.length < 2) return undefined
    const loaded = (this.#loads.get(load.loadId)?.bytes ?? 0) - first.bytes
    const leftMs = (Math.max(0, bytes - bytesCached - bytesLoaded) / loaded) * (nowMs - first.atMs)
    return loaded > 0 && Number.isFinite(leftMs) ? this.#clock.nowMs() + leftMs : undefined
  }

  #sample(seen: Seen): void {
    const atMs = this.#clock.monotonicMs()
    const last = seen.samples.at(-1)
    if (last !== undefined && atMs < last.atMs + sampleEveryMs) return
    seen.samples = [...seen.samples.filter((sample) => sample.atMs >= atMs - windowMs), { atMs, bytes: seen.bytes }]
  }

  #forgetOldest(): void {
    const [oldest] = this.#loads.keys()
    if (oldest !== undefined) this.#loads.delete(oldest)
  }
}

/** Bytes of the blocks that failed on a worker; '' counts blocks that could not be read. */
function bytesOf(record: Pick<SetRecord, 'pieces'>, failures: readonly BlockFailure[], workerId: string): number {
  let bytes = 0
  for (const failure of failures) {
    if (failure.workerId !== workerId) continue
    const piece = record.pieces.find(({ fileId }) => fileId === failure.fileId)
    if (piece !== undefined)
      bytes += Math.max(0, Math.min(piece.blockSizeBytes, piece.length - failure.blockIndex * piece.blockSizeBytes))
  }
  return bytes
}

const outcomes = new Map<LoadRecord['mode'], 'completed' | 'partial' | 'failed' | 'cancelled'>([
  ['COMPLETED', 'completed'],
  ['PARTIAL', 'partial'],
  ['FAILED', 'failed'],
  ['CANCELLED', 'cancelled'],
])

/** Updates the metrics for a load that has just ended. */
export function noteLoadEnded(metrics: MetricRegistry, load: LoadRecord): void {
  const { mode, counts, submittedMs, endedMs } = load
  const outcome = outcomes.get(mode)
  if (outcome !== undefined)
    metrics.record('skein_job_load_duration_seconds', Math.max(0, endedMs - submittedMs) / 1000, { outcome })
  metrics.add('skein_job_files_total', counts.filesLoaded, { outcome: 'loaded' })
  metrics.add('skein_job_files_total', counts.filesCached, { outcome: 'cached' })
  metrics.add('skein_job_files_total', counts.filesFailed, { outcome: 'failed' })
  metrics.add('skein_job_loaded_bytes_total', counts.bytesLoaded)
  metrics.add('skein_job_ufs_read_bytes_total', counts.originBytes)
}
