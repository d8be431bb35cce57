// Why: a role that needs the queue waits for it at start. How: it logs that it waits, and after a
// limited time it fails with one line.
import { SkeinError, toSkeinError } from '../base/errors.ts'
import { openQueue } from '../queue/open.ts'
import type { Queue } from '../queue/queue.ts'
import type { RoleContext } from './role-shell.ts'

const pauseMs = 1000
/**
 * A task whose job worker disappeared is delivered again after this time, which is well below the
 * time in which a load must recover.
 */
const lockMs = 10_000

/**
 * Opens the queue and waits until it answers.
 * @throws SkeinError unavailable when it does not answer within the configured time
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
