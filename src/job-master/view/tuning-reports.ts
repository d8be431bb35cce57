// Why: a person who follows a load wants to see how its job workers read the store, and why. How:
// the last report of each job worker about each store is kept, in memory and a bounded number of
// them. A decision belongs to a load if it was made while the load ran.
import type { Clock } from '../../base/clock.ts'
import type { LoadRecord } from '../../load/load.ts'
import type { JobWorkerTuning, ReadTuning } from '../../wire/generated/job.ts'

interface Reported {
  readonly atMs: number
  readonly namespaceId: string
  readonly tuning: JobWorkerTuning
}

const reportsMax = 4000
/** In the status of a load. */
const jobWorkersMax = 100
/** A report may come so much after the end of a load. */
const lateMs = 5000

export class TuningReports {
  readonly #clock: Pick<Clock, 'nowMs'>
  /** `job worker/namespace` -> the last report, in the order of their arrival. */
  readonly #reports = new Map<string, Reported>()

  constructor(clock: Pick<Clock, 'nowMs'>) {
    this.#clock = clock
  }

  /** Takes the report of a heartbeat. */
  take({ jobWorkerId, hostname }: Pick<JobWorkerTuning, 'jobWorkerId' | 'hostname'>, report: ReadTuning): void {
    const atMs = this.#clock.nowMs()
    for (const { namespaceId, reads, smallReads, rangeBytes, decisions } of report.stores) {
      const told = decisions.map(({ agoMs, text }) => ({ atMs: atMs - agoMs, text }))
      const key = `${jobWorkerId}/${namespaceId}`
      this.#reports.delete(key)
      this.#reports.set(key, {
        atMs,
        namespaceId,
        tuning: {
          ...{ jobWorkerId, hostname, tasks: report.tasks, reads, smallReads, rangeBytes },
          decisions: told,
        },
      })
    }
    for (const key of this.#reports.keys()) {
      if (this.#reports.size <= reportsMax) return
      this.#reports.delete(key)
    }
  }

  /** What is known of the job workers that read the store of a load while it ran. */
  of(load: Pick<LoadRecord, 'namespaceId' | 'startedMs' | 'endedMs'>): JobWorkerTuning[] {
    const { namespaceId, startedMs, endedMs } = load
    const lastMs = endedMs > 0 ? endedMs : Number.POSITIVE_INFINITY
    const ofLoad = [...this.#reports.values()].filter(
      (one) => one.namespaceId === namespaceId && one.atMs >= startedMs && one.atMs <= lastMs + lateMs,
    )
    return ofLoad.slice(-jobWorkersMax).map(({ tuning }) => ({
      ...tuning,
      decisions: tuning.decisions.filter(({ atMs }) => atMs >= startedMs && atMs <= lastMs),
    }))
  }
}
