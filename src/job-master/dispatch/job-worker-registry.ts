// Why: tracks which job workers can take tasks and which ones are lost. How: a registration opens a
// session, and every later call names it. A call with an older session is told to register again. A
// job worker whose heartbeats stop is lost. This is kept only in memory: after a restart of the job
// master, all job workers register again.
import type { Clock, Random } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import type { JobWorkerInfo, MachineSize, RegisterJobWorkerRequest } from '../../wire/generated/job.ts'

export interface JobWorker {
  readonly jobWorkerId: string
  readonly hostname: string
  readonly session: string
  readonly lane: string
  /** Now: with skein.tuning=auto it changes. */
  activeTasksMax: number
  /** Undefined: it did not tell. */
  readonly machine: MachineSize | undefined
  live: boolean
  lastHeartbeatMs: number
  lastHeartbeatMonotonicMs: number
  tasksRunning: number
  /** Whether it has reported its running tasks since its registration. */
  reported: boolean
}

/** Maximum of live job workers, and of lost ones that are kept for reports. */
const jobWorkersMax = 10_000
const lostKept = 1000

export class JobWorkerRegistry {
  readonly #workers = new Map<string, JobWorker>()
  readonly #clock: Clock
  readonly #random: Random

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#random = random
  }

  /**
   * Opens a new session. Ends an older session of the same job worker.
   * @throws SkeinError invalid_argument
   */
  register(request: RegisterJobWorkerRequest): JobWorker {
    const { jobWorkerId, hostname, activeTasksMax, machine } = request
    if (!/^[A-Za-z0-9._-]{1,128}$/.test(jobWorkerId))
      throw new SkeinError('invalid_argument', `'${jobWorkerId}' is not a job worker id`)
    if (activeTasksMax < 1) throw new SkeinError('invalid_argument', 'a job worker must run at least 1 task at once')
    if (!this.#workers.has(jobWorkerId) && this.live().length >= jobWorkersMax)
      throw new SkeinError('resource_exhausted', `${jobWorkersMax} job workers are registered already`)
    const worker: JobWorker = {
      jobWorkerId,
      hostname,
      session: `${jobWorkerId}-${Math.floor(this.#random() * 2 ** 48).toString(36)}`,
      lane: `jw-${jobWorkerId}`,
      activeTasksMax,
      machine,
      live: true,
      lastHeartbeatMs: this.#clock.nowMs(),
      lastHeartbeatMonotonicMs: this.#clock.monotonicMs(),
      tasksRunning: 0,
      reported: false,
    }
    this.#workers.set(jobWorkerId, worker)
    return worker
  }

  /**
   * Returns the job worker of a session.
   * @throws SkeinError failed_precondition (`register_again`) when the session is not current
   */
  check(jobWorkerId: string, session: string): JobWorker {
    const worker = this.#workers.get(jobWorkerId)
    if (worker === undefined || !worker.live || worker.session !== session) {
      throw new SkeinError('failed_precondition', `job worker ${jobWorkerId} must register again`, {
        reason: 'register_again',
      })
    }
    return worker
  }

  /** @param activeTasks how many tasks it runs at once now; undefined: as before */
  heartbeat(worker: JobWorker, tasksRunning: number, activeTasks?: number): void {
    worker.lastHeartbeatMs = this.#clock.nowMs()
    worker.lastHeartbeatMonotonicMs = this.#clock.monotonicMs()
    worker.tasksRunning = tasksRunning
    worker.activeTasksMax = Math.max(1, activeTasks ?? worker.activeTasksMax)
    worker.reported = true
  }

  /**
   * Marks job workers without a heartbeat for `lostMs` as lost.
   * @returns the newly lost ones
   */
  sweep(lostMs: number): JobWorker[] {
    const now = this.#clock.monotonicMs()
    const lost = [...this.#workers.values()].filter(
      (worker) => worker.live && now - worker.lastHeartbeatMonotonicMs >= lostMs,
    )
    for (const worker of lost) {
      worker.live = false
      worker.tasksRunning = 0
    }
    const all = [...this.#workers.values()].filter((worker) => !worker.live)
    for (const { jobWorkerId } of all.slice(0, Math.max(0, all.length - lostKept))) this.#workers.delete(jobWorkerId)
    return lost
  }

  live(): JobWorker[] {
    return [...this.#workers.values()].filter((worker) => worker.live)
  }

  byLane(lane: string): JobWorker | undefined {
    return [...this.#workers.values()].find((worker) => worker.lane === lane)
  }

  infos(): JobWorkerInfo[] {
    return [...this.#workers.values()].map((worker) => ({
      jobWorkerId: worker.jobWorkerId,
      hostname: worker.hostname,
      live: worker.live,
      tasksRunning: worker.tasksRunning,
      activeTasksMax: worker.activeTasksMax,
      lastHeartbeatMs: worker.lastHeartbeatMs,
      ...(worker.machine !== undefined && { machine: worker.machine }),
    }))
  }
}
