// Why: the URL selects the queue. A process that needs no Redis does not load its client.
import { type Clock, systemClock } from '../base/clock.ts'
import type { Logger } from '../telemetry/logger.ts'
import { createInProcessQueue } from './in-process-queue.ts'
import type { Queue } from './queue.ts'
import { createInProcessScheduleTimer } from './in-process-schedule-timer.ts'
import { parseRedisAddress } from './redis-address.ts'
import type { OnFire, ScheduleTimer } from './schedule-timer.ts'

export interface OpenQueueOptions {
  readonly logger: Logger
  /** Default: the system clock. */
  readonly clock?: Clock
  /** First part of every Redis key, including a Redis Cluster hash tag. Default `{skein}`. */
  readonly prefix?: string
  /** For tasks in Redis, see BullMqQueueOptions. */
  readonly lockMs?: number
}

/**
 * Opens `inprocess:`, `redis://...` or `rediss://...`. Does not wait for Redis: use ping().
 * @throws SkeinError invalid_argument for any other URL; the message does not repeat the URL, which
 *   may contain a password
 */
export async function openQueue(url: string, options: OpenQueueOptions): Promise<Queue> {
  const { logger, clock = systemClock, prefix = '{skein}', lockMs } = options
  if (url === 'inprocess:') return createInProcessQueue(clock)
  parseRedisAddress(url)
  const { createBullMqQueue } = await import('./bullmq-queue.ts')
  return createBullMqQueue({ url, prefix, logger, clock, ...(lockMs === undefined ? {} : { lockMs }) })
}

/**
 * Opens the timer for schedules, at the same URL. `lane`: a different one for each job master that
 * shares the Redis server.
 * @throws SkeinError invalid_argument for any other URL
 */
export async function openScheduleTimer(
  url: string,
  options: Pick<OpenQueueOptions, 'logger' | 'prefix'> & { readonly clock: Clock; readonly lane: string },
  onFire: OnFire,
): Promise<ScheduleTimer> {
  const { logger, clock, lane, prefix = '{skein}' } = options
  if (url === 'inprocess:') return createInProcessScheduleTimer(clock, onFire)
  const { createBullMqScheduleTimer } = await import('./bullmq-schedule-timer.ts')
  return createBullMqScheduleTimer({ url, prefix, lane, logger, clock }, onFire)
}
