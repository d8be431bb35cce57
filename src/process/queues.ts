// Why: a role that needs the queue waits for it a bounded time at its start, saying so, and then
// gives up with one line.
import { SkeinError, toSkeinError } from '../base/errors.ts'
import { openQueue } from '../queue/open.ts'
import type { Queue } from '../queue/queue.ts'
import type { RoleContext } from './role-shell.ts'

const pauseMs = 1000
/**
 * A task whose worker vanished is given out again after this: well inside the time in which a load
 * is to recover.
 */
const lockMs = 10_000

/**
 * The queue, once it has answered. @throws SkeinError unavailable when it does not within the
 * configured time
 */
export async function openAnsweringQueue(context: RoleContext): Promise<Queue> {
  const { config, clock, logger, signal } = context
  const queue = await openQueue(config.queue.url, { logger, clock, lockMs })
  context.onStop('queue', () => queue.close())
  const giveUpMs = clock.monotonicMs() + config.queue.connectTimeoutMs
  for (let attempt = 1; ; attempt += 1) {
    try {
      await queue.ping(signal)
      return queue
    } catch (thrown) {
      const error = toSkeinError(thrown)
      if (!error.retryable || clock.monotonicMs() >= giveUpMs)
        throw new SkeinError(error.code, error.message, { cause: error, retryable: false })
      if (attempt === 1)
        logger.warn('waiting for the queue', { error: error.message, upToMs: config.queue.connectTimeoutMs })
      await clock.sleep(pauseMs, signal)
    }
  }
}
