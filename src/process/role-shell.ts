// Why: every role starts, says that it is ready, and stops in the same way. How: a role is a list of parts that are
// started in order and stopped in reverse; a signal to stop drains, a second one ends the process at once.
import { type Clock, type Random, systemClock, systemRandom } from '../base/clock.ts'
import { toSkeinError } from '../base/errors.ts'
import type { Config } from '../config/config.ts'
import { createLogger, type Logger } from '../telemetry/logger.ts'
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
  /** Registers what undoes a start; run in reverse order at the end, also when a later start fails. */
  readonly onStop: (what: string, undo: () => void | Promise<void>) => void
  /** Ends the role with this error: a part can go on no longer, and only a restart helps. */
  readonly fail: (reason: unknown) => void
}

/**
 * Runs a role until `io.stop` aborts: `start` builds it and returns the ready line's fields.
 * @throws what `start` throws, after undoing what it had started
 */
export async function runRole(
  role: string,
  config: Config,
  io: RoleIo,
  start: (context: RoleContext) => Promise<Readonly<Record<string, unknown>>>,
): Promise<void> {
  const logger = createLogger(config.logLevel, io.stderr, () => systemClock.nowMs(), { role })
  const stopping = new AbortController()
  const undos: { readonly what: string; readonly undo: () => void | Promise<void> }[] = []
  const ending = Promise.withResolvers<void>()
  // Errors may come before anybody waits for the end.
  ending.promise.catch(() => undefined)
  let started = false
  const onStopAsked = (): void => {
    ending.resolve()
    if (!started) stopping.abort()
  }
  io.stop.addEventListener('abort', onStopAsked, { once: true })
  if (io.stop.aborted) onStopAsked()
  for (const warning of config.warnings) logger.warn(warning)
  try {
    const ready = await start({
      config,
      clock: systemClock,
      random: systemRandom,
      logger,
      metrics: new MetricRegistry(),
      signal: stopping.signal,
      onStop: (what, undo) => undos.push({ what, undo }),
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
    if (!io.stop.aborted) throw thrown
  } finally {
    io.stop.removeEventListener('abort', onStopAsked)
    for (const { what, undo } of undos.toReversed()) {
      try {
        await undo()
      } catch (thrown) {
        logger.warn(`could not stop ${what} cleanly`, { error: toSkeinError(thrown).message })
      }
    }
    stopping.abort()
  }
}
