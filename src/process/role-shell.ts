// Why: every role starts, says that it is ready, and stops in the same way. How: a role is a list
// of parts that are started in order and stopped in reverse; a signal to stop drains, a second one
// ends the process at once. What does not stop in time (a disk or a queue that hangs) is left
// behind, and said: everything that counts is in the journal already, and whoever waits for the
// process, with a kill in his hand, must not have to guess.
import { type Clock, type Random, systemClock, systemRandom } from '../base/clock.ts'
import { formatDuration } from '../base/durations.ts'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import type { Config } from '../config/config.ts'
import { createLogger, type Logger } from '../telemetry/logger.ts'
import { collectWhenIdle } from './idle-memory.ts'
import { observeProcess } from '../telemetry/process-metrics.ts'
import { MetricRegistry } from '../telemetry/registry.ts'

/** The process around a role: where its lines go and how it is told to stop. */
export interface RoleIo {
  /** Results and the ready line. */
  readonly stdout: (text: string) => void
  /** Log lines. */
  readonly stderr: (text: string) => void
  /** Aborts when the role is to drain and stop. */
  readonly stop: AbortSignal
}

/** What every part of a role is given. */
export interface RoleContext {
  readonly config: Config
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: MetricRegistry
  /** Aborts when the role is stopped while it starts, and once everything of it has stopped. */
  readonly signal: AbortSignal
  /**
   * Registers what undoes a start; run in reverse order at the end, also when a later start fails.
   */
  readonly onStop: (what: string, undo: () => void | Promise<void>) => void
  /**
   * How long who is being served may still take, for a stop that goes on. All of them together, so
   * that time to close is left.
   */
  readonly drainMs: () => number
  /** Ends the role with this error: a part can go on no longer, and only a restart helps. */
  readonly fail: (reason: unknown) => void
}

/** Of the time that a stop may take, the part in which others are still served. */
const drainShare = 0.75

/**
 * Runs a role until `io.stop` aborts: `start` builds it and returns the ready line's fields.
 * @throws what `start` throws, after undoing what it had started; SkeinError deadline_exceeded
 *   `stop_timeout` when it could not stop in time: the process is to end, whatever still goes on in
 *   it
 */
export async function runRole(
  role: string,
  config: Config,
  io: RoleIo,
  start: (context: RoleContext) => Promise<Readonly<Record<string, unknown>>>,
  clock: Clock = systemClock,
): Promise<void> {
  const logger = createLogger(config.logLevel, io.stderr, () => clock.nowMs(), { role })
  const stopping = new AbortController()
  const shutdown = new Shutdown(role, config.shutdownTimeoutMs, clock)
  const undos: { readonly what: string; readonly undo: () => void | Promise<void> }[] = []
  const ending = Promise.withResolvers<void>()
  // Errors may come before anybody waits for the end.
  ending.promise.catch(() => undefined)
  let started = false
  const onStopAsked = (): void => {
    shutdown.begin()
    ending.resolve()
    if (!started) stopping.abort()
  }
  io.stop.addEventListener('abort', onStopAsked, { once: true })
  if (io.stop.aborted) onStopAsked()
  const metrics = new MetricRegistry(role)
  const unobserve = observeProcess(metrics, clock)
  const { idleCollectMs } = config.memory
  const leaveMemory = idleCollectMs > 0 ? collectWhenIdle(clock, idleCollectMs) : undefined
  for (const warning of config.warnings) logger.warn(warning)
  await shutdown.limit(untilStopped())

  async function untilStopped(): Promise<void> {
    try {
      const ready = await start({
        config,
        clock,
        random: systemRandom,
        logger,
        metrics,
        signal: stopping.signal,
        onStop: (what, undo) => undos.push({ what, undo }),
        drainMs: () => shutdown.leftMs(drainShare),
        fail: (reason) => {
          if (!stopping.signal.aborted) ending.reject(toSkeinError(reason))
        },
      })
      started = true
      if (!io.stop.aborted) io.stdout(`${JSON.stringify({ ready: role, ...ready })}\n`)
      await ending.promise
      logger.info('stopping')
    } catch (thrown) {
      // Told to stop before it had started: what the start threw is that.
      if (io.stop.aborted) return
      shutdown.because(thrown)
      throw thrown
    } finally {
      io.stop.removeEventListener('abort', onStopAsked)
      shutdown.begin()
      for (const { what, undo } of undos.toReversed()) {
        shutdown.stops(what)
        try {
          await undo()
        } catch (thrown) {
          logger.warn(`could not stop ${what} cleanly`, { error: toSkeinError(thrown).message })
        }
      }
      stopping.abort()
      unobserve()
      leaveMemory?.()
    }
  }
}

/** not begun -> begun -> over | given up. */
class Shutdown {
  readonly #role: string
  readonly #timeoutMs: number
  readonly #clock: Clock
  readonly #gaveUp = Promise.withResolvers<never>()
  readonly #over = new AbortController()
  #begunMs: number | undefined
  #what = 'what it had begun'
  #why = ''

  constructor(role: string, timeoutMs: number, clock: Clock) {
    this.#role = role
    this.#timeoutMs = timeoutMs
    this.#clock = clock
    this.#gaveUp.promise.catch(() => undefined)
  }

  /** The time runs from the first call. */
  begin(): void {
    if (this.#begunMs !== undefined) return
    this.#begunMs = this.#clock.monotonicMs()
    // Slept, not scheduled: where nothing else holds the process open, this must, or it would end
    // without a word.
    this.#clock.sleep(this.#timeoutMs, this.#over.signal).then(
      () => this.#gaveUp.reject(this.#error()),
      () => undefined,
    )
  }

  /** What the role ends with: not to be lost when it does not stop either. */
  because(thrown: unknown): void {
    this.#why = `${toSkeinError(thrown).message}; then `
  }

  /** For the message: what is being stopped now. */
  stops(what: string): void {
    this.#what = what
  }

  /** What is left of a share of the timeout. */
  leftMs(share: number): number {
    const sinceMs = this.#begunMs === undefined ? 0 : this.#clock.monotonicMs() - this.#begunMs
    return Math.max(0, this.#timeoutMs * share - sinceMs)
  }

  /** The work's outcome, unless the time is over before. @throws SkeinError deadline_exceeded */
  async limit(work: Promise<void>): Promise<void> {
    try {
      await Promise.race([work, this.#gaveUp.promise])
    } finally {
      this.#over.abort()
    }
  }

  #error(): SkeinError {
    const limit = `${formatDuration(this.#timeoutMs)} (skein.shutdown.timeout)`
    return new SkeinError(
      'deadline_exceeded',
      `${this.#why}${this.#role} did not stop within ${limit}: ${this.#what} was still at it, and was left`,
      { reason: 'stop_timeout' },
    )
  }
}
