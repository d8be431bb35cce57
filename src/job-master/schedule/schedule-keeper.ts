// Why: schedules run without a user. No due time may be lost or run twice, whatever is restarted or
// flushed. How: the journal records up to which time the due times of a schedule have become runs.
// Each schedule is checked at the start, every second, when a timer fires, and when a load ends.
// Due times become runs; runs become loads under their own request key, so that a submission
// repeated after a crash is the same load; ended loads end their runs. The timer is only a wake-up.
import { type SkeinError, toSkeinError } from '../../base/errors.ts'
import { hasEnded, parseLoadId } from '../../load/load.ts'
import { dueRuns, nextStart, startDecision } from '../../load/schedule/schedule-due.ts'
import { nextRun, patternOf } from '../../load/schedule/schedule-times.ts'
import {
  isOpen,
  runRequestKey,
  type RunState,
  type ScheduleRecord,
  type ScheduleRun,
} from '../../load/schedule/schedule.ts'
import type { OnFire, ScheduleTimer } from '../../queue/schedule-timer.ts'
import type { LoadOptions, SubmitLoadRequest, SubmitLoadResponse } from '../../wire/generated/job.ts'
import type { CallOptions } from '../../wire/service.ts'
import type { JobMasterContext } from '../job-master-context.ts'
import { latenessText, leadOf } from './schedule-lead.ts'
import { Wakeup } from '../dispatch/wakeup.ts'

interface ScheduleKeeperContext extends Pick<JobMasterContext, 'tables' | 'submit' | 'clock' | 'logger' | 'metrics'> {
  readonly submitLoad: (request: SubmitLoadRequest, options: CallOptions) => Promise<SubmitLoadResponse>
  /** Fires when a schedule is due. Without it, schedules are checked every second. */
  readonly openTimer: ((onFire: OnFire) => Promise<ScheduleTimer>) | undefined
}

const lookEveryMs = 1000
const timerEveryMs = 5000
/**
 * How long the submission of a run is retried while the master is down, workers are missing, or
 * another load is in the way.
 */
const submitPatienceMs = 600_000

export class ScheduleKeeper {
  readonly #context: ScheduleKeeperContext
  readonly #lookNow: Wakeup
  readonly #timerNow: Wakeup
  /** Checks in progress, by schedule. */
  readonly #looks = new Map<number, Promise<void>>()
  readonly #nextStarts = new Map<
    number,
    { readonly lookedMs: number; readonly leadMs: number; readonly startMs: number | undefined }
  >()
  readonly #waitsFor = new Map<number, string>()
  #servingSinceMs = Number.POSITIVE_INFINITY

  constructor(context: ScheduleKeeperContext) {
    this.#context = context
    this.#lookNow = new Wakeup(context.clock)
    this.#timerNow = new Wakeup(context.clock)
    const { metrics, tables } = context
    metrics.observe('skein_job_schedules', () => tables.schedules.scan([], 0, Number.MAX_SAFE_INTEGER).length)
  }

  /** Call when a load has ended, or when schedules may be due for another reason. */
  wake(): void {
    this.#lookNow.notify()
  }

  /** Call after a schedule was created, deleted, paused or resumed. */
  changed(): void {
    this.#timerNow.notify()
    this.#lookNow.notify()
  }

  /** Checks schedules until the signal is aborted. */
  async run(stop: AbortSignal): Promise<void> {
    this.#servingSinceMs = this.#context.clock.nowMs()
    const timer = this.#keepTimer(stop)
    while (!stop.aborted) {
      for (const { id } of this.#context.tables.schedules.scan([], 0, Number.MAX_SAFE_INTEGER)) {
        // A schedule that waits for the master must not delay the others.
        if (!this.#looks.has(id)) void this.look(id, stop)
      }
      await this.#lookNow.wait(lookEveryMs, stop)
    }
    await timer
    await Promise.allSettled(this.#looks.values())
  }

  /** Checks one schedule, after a check of it that is in progress. */
  look(scheduleId: number, stop: AbortSignal): Promise<void> {
    const before = this.#looks.get(scheduleId) ?? Promise.resolve()
    const look = before
      .then(() => this.#lookAt(scheduleId, stop))
      .catch((thrown: unknown) => {
        if (!stop.aborted) this.#context.logger.warn('cannot check a schedule', { scheduleId, error: thrown })
      })
      .finally(() => {
        if (this.#looks.get(scheduleId) === look) this.#looks.delete(scheduleId)
      })
    this.#looks.set(scheduleId, look)
    return look
  }

  /** Why its first waiting run waits. Empty: unknown. */
  waitsFor(scheduleId: number): string {
    return this.#waitsFor.get(scheduleId) ?? ''
  }

  async #lookAt(scheduleId: number, stop: AbortSignal): Promise<void> {
    const { tables, clock } = this.#context
    const schedule = tables.schedules.get([scheduleId])
    if (schedule === undefined || stop.aborted) return
    for (const run of this.#openRuns(schedule)) if (run.state === 'STARTED') await this.#endWhenOver(schedule, run)
    await this.#noteDue(schedule)
    const ahead: ScheduleRun[] = []
    const now = tables.schedules.get([scheduleId])
    for (const run of now === undefined ? [] : this.#openRuns(now)) {
      if (run.state === 'WAITING') {
        const decision = startDecision(schedule.definition.overlap, run, ahead, clock.nowMs())
        if (decision === 'start') await this.#begin(schedule, run, stop)
        else if (decision !== 'later') await this.#end(schedule, run, 'SKIPPED', decision.skip, 0)
      }
      const after = tables.scheduleRuns.get([scheduleId, run.number])
      if (after !== undefined && isOpen(after)) ahead.push(after)
    }
  }

  #openRuns(schedule: ScheduleRecord): ScheduleRun[] {
    return schedule.open
      .map((number) => this.#context.tables.scheduleRuns.get([schedule.scheduleId, number]))
      .filter((run) => run !== undefined)
  }

  async #noteDue(schedule: ScheduleRecord): Promise<void> {
    const { scheduleId, lookedMs } = schedule
    if (schedule.paused || patternOf(schedule.definition) === '') return
    const { clock, tables } = this.#context
    const { leadMs } = leadOf(tables, schedule)
    const nowMs = clock.nowMs()
    let next = this.#nextStarts.get(scheduleId)
    if (next?.lookedMs !== lookedMs || next.leadMs !== leadMs) {
      next = { lookedMs, leadMs, startMs: nextStart(schedule, leadMs) }
      this.#nextStarts.set(scheduleId, next)
    }
    if (next.startMs === undefined || next.startMs > nowMs) return
    const due = dueRuns(schedule, { nowMs, servingSinceMs: this.#servingSinceMs, leadMs })
    if (due === undefined) return
    await this.#context.submit({ type: 'ScheduleDue', nowMs, scheduleId, upToMs: due.upToMs, runs: due.runs })
    for (const run of due.runs)
      if (run.skipped !== '') this.#context.metrics.add('skein_job_schedule_runs_total', 1, { outcome: 'skipped' })
  }

  async #begin(schedule: ScheduleRecord, run: ScheduleRun, stop: AbortSignal): Promise<void> {
    const { clock, submit, submitLoad, metrics, logger } = this.#context
    const { scheduleId, definition } = schedule
    const { number, deadlineMs } = run
    const options = { ...(definition.options as LoadOptions), schedule: definition.name, readyByMs: deadlineMs }
    try {
      const request = { requestKey: runRequestKey(scheduleId, number), path: definition.path, options }
      const { loadId, joined } = await submitLoad(request, { signal: stop })
      const reason = joined ? `joined load ${loadId}, which was running` : ''
      const started = { scheduleId, number, loadId: parseLoadId(loadId) ?? 0, reason }
      await submit({ type: 'ScheduleRunStarted', nowMs: clock.nowMs(), ...started })
      this.#waitsFor.delete(scheduleId)
      metrics.add('skein_job_schedule_runs_total', 1, { outcome: 'started' })
    } catch (thrown) {
      const error = toSkeinError(thrown)
      if (stop.aborted) return
      if (mayComeRight(error) && clock.nowMs() < run.startMs + submitPatienceMs) {
        if (!this.#waitsFor.has(scheduleId))
          logger.warn('a scheduled run waits', { schedule: definition.name, run: number, error: error.message })
        this.#waitsFor.set(scheduleId, `run ${number} waits: ${error.message}`)
        return
      }
      this.#waitsFor.delete(scheduleId)
      logger.warn('a scheduled run was refused', { schedule: definition.name, run: number, error: error.message })
      await this.#end(schedule, run, 'REFUSED', error.message, 0)
    }
  }

  async #endWhenOver(schedule: ScheduleRecord, run: ScheduleRun): Promise<void> {
    const load = this.#context.tables.loads.get([run.loadId])
    if (load === undefined || load.expiring)
      return await this.#end(schedule, run, 'EXPIRED', 'the load was already deleted from the history', 0)
    if (!hasEnded(load.mode)) return
    const reason = [run.reason, load.reason, latenessText(run.deadlineMs, load.endedMs)]
      .filter((text) => text !== '')
      .join('; ')
    await this.#end(schedule, run, load.mode as RunState, reason, Math.max(0, load.endedMs - run.startedMs))
  }

  async #end(
    schedule: ScheduleRecord,
    run: ScheduleRun,
    state: RunState,
    reason: string,
    tookMs: number,
  ): Promise<void> {
    const { clock, submit, metrics } = this.#context
    await submit({
      type: 'ScheduleRunEnded',
      nowMs: clock.nowMs(),
      scheduleId: schedule.scheduleId,
      number: run.number,
      state,
      reason,
      tookMs,
    })
    if (state === 'SKIPPED') metrics.add('skein_job_schedule_runs_total', 1, { outcome: 'skipped' })
    if (state === 'REFUSED') metrics.add('skein_job_schedule_runs_total', 1, { outcome: 'refused' })
    // Wake up for the next run, and for schedules that run after this one.
    this.wake()
  }

  /** Keeps the timer set to the next due time. A failure only makes runs less punctual. */
  async #keepTimer(stop: AbortSignal): Promise<void> {
    const { openTimer, logger, tables } = this.#context
    if (openTimer === undefined) return
    let timer: ScheduleTimer | undefined
    let isDown = false
    while (!stop.aborted) {
      try {
        timer ??= await openTimer(() => this.wake())
        const due = tables.schedules
          .scan([], 0, Number.MAX_SAFE_INTEGER)
          .filter(({ value }) => !value.paused && patternOf(value.definition) !== '')
        await timer.set(
          due.map(({ value: { definition } }) => ({
            name: definition.name,
            cron: patternOf(definition),
            timezone: definition.timezone,
            nextMs: (afterMs) => nextRun(definition, afterMs),
          })),
        )
        isDown = false
      } catch (thrown) {
        if (!isDown)
          logger.warn('cannot set the timer of the schedules; checking them every second', {
            error: toSkeinError(thrown).message,
          })
        isDown = true
      }
      await this.#timerNow.wait(timerEveryMs, stop)
    }
    await timer?.close()
  }
}

function mayComeRight(error: SkeinError): boolean {
  return error.retryable || error.reason === 'too_few_workers' || error.reason === 'overlapping_load'
}
