// Why: the job master must know which job workers live and what they run, and a job worker which of
// its loads were cancelled. How: registration gives a session; a heartbeat every second carries the
// running tasks. Whoever gets a refusal that may mean a lost session asks here: a heartbeat
// decides, and only then a new session is taken, once for all who ask.
import { type Clock, type Random, throwIfAborted } from '../base/clock.ts'
import { type SkeinError, toSkeinError } from '../base/errors.ts'
import { backoffMs, type RetryPolicy } from '../base/flow/retry.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { JobServiceDefinition, Pacing, Pressures, RunningTask } from '../wire/generated/job.ts'
import type { Service } from '../wire/service.ts'

export interface JobMasterLinkOptions {
  readonly jobWorkerId: string
  /** goosefs.worker.hostname: the same as the cache worker's of this host. */
  readonly hostname: string
  readonly rpcAddress: string
  readonly activeTasksMax: number
  readonly jobMaster: Pick<Service<JobServiceDefinition>, 'registerJobWorker' | 'jobWorkerHeartbeat'>
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly heartbeatMs: number
  /** The tasks to name in the next heartbeat. */
  readonly running: () => RunningTask[]
  /**
   * What the stores and their readers said since this was last asked; undefined when there is
   * nothing to say.
   */
  readonly pressures: () => Pressures | undefined
  readonly onCancelled: (loadIds: readonly string[]) => void
  /** How fast to read, until the next answer. */
  readonly onPacing: (pacing: Pacing | undefined) => void
  /** Whether heartbeats come often now, because of what onPacing said or `pressures` will say. */
  readonly isPressed: () => boolean
  /** The lane to take tasks from; called at each registration. */
  readonly onLane: (lane: string) => void
}

const registerPolicy: RetryPolicy = { attemptsMax: Number.POSITIVE_INFINITY, initialMs: 100, maxMs: 3000 }
const heartbeatDeadlineMs = 5000
/** While anything is held back, allowances follow what runs where this closely. */
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
   * Registers, however long the job master takes to come up, and begins the heartbeats. @throws the
   * signal's reason, or a refusal
   */
  async start(signal: AbortSignal): Promise<void> {
    await this.#register(AbortSignal.any([signal, this.#closing.signal]))
    this.#loop = this.#beatUntilClosed()
  }

  /**
   * For a call that was refused (failed_precondition) with `session`: true when the session was
   * lost and there is a new one, so the call is worth repeating; false when the session is good and
   * the refusal means something else.
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

  /** Ends the heartbeats. The job master finds out by their absence. */
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
    const { jobMaster, jobWorkerId, running, pressures, onCancelled, onPacing } = this.#options
    const signal = this.#closing.signal
    const options = { signal, deadlineMs: heartbeatDeadlineMs }
    try {
      const pressed = pressures()
      const request = {
        jobWorkerId,
        session: this.#session,
        running: running(),
        ...(pressed !== undefined && { pressures: pressed }),
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
      // At once: a job master that restarted waits for it to learn what is already being loaded.
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
    const { jobMaster, jobWorkerId, hostname, rpcAddress, activeTasksMax, clock, random, logger, onLane } =
      this.#options
    for (let attempt = 1; ; attempt += 1) {
      try {
        const answer = await jobMaster.registerJobWorker(
          { jobWorkerId, hostname, rpcAddress, activeTasksMax },
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

  // Once an outage, not once a second.
  #unreached(error: SkeinError): void {
    if (this.#reachable)
      this.#options.logger.warn('the job master does not answer; trying on', { error: error.message })
    this.#reachable = false
  }
}
