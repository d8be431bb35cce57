// Why: Redis carries tasks between processes. How: one BullMQ queue per lane, all under one hash
// tag. Producers share a connection that fails fast (no offline queue, one retry), so that the job
// master notices an outage. Each consumer has two connections that wait forever (its own and
// BullMQ's blocking one). BullMQ's stall limit is raised from 1, because a paused worker does not
// mean that the task is faulty. A task that throws is completed instead of failed, because the job
// master decides on retries and the task's id must become free. QueueEvents are not used:
// completions do not come from Redis. Only this file and bullmq-schedule-timer.ts import bullmq or
// ioredis.
import { Queue as BullQueue, type Job, WaitingError, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { type Clock, systemClock, untilAborted } from '../base/clock.ts'
import { SkeinError } from '../base/errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Consumer, ConsumerOptions, Queue, Task } from './queue.ts'
import { parseRedisAddress, type RedisAddress } from './redis-address.ts'
import { connectionOptions, reconnectMs } from './redis-connection.ts'
import { redisUnavailable } from './redis-errors.ts'
import { RedisLink } from './redis-link.ts'
import { RunningTasks } from './running-tasks.ts'
import { checkLane, parseTask } from './task-shape.ts'

export interface BullMqQueueOptions {
  /** `redis://` or `rediss://`, see redis-address.ts. */
  readonly url: string
  /** First part of every key, including a Redis Cluster hash tag: `{skein}`. */
  readonly prefix: string
  readonly logger: Logger
  /** Default: the system clock. */
  readonly clock?: Clock
  /**
   * How long a task stays with a consumer that sends no sign of life; default 30 s. A task whose
   * delivery was lost (Redis was killed meanwhile) is queued again after this time and up to two
   * stall checks of at most 5 s.
   */
  readonly lockMs?: number
}

const addBulkMax = 1000
const removesAtOnce = 100
const lockMsDefault = 30_000
const stalledIntervalMsMax = 5000
const stallsMax = 10
/** A safety net: the consumer removes failed jobs when it sees them fail. */
const removeOnFail = { count: 1000, age: 3600 }
const firstConnectMs = 3000
const commandTimeoutMs = 10_000
const settleMs = 5000

/**
 * A queue on Redis. Connects in the background, and reconnects after each loss. Use ping() to
 * check.
 * @throws SkeinError invalid_argument when the URL is malformed
 */
export function createBullMqQueue(options: BullMqQueueOptions): Queue {
  return new BullMqQueue(options)
}

class BullMqQueue implements Queue {
  readonly #address: RedisAddress
  readonly #prefix: string
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #lockMs: number
  readonly #client: Redis
  readonly #queues = new Map<string, BullQueue>()
  readonly #consumers = new Set<BullMqConsumer>()
  /** Lanes that are not paused, as far as this process knows. */
  readonly #resumed = new Set<string>()
  readonly #link: RedisLink

  constructor(options: BullMqQueueOptions) {
    this.#address = parseRedisAddress(options.url)
    this.#prefix = `${options.prefix}:load`
    this.#logger = options.logger
    this.#clock = options.clock ?? systemClock
    this.#lockMs = options.lockMs ?? lockMsDefault
    this.#client = new Redis(this.#address.port, this.#address.host, {
      ...connectionOptions(this.#address),
      enableOfflineQueue: false,
      maxRetriesPerRequest: 1,
      commandTimeout: commandTimeoutMs,
      retryStrategy: reconnectMs,
    })
    this.#link = new RedisLink(this.#client, this.#address.shown, this.#logger, () => void this.#checkServer())
  }

  async add(lane: string, tasks: readonly Task[]): Promise<void> {
    const jobs = tasks
      .map(parseTask)
      .map((task) => ({ name: 'task', data: task, opts: { jobId: task.id, priority: task.priority } }))
    await this.#run(lane, async (queue) => {
      await this.#resumeOnce(lane, queue)
      for (let from = 0; from < jobs.length; from += addBulkMax)
        await queue.addBulk(jobs.slice(from, from + addBulkMax))
    })
  }

  take(lane: string, run: (task: Task, signal: AbortSignal) => Promise<void>, options: ConsumerOptions): Consumer {
    this.#link.refuseUnlessOpen()
    checkLane(lane)
    const consumer = new BullMqConsumer({
      lane,
      prefix: this.#prefix,
      address: this.#address,
      tasks: new RunningTasks(run, options),
      concurrency: options.concurrency,
      lockMs: this.#lockMs,
      clock: this.#clock,
    })
    this.#consumers.add(consumer)
    return {
      resize: (concurrency) => consumer.resize(concurrency),
      close: async (graceMs) => {
        await consumer.close(graceMs)
        this.#consumers.delete(consumer)
      },
    }
  }

  depth(lane: string): Promise<{ waiting: number; running: number }> {
    return this.#run(lane, async (queue) => {
      const { active = 0, ...waiting } = await queue.getJobCounts('waiting', 'prioritized', 'delayed', 'active')
      return { waiting: Object.values(waiting).reduce((sum, count) => sum + count, 0), running: active }
    })
  }

  async remove(lane: string, ids: readonly string[]): Promise<void> {
    await this.#run(lane, async (queue) => {
      for (let from = 0; from < ids.length; from += removesAtOnce) {
        await Promise.all(ids.slice(from, from + removesAtOnce).map((id) => queue.remove(id)))
      }
    })
  }

  async drop(lane: string): Promise<void> {
    await this.#run(lane, async (queue) => {
      this.#resumed.delete(lane)
      try {
        await queue.obliterate({ force: true })
      } catch (thrown) {
        // drop() pauses the queue first. A queue that stays paused would never hand out a task.
        await queue.resume().catch(() => undefined)
        throw thrown
      }
    })
  }

  /** Resumes a lane once. A process that died while it dropped the lane may have left it paused. */
  async #resumeOnce(lane: string, queue: BullQueue): Promise<void> {
    if (this.#resumed.has(lane)) return
    await queue.resume()
    this.#resumed.add(lane)
  }

  async ping(signal: AbortSignal): Promise<void> {
    this.#link.refuseUnlessOpen()
    await this.#link.connected(signal)
    await untilAborted(this.#client.ping(), signal).catch((thrown: unknown) => {
      throw this.#link.unavailable(thrown)
    })
  }

  async warnings(): Promise<readonly string[]> {
    if (this.#link.isClosed || this.#client.status !== 'ready') return []
    try {
      const policy = /^maxmemory_policy:(\S+)/m.exec(await this.#client.info('memory'))?.[1]
      if (policy === undefined || policy === 'noeviction') return []
      return [`Redis at ${this.#address.shown} may evict tasks: set its maxmemory-policy to noeviction (now ${policy})`]
    } catch {
      // The connection was lost again, or INFO is not allowed. The next check tries again.
      return []
    }
  }

  async close(): Promise<void> {
    if (this.#link.isClosed) return
    this.#link.close()
    await Promise.all([...this.#consumers].map((consumer) => consumer.close(0)))
    await Promise.all([...this.#queues.values()].map((queue) => queue.close().catch(() => undefined)))
    this.#client.disconnect()
  }

  async #run<T>(lane: string, operation: (queue: BullQueue) => Promise<T>): Promise<T> {
    this.#link.refuseUnlessOpen()
    checkLane(lane)
    if (this.#client.status !== 'ready') {
      // Wait only for a connection that was never tried. One that is down fails at once.
      if (this.#link.lastError !== undefined) throw this.#link.unavailable(new Error(this.#link.lastError))
      const limit = new AbortController()
      const cancel = this.#clock.schedule(firstConnectMs, () => limit.abort())
      await this.#link.connected(limit.signal).finally(cancel)
    }
    try {
      return await operation(this.#queue(lane))
    } catch (thrown) {
      throw this.#link.unavailable(thrown)
    }
  }

  #queue(lane: string): BullQueue {
    const known = this.#queues.get(lane)
    if (known !== undefined) return known
    const queue = new BullQueue(lane, {
      connection: this.#client,
      prefix: this.#prefix,
      // Without these two, a queue that is created while Redis is down would wait for it, or fail
      // forever.
      skipWaitingForReady: true,
      skipVersionCheck: true,
      skipMetasUpdate: true,
      defaultJobOptions: { removeOnComplete: true, removeOnFail, attempts: 1 },
    })
    queue.on('error', () => undefined)
    this.#queues.set(lane, queue)
    return queue
  }

  async #checkServer(): Promise<void> {
    for (const warning of await this.warnings()) this.#logger.warn(warning)
  }
}

interface ConsumerParts {
  readonly lane: string
  readonly prefix: string
  readonly address: RedisAddress
  readonly tasks: RunningTasks
  readonly concurrency: number
  readonly lockMs: number
  readonly clock: Clock
}

/** Modes: running -> closing (accepts no new tasks, see close) -> closed. */
class BullMqConsumer {
  readonly #address: RedisAddress
  readonly #tasks: RunningTasks
  readonly #clock: Clock
  /** Our connection, and the blocking copy that BullMQ makes of it. */
  readonly #clients: Redis[] = []
  readonly #worker: Worker
  #closing: Promise<void> | undefined
  /** Do not reconnect any more. */
  #ending = false

  constructor({ lane, prefix, address, tasks, concurrency, lockMs, clock }: ConsumerParts) {
    this.#address = address
    this.#tasks = tasks
    this.#clock = clock
    const connection = new Redis(address.port, address.host, {
      ...connectionOptions(address),
      maxRetriesPerRequest: null,
      retryStrategy: (attempt: number) => (this.#ending ? null : reconnectMs(attempt)),
    })
    this.#own(connection)
    this.#worker = new Worker(lane, (job: Job<unknown>, token?: string) => this.#process(job, token), {
      connection,
      prefix,
      concurrency,
      skipVersionCheck: true,
      lockDuration: lockMs,
      stalledInterval: Math.min(lockMs, stalledIntervalMsMax),
      maxStalledCount: stallsMax,
      removeOnFail,
    })
    this.#worker.on('error', (error) => this.#report(error))
    this.#worker.on('failed', (job, error) => {
      this.#report(error)
      // The task stalled too often. Remove it, so that its id is free; the job master decides on a
      // retry.
      job?.remove().catch((thrown: unknown) => this.#report(thrown))
    })
  }

  resize(concurrency: number): void {
    this.#worker.concurrency = concurrency
  }

  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#drain(graceMs)
    return this.#closing
  }

  async #process(job: Job<unknown>, token: string | undefined): Promise<void> {
    if (this.#closing !== undefined) {
      await job.moveToWait(token)
      throw new WaitingError()
    }
    let task: Task
    try {
      task = parseTask(job.data)
      if (task.id !== job.id)
        throw new SkeinError('invalid_argument', `task '${task.id}' was queued under another id`, {
          reason: 'invalid_task',
        })
    } catch (thrown) {
      this.#tasks.report(thrown)
      return
    }
    await this.#tasks.run(task)
  }

  async #drain(graceMs: number): Promise<void> {
    await this.#worker.pause(true)
    const cancelAbort = this.#clock.schedule(graceMs, () => this.#tasks.abortAll())
    await this.#tasks.idle()
    cancelAbort()
    // BullMQ waits forever for a connection that is down. Let each connection become ready or ended
    // before it is closed.
    this.#ending = true
    await this.#within(settleMs, Promise.all(this.#clients.map(atRest)))
    const closed = this.#worker.close()
    await this.#within(settleMs, closed)
    for (const client of this.#clients) client.disconnect()
    await this.#within(settleMs, closed)
  }

  async #within(limitMs: number, work: Promise<unknown>): Promise<void> {
    const done = new AbortController()
    const settled = work.then(
      () => done.abort(),
      () => done.abort(),
    )
    await Promise.race([settled, this.#clock.sleep(limitMs, done.signal).catch(() => undefined)])
  }

  #own(client: Redis): void {
    const duplicate = client.duplicate.bind(client)
    client.duplicate = (override) => {
      const copy = duplicate(override)
      this.#own(copy)
      return copy
    }
    // The worker reports its errors. A client without a listener would print them.
    client.on('error', () => undefined)
    this.#clients.push(client)
  }

  #report(thrown: unknown): void {
    if (this.#ending) return
    this.#tasks.report(redisUnavailable(thrown, this.#address.shown, undefined))
  }
}

function atRest(client: Redis): Promise<void> {
  return new Promise((resolve) => {
    if (client.status === 'ready' || client.status === 'end') resolve()
    client.once('ready', () => resolve())
    client.once('end', () => resolve())
  })
}
