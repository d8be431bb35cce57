// Why: with Redis, BullMQ wakes the job master when a schedule is due. How: one job scheduler per
// entry, in a separate lane, and a worker that receives their jobs. The times come from the
// entries, so they are the job master's own. FLUSHALL in Redis removes the schedulers; set() counts
// them and restores them.
import { Queue as BullQueue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../telemetry/logger.ts'
import { parseRedisAddress, type RedisAddress } from './redis-address.ts'
import { connectionOptions, reconnectMs } from './redis-connection.ts'
import { redisErrorText, redisUnavailable } from './redis-errors.ts'
import type { OnFire, ScheduleTimer, TimerEntry } from './schedule-timer.ts'
import { checkLane } from './task-shape.ts'

export interface BullMqScheduleTimerOptions {
  /** `redis://` or `rediss://`, see redis-address.ts. */
  readonly url: string
  /** First part of every key, including a Redis Cluster hash tag: `{skein}`. */
  readonly prefix: string
  /** A different lane for each job master that shares the Redis server. */
  readonly lane: string
  readonly logger: Logger
  readonly clock: Clock
}

const commandTimeoutMs = 10_000
const settleMs = 2000
const firstConnectMs = 3000
const connectPollMs = 20

/** @throws SkeinError invalid_argument when the URL or the lane is malformed */
export function createBullMqScheduleTimer(options: BullMqScheduleTimerOptions, onFire: OnFire): ScheduleTimer {
  return new BullMqScheduleTimer(options, onFire)
}

class BullMqScheduleTimer implements ScheduleTimer {
  readonly #address: RedisAddress
  readonly #clock: Clock
  readonly #clients: Redis[] = []
  readonly #producer: Redis
  readonly #queue: BullQueue
  readonly #worker: Worker
  #entries = new Map<string, TimerEntry>()
  /** The entries in Redis, as far as known. */
  #known = ''
  #lastError: string | undefined
  #closed = false

  constructor({ url, prefix, lane, logger, clock }: BullMqScheduleTimerOptions, onFire: OnFire) {
    checkLane(lane)
    this.#address = parseRedisAddress(url)
    this.#clock = clock
    const settings = {
      repeatStrategy: (afterMs: number, _repeat: unknown, name?: string) =>
        this.#entries.get(name ?? '')?.nextMs(afterMs),
    }
    const shared = { prefix: `${prefix}:schedule`, skipVersionCheck: true, settings }
    this.#producer = this.#client({
      enableOfflineQueue: false,
      maxRetriesPerRequest: 1,
      commandTimeout: commandTimeoutMs,
    })
    this.#queue = new BullQueue(lane, {
      ...shared,
      connection: this.#producer,
      skipWaitingForReady: true,
      skipMetasUpdate: true,
    })
    this.#queue.on('error', (error) => this.#note(error))
    this.#worker = new Worker(lane, async (job) => onFire(job.name), {
      ...shared,
      connection: this.#client({ maxRetriesPerRequest: null }),
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    })
    this.#worker.on('error', (error) => this.#note(error))
    this.#worker.on('ready', () => {
      if (this.#lastError !== undefined) logger.info('Redis triggers schedules again', { address: this.#address.shown })
      this.#lastError = undefined
    })
  }

  async set(entries: readonly TimerEntry[]): Promise<void> {
    this.#entries = new Map(entries.map((entry) => [entry.name, entry]))
    const wanted = JSON.stringify(entries.map(({ name, cron, timezone }) => [name, cron, timezone]))
    try {
      await this.#firstConnection()
      if (wanted === this.#known && (await this.#queue.getJobSchedulersCount()) === entries.length) return
      const there = await this.#queue.getJobSchedulers()
      for (const { key } of there) if (!this.#entries.has(key)) await this.#queue.removeJobScheduler(key)
      for (const { name, cron, timezone } of entries)
        await this.#queue.upsertJobScheduler(
          name,
          { pattern: cron, tz: timezone },
          { name, opts: { removeOnComplete: true, removeOnFail: true } },
        )
      this.#known = wanted
    } catch (thrown) {
      this.#known = ''
      throw redisUnavailable(thrown, this.#address.shown, this.#lastError)
    }
  }

  /** Waits for a connection that was never tried. One that is down fails at once. */
  async #firstConnection(): Promise<void> {
    const over = new AbortController()
    const stop = this.#clock.schedule(firstConnectMs, () => over.abort())
    try {
      while (this.#producer.status !== 'ready' && this.#lastError === undefined && !over.signal.aborted)
        await this.#clock.sleep(connectPollMs, over.signal).catch(() => undefined)
    } finally {
      stop()
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const done = new AbortController()
    // BullMQ waits forever for a connection that is down. Nothing is lost by not waiting.
    const closed = Promise.all([this.#worker.close(true), this.#queue.close()]).then(
      () => done.abort(),
      () => done.abort(),
    )
    await Promise.race([closed, this.#clock.sleep(settleMs, done.signal).catch(() => undefined)])
    for (const client of this.#clients) client.disconnect()
  }

  #client(options: {
    readonly enableOfflineQueue?: boolean
    readonly maxRetriesPerRequest: number | null
    readonly commandTimeout?: number
  }): Redis {
    const retryStrategy = (attempt: number): number | null => (this.#closed ? null : reconnectMs(attempt))
    return this.#own(
      new Redis(this.#address.port, this.#address.host, {
        ...connectionOptions(this.#address),
        ...options,
        retryStrategy,
      }),
    )
  }

  /** Registers a connection and the copies that BullMQ makes of it. */
  #own(client: Redis): Redis {
    const duplicate = client.duplicate.bind(client)
    client.duplicate = (override) => this.#own(duplicate(override))
    client.on('error', (error: unknown) => this.#note(error))
    this.#clients.push(client)
    return client
  }

  /** Only set() reports the error: without Redis, the job master checks the schedules itself. */
  #note(thrown: unknown): void {
    this.#lastError = redisErrorText(thrown)
  }
}
