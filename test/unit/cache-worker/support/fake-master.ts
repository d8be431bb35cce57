// Why: a master as workers see it, that restarts, goes down and forgets when a test says so.
import { SkeinError } from '../../../../src/base/errors.ts'
import type { MasterLinkDependencies } from '../../../../src/cache-worker/link/master-link.ts'
import type {
  RegisterWorkerRequest,
  ReportBlocksRequest,
  WorkerHeartbeatRequest,
} from '../../../../src/wire/generated/master.ts'

export class FakeMaster {
  /** What the master believes that the worker has. */
  readonly blocks = new Set<number>()
  /** Blocks it does not know of. */
  readonly unknown = new Set<number>()
  /** Blocks to free with the next heartbeat. */
  freeNext: number[] = []
  down = false
  /** Takes a report, then loses the answer. */
  loseAnswers = 0
  registrations: RegisterWorkerRequest[] = []
  reports: ReportBlocksRequest[] = []
  heartbeats: WorkerHeartbeatRequest[] = []
  fullReports = 0
  calls = 0
  reportsRunning = 0
  reportsRunningMax = 0
  delay: () => Promise<void> = () => Promise.resolve()
  #session = 0

  /** Forgets sessions and blocks, as a restart does. */
  restart(): void {
    this.#session += 100
    this.blocks.clear()
  }

  readonly service: MasterLinkDependencies['master'] = {
    registerWorker: async (request) => {
      this.#enter()
      this.#session += 1
      this.blocks.clear()
      this.registrations.push(request)
      return { session: `session-${this.#session}` }
    },
    reportBlocks: async (request) => {
      this.#enter(request.session)
      this.reportsRunning += 1
      this.reportsRunningMax = Math.max(this.reportsRunningMax, this.reportsRunning)
      await this.delay()
      this.reportsRunning -= 1
      this.#enter(request.session)
      this.reports.push(request)
      const unknown = request.added.filter((id) => this.unknown.has(id))
      for (const id of request.added) if (!this.unknown.has(id)) this.blocks.add(id)
      for (const id of request.removed) this.blocks.delete(id)
      if (request.fullReportEnd) this.fullReports += 1
      if (this.loseAnswers > 0) {
        this.loseAnswers -= 1
        throw new SkeinError('deadline_exceeded', 'no answer')
      }
      return { unknown, release: [], pinned: [] }
    },
    workerHeartbeat: async (request) => {
      this.#enter(request.session)
      this.heartbeats.push(request)
      return { freeBlocks: this.freeNext.splice(0), copyBlocks: [], releaseBlocks: [], pinBlocks: [], unpinBlocks: [] }
    },
  }

  #enter(session?: string): void {
    this.calls += 1
    if (this.down) throw new SkeinError('unavailable', 'connection refused')
    if (session !== undefined && session !== `session-${this.#session}`)
      throw new SkeinError('failed_precondition', 'register again')
  }
}
