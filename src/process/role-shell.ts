// Why: every role starts, reports that it is ready, and stops in the same way. How: a role is a
// list of parts that start in order and stop in reverse order. The first stop signal drains, the
// second one ends the process at once. A part that does not stop in time, for example because a
// disk or the queue hangs, is abandoned with a message. All important state is in the journal by
// then, and a supervisor must not have to guess when to kill the process.
import { type Clock, type Random, systemClock, systemRandom } from '../base/clock.ts'
import { formatDuration } from '../base/durations.ts'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import type { Config } from '../config/config.ts'
import { createLogger, type Logger } from '../telemetry/logger.ts'
import { collectWhenIdle } from './idle-memory.ts'
import { observeProcess } from '../telemetry/process-metrics.ts'
import { MetricRegistry } from '../telemetry/registry.ts'
import type { RawChannel } from '../wire/rpc/grpc.ts'

/** The process of a role: its output, and its stop signal. */
export interface RoleIo {
  /** For results and the ready line. */
  readonly stdout: (text: string) => void
  /** For log lines. */
  readonly stderr: (text: string) => void
  /** Aborted when the role must drain and stop. */
  readonly stop: AbortSignal
}

/** Passed to every part of a role. */
export interface RoleContext {
  readonly config: Config
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: MetricRegistry
  /** The ways to the RPC ports of this process, by their address for others. */
  readonly channels: Map<string, RawChannel>
  /** Aborted when the role is stopped during its start, and after all parts have stopped. */
  readonly signal: AbortSignal
  /**
   * Registers the undo of a start step. Undo steps run in reverse order at the end, also when a
   * later step fails.
   */
  readonly onStop: (what: string, undo: () => void | Promise<void>) => void
  /**
   * How long requests in progress may still take during a stop. All servers share this time, so
   * that time to close remains.
   */
  readonly drainMs: () => number
  /**
   * Ends the role with this error. A part calls it when it cannot continue and only a restart
   * helps.
   */
  readonly fail: (reason: unknown) => void
}

/** Share of the stop timeout in which requests are still served. */
const drainShare = 0.75

/**
 * Runs a role until `io.stop` is aborted. `start` builds the role and returns the fields of the
 * ready line.
 * @throws what `start` throws, after undoing what it had started; SkeinError deadline_exceeded
 *   `stop_timeout` when the role could not stop in time: the process must exit, whatever still runs
 *   in it
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
  // An error may come before the end is awaited.
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
        channels: new Map(),
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
      // Stopped during its start: the error of the start is a result of the stop.
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

/** States: not begun -> begun -> over | given up. */
class Shutdown {
  readonly #role: string
  readonly #timeoutMs: number
  readonly #clock: Clock
  readonly #gaveUp = Promise.withResolvers<never>()
  readonly #over = new AbortController()
  #begunMs: number | undefined
  #what = 'its start'
  #why = ''

  constructor(role: string, timeoutMs: number, clock: Clock) {
    this.#role = role
    this.#timeoutMs = timeoutMs
    this.#clock = clock
    this.#gaveUp.promise.catch(() => undefined)
  }

  /** Starts the timeout. Further calls have no effect. */
  begin(): void {
    if (this.#begunMs !== undefined) return
    this.#begunMs = this.#clock.monotonicMs()
    // Use a sleep, not a timer: it must keep the process alive if nothing else does, or the process
    // would exit without a message.
    this.#clock.sleep(this.#timeoutMs, this.#over.signal).then(
      () => this.#gaveUp.reject(this.#error()),
      () => undefined,
    )
  }

  /** Keeps the error that ends the role, so that it is reported even if the stop times out. */
  because(thrown: unknown): void {
    this.#why = `${toSkeinError(thrown).message}; then `
  }

  /** Names the part that is being stopped, for the message. */
  stops(what: string): void {
    this.#what = what
  }

  /** What remains of a share of the timeout. */
  leftMs(share: number): number {
    const sinceMs = this.#begunMs === undefined ? 0 : this.#clock.monotonicMs() - this.#begunMs
    return Math.max(0, this.#timeoutMs * share - sinceMs)
  }

  /**
   * Returns the result of the work, unless the timeout passes first.
   * @throws SkeinError deadline_exceeded
   */
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
      `${this.#why}${this.#role} did not stop within ${limit}: ${this.#what} was still running`,
      { reason: 'stop_timeout' },
    )
  }
}
