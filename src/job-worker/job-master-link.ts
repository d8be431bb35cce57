// Why: the job master must know which job workers are running and what they run. A job worker must
// learn which of its loads were cancelled. How: registration returns a session, and a heartbeat
// every second carries the running tasks. A caller whose call was refused, perhaps because the
// session was lost, asks this class: a heartbeat finds out, and if the session is lost, one new
// session is taken for all callers.
import { type Clock, type Random, throwIfAborted } from '../base/clock.ts'
import { type SkeinError, toSkeinError } from '../base/errors.ts'
import { backoffMs, type RetryPolicy } from '../base/flow/retry.ts'
import type { Logger } from '../telemetry/logger.ts'
import type {
  JobServiceDefinition,
  MachineSize,
  Pacing,
  Pressures,
  ReadTuning,
  RunningTask,
} from '../wire/generated/job.ts'
import type { Service } from '../wire/service.ts'

export interface JobMasterLinkOptions {
  readonly jobWorkerId: string
  /** goosefs.worker.hostname: same value as for the cache worker on this host. */
  readonly hostname: string
  readonly rpcAddress: string
  readonly activeTasksMax: number
  /** For recommendations. Absent: not told. */
  readonly machine?: MachineSize
  readonly jobMaster: Pick<Service<JobServiceDefinition>, 'registerJobWorker' | 'jobWorkerHeartbeat'>
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly heartbeatMs: number
  /** Tasks to report in the next heartbeat. */
  readonly running: () => RunningTask[]
  /** Load signals of stores and readers since the last call. Undefined: none. */
  readonly pressures: () => Pressures | undefined
  /** The settings that this job worker has chosen. Undefined: it chooses none. */
  readonly tuning: () => ReadTuning | undefined
  readonly onCancelled: (loadIds: readonly string[]) => void
  /** Read rates that apply until the next answer. */
  readonly onPacing: (pacing: Pacing | undefined) => void
  /**
   * Whether heartbeats must be frequent, because of the last pacing or because of new pressures.
   */
  readonly isPressed: () => boolean
  /** Name of the lane to take tasks from. Called at each registration. */
  readonly onLane: (lane: string) => void
}

const registerPolicy: RetryPolicy = { attemptsMax: Number.POSITIVE_INFINITY, initialMs: 100, maxMs: 3000 }
const heartbeatDeadlineMs = 5000
/**
 * Heartbeat interval while reads are paced, so that allowances follow the running tasks closely.
 */
const pressedHeartbeatMs = 250

/**
 * mode: unregistered -> registered (start) -> unregistered (heartbeat refused) -> registered ... ->
 * closed (close).
 */
export class JobMasterLink {
  readonly #options: JobMasterLinkOptions
  readonly #closing = new AbortController()
  #session = ''
  #beating: Promise<'alive' | 'lost' | 'unknown'> | undefined
  #registering: Promise<void> | undefined
  #loop: Promise<void> | undefined
  #reachable = true

  constructor(options: JobMasterLinkOptions) {
    this.#options = options
  }

  get session(): string {
    return this.#session
  }

  /**
   * Registers and starts the heartbeats. Waits until the job master is up.
   * @throws the signal's reason, or a refusal
   */
  async start(signal: AbortSignal): Promise<void> {
    await this.#register(AbortSignal.any([signal, this.#closing.signal]))
    this.#loop = this.#beatUntilClosed()
  }

  /**
   * Call this after a call with `session` was refused (failed_precondition).
   * @returns true when the session was lost and there is a new one: repeat the call. False when the
   *   session is valid and the refusal has another cause.
   * @throws the signal's reason
   */
  async replaceIfLost(session: string, signal: AbortSignal): Promise<boolean> {
    for (let attempt = 1; ; attempt += 1) {
      throwIfAborted(signal)
      if (session !== this.#session) return true
      const answer = await this.#beat()
      if (answer === 'alive') return session !== this.#session
      if (answer === 'unknown')
        await this.#options.clock.sleep(backoffMs(registerPolicy, attempt, this.#options.random), signal)
    }
  }

  /** Ends the heartbeats. The job master notices that they stop. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#loop
  }

  async #beatUntilClosed(): Promise<void> {
    const { clock, heartbeatMs } = this.#options
    for (;;) {
      try {
        await this.#beat()
        await clock.sleep(
          this.#options.isPressed() ? Math.min(heartbeatMs, pressedHeartbeatMs) : heartbeatMs,
          this.#closing.signal,
        )
      } catch (thrown) {
        if (this.#closing.signal.aborted) return
        this.#options.logger.error('a heartbeat failed', { error: toSkeinError(thrown).message })
        await clock.sleep(heartbeatMs, this.#closing.signal).catch(() => undefined)
      }
    }
  }

  #beat(): Promise<'alive' | 'lost' | 'unknown'> {
    this.#beating ??= this.#beatOnce().finally(() => (this.#beating = undefined))
    return this.#beating
  }

  async #beatOnce(): Promise<'alive' | 'lost' | 'unknown'> {
    const { jobMaster, jobWorkerId, running, pressures, tuning, onCancelled, onPacing } = this.#options
    const signal = this.#closing.signal
    const options = { signal, deadlineMs: heartbeatDeadlineMs }
    try {
      const pressed = pressures()
      const tuned = tuning()
      const request = {
        jobWorkerId,
        session: this.#session,
        running: running(),
        ...(pressed !== undefined && { pressures: pressed }),
        ...(tuned !== undefined && { tuning: tuned }),
      }
      const { cancelledLoads, pacing } = await jobMaster.jobWorkerHeartbeat(request, options)
      this.#reached()
      onPacing(pacing)
      if (cancelledLoads.length > 0) onCancelled(cancelledLoads)
      return 'alive'
    } catch (thrown) {
      const error = toSkeinError(thrown)
      if (signal.aborted) throw error
      if (error.code !== 'failed_precondition' && error.code !== 'not_found') {
        this.#unreached(error)
        return 'unknown'
      }
      this.#options.logger.warn('the job master no longer knows this job worker: registering again', {
        error: error.message,
      })
      await this.#register(signal)
      // Sent at once: a restarted job master waits for it to learn which sets are being loaded.
      await jobMaster
        .jobWorkerHeartbeat({ jobWorkerId, session: this.#session, running: running() }, options)
        .catch(() => undefined)
      return 'lost'
    }
  }

  #register(signal: AbortSignal): Promise<void> {
    this.#registering ??= this.#registerOnce(signal).finally(() => (this.#registering = undefined))
    return this.#registering
  }

  async #registerOnce(signal: AbortSignal): Promise<void> {
    const { jobMaster, jobWorkerId, hostname, rpcAddress, activeTasksMax, machine } = this.#options
    const { clock, random, logger, onLane } = this.#options
    for (let attempt = 1; ; attempt += 1) {
      try {
        const answer = await jobMaster.registerJobWorker(
          { jobWorkerId, hostname, rpcAddress, activeTasksMax, ...(machine !== undefined && { machine }) },
          { signal },
        )
        this.#session = answer.session
        this.#reached()
        logger.info('registered with the job master', { lane: answer.lane })
        onLane(answer.lane)
        return
      } catch (thrown) {
        const error = toSkeinError(thrown)
        if (signal.aborted || !error.retryable) throw error
        this.#unreached(error)
        await clock.sleep(backoffMs(registerPolicy, attempt, random), signal)
      }
    }
  }

  #reached(): void {
    if (!this.#reachable) this.#options.logger.info('the job master answers again')
    this.#reachable = true
  }

  // Logged once per outage, not once per second.
  #unreached(error: SkeinError): void {
    if (this.#reachable) this.#options.logger.warn('the job master does not answer; retrying', { error: error.message })
    this.#reachable = false
  }
}
