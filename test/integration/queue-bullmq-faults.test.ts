// Why: Redis is flushed, killed, frozen, full, or not there; the queue must say so in one line,
// never crash, and go on by itself.
import { afterEach, describe, expect, onTestFinished, test } from 'vitest'
import { createBullMqQueue } from '../../src/queue/bullmq-queue.ts'
import type { Queue, Task } from '../../src/queue/queue.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { gate, taskOf, until } from '../conformance/support/queue.ts'
import { redisAvailable, type RedisServer, startRedis } from '../support/redis.ts'

describe.skipIf(!redisAvailable)('BullMqQueue when Redis misbehaves', () => {
  const lines: string[] = []
  const logger = createLogger(
    'debug',
    (line) => lines.push(line),
    () => 0,
  )
  afterEach(() => lines.splice(0))

  async function started(options?: Parameters<typeof startRedis>[0]): Promise<RedisServer> {
    const redis = await startRedis(options)
    onTestFinished(() => redis.dispose())
    return redis
  }

  function queueAt(url: string): Queue {
    const queue = createBullMqQueue({ url, prefix: '{skein}', logger, lockMs: 2000 })
    onTestFinished(() => queue.close())
    return queue
  }

  test('FLUSHALL under a running consumer: reported, and the same ids can be added and run again', async () => {
    const redis = await started()
    const queue = queueAt(redis.url)
    const { opened, open } = gate()
    const runs: string[] = []
    const errors: unknown[] = []
    const run = async (task: Task): Promise<void> => {
      runs.push(task.id)
      if (runs.length <= 2) await opened
    }
    queue.take('w1', run, { concurrency: 2, onError: (error) => errors.push(error) })
    const tasks = Array.from({ length: 10 }, (_, i) => taskOf(i))
    await queue.add('w1', tasks)
    await until(() => runs.length === 2, 'two run')
    await redis.command('FLUSHALL')
    expect(await queue.depth('w1')).toEqual({ waiting: 0, running: 0 })
    open()
    await until(() => errors.length > 0, 'the vanished jobs are reported')
    await queue.add('w1', tasks)
    await until(() => new Set(runs).size === 10, 'all ran')
    await until(async () => (await queue.depth('w1')).running === 0, 'the lane is empty')
    await queue.add('w1', tasks)
    await until(() => runs.length >= 22, 'and once more')
    expect(errors.every((error) => error instanceof Error && !error.message.includes('\n'))).toBe(true)
  })

  test('killed and started again in the middle of consuming: waits, fails fast meanwhile, goes on', async () => {
    const redis = await started({ extra: ['--appendfsync', 'always'] })
    const queue = queueAt(redis.url)
    const runs = new Set<string>()
    const run = async (task: Task): Promise<void> => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      runs.add(task.id)
    }
    queue.take('w1', run, { concurrency: 4, onError: () => undefined })
    await queue.add(
      'w1',
      Array.from({ length: 400 }, (_, i) => taskOf(i)),
    )
    await until(() => runs.size > 50, 'some ran')
    await redis.kill()
    await until(
      async () => (await queue.add('w1', [taskOf(1000)]).catch((error: unknown) => error)) !== undefined,
      'the loss is noticed',
    )
    const before = Date.now()
    await expect(queue.add('w1', [taskOf(1001)])).rejects.toMatchObject({
      code: 'unavailable',
      retryable: true,
      message: expect.stringContaining(redis.url),
    })
    expect(Date.now() - before).toBeLessThan(5000)
    await redis.start()
    await until(
      () =>
        queue.add('w1', [taskOf(1001)]).then(
          () => true,
          () => false,
        ),
      'adding works again',
    )
    await until(() => runs.has('L1-s1001-a1') && runs.size >= 401, 'everything ran')
    await until(async () => (await queue.depth('w1')).waiting === 0, 'nothing waits')
    expect(lines.join('')).toContain('Redis does not respond')
    expect(lines.join('')).toContain('Redis responds again')
  })

  test('not there at start: a ping says so in one line; once it is there, consumer and producer work', async () => {
    const redis = await started()
    await redis.stop()
    const queue = queueAt(redis.url)
    const runs: string[] = []
    queue.take('w1', async (task) => void runs.push(task.id), { concurrency: 1, onError: () => undefined })
    await expect(queue.ping(AbortSignal.timeout(5000))).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(
        /^Redis at redis:\/\/127\.0\.0\.1:\d+\/0 cannot be used \(.*ECONNREFUSED.*\): is it running\?$/,
      ),
    })
    await expect(queue.add('w1', [taskOf(1)])).rejects.toMatchObject({ code: 'unavailable' })
    await redis.start()
    await until(
      () =>
        queue.ping(AbortSignal.timeout(1000)).then(
          () => true,
          () => false,
        ),
      'ping works',
    )
    await queue.add('w1', [taskOf(1)])
    await until(() => runs.length === 1, 'it ran')
  })

  test.each([
    ['up', async () => undefined],
    ['gone', (redis: RedisServer) => redis.kill()],
    ['frozen', async (redis: RedisServer) => redis.freeze()],
  ] as const)('a consumer closes while Redis is %s', async (_state, fault) => {
    const redis = await started()
    const queue = queueAt(redis.url)
    let running = 0
    const run = (_task: Task, signal: AbortSignal): Promise<void> =>
      new Promise((resolve) => {
        running += 1
        signal.addEventListener('abort', () => resolve())
      })
    const consumer = queue.take('w1', run, { concurrency: 1, onError: () => undefined })
    await queue.add('w1', [taskOf(1), taskOf(2)])
    await until(() => running === 1, 'one runs')
    await fault(redis)
    await consumer.close(50)
    expect(running).toBe(1)
    await queue.close()
    redis.thaw()
  })

  test('closes although Redis never was there', async () => {
    const queue = queueAt('redis://127.0.0.1:1')
    const consumer = queue.take('w1', async () => undefined, { concurrency: 1, onError: () => undefined })
    await consumer.close(0)
    await queue.close()
  })

  test('a password works, and a wrong one is named as such without being shown', async () => {
    const redis = await started({ password: 'right-pa55' })
    const right = queueAt(`redis://default:right-pa55@127.0.0.1:${redis.port}`)
    await right.ping(AbortSignal.timeout(5000))
    await right.add('w1', [taskOf(1)])
    const wrong = queueAt(`redis://default:wrong-pa55@127.0.0.1:${redis.port}`)
    const error: unknown = await wrong.ping(AbortSignal.timeout(5000)).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/WRONGPASS.*check the user and password/),
    })
    const reported: unknown[] = []
    wrong.take('w1', async () => undefined, { concurrency: 1, onError: (each) => reported.push(each) })
    await until(() => reported.length > 0, 'the consumer reports it')
    const { inspect } = await import('node:util')
    expect(`${inspect(error, { depth: 9 })}${inspect(reported, { depth: 9 })}${lines.join('')}`).not.toMatch(/pa55/)
  })

  test('out of memory: adding fails as unavailable; the same call succeeds when there is room', async () => {
    const redis = await started()
    const queue = queueAt(redis.url)
    await queue.ping(AbortSignal.timeout(5000))
    await redis.command('CONFIG', 'SET', 'maxmemory', '1')
    await expect(
      queue.add(
        'w1',
        Array.from({ length: 3000 }, (_, i) => taskOf(i)),
      ),
    ).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('more memory') })
    await redis.command('CONFIG', 'SET', 'maxmemory', '0')
    await queue.add(
      'w1',
      Array.from({ length: 3000 }, (_, i) => taskOf(i)),
    )
    expect(await queue.depth('w1')).toEqual({ waiting: 3000, running: 0 })
  })

  test('an eviction policy that throws tasks away is warned about', async () => {
    const redis = await started({ extra: ['--maxmemory-policy', 'allkeys-lru'] })
    const queue = queueAt(redis.url)
    expect(await queue.warnings()).toEqual([])
    await queue.ping(AbortSignal.timeout(5000))
    await until(() => lines.some((line) => line.includes('noeviction') && line.includes('allkeys-lru')), 'the warning')
    const advice = 'set its maxmemory-policy to noeviction (now allkeys-lru)'
    const warning = `Redis at ${redis.url}/0 may evict tasks: ${advice}`
    expect(await queue.warnings()).toEqual([warning])
    await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    expect(await queue.warnings()).toEqual([])
  })

  test('payloads that are no task are dropped and reported, and do not stop the lane', async () => {
    const redis = await started()
    const queue = queueAt(redis.url)
    const { Queue: BullQueue } = await import('bullmq')
    const { Redis } = await import('ioredis')
    const client = new Redis(redis.port)
    onTestFinished(() => client.disconnect())
    const stranger = new BullQueue('w1', { connection: client, prefix: '{skein}:load' })
    await stranger.add('task', { id: 'L1-s1-a1', loadId: 'L1', set: 'DROP TABLE' }, { jobId: 'L1-s1-a1' })
    await stranger.add('task', taskOf(2), { jobId: 'L1-s3-a1' })
    const runs: string[] = []
    const errors: unknown[] = []
    queue.take('w1', async (task) => void runs.push(task.id), {
      concurrency: 1,
      onError: (error) => errors.push(error),
    })
    await queue.add('w1', [taskOf(4)])
    await until(() => runs.length === 1, 'the good one ran')
    await until(() => errors.length === 2, 'the bad ones are reported')
    expect(errors).toMatchObject([{ reason: 'invalid_task' }, { reason: 'invalid_task' }])
    expect(await queue.depth('w1')).toEqual({ waiting: 0, running: 0 })
  })

  test('every key lies below the prefix, and a dropped lane leaves none', async () => {
    const redis = await started()
    const queue = queueAt(redis.url)
    await queue.add('w1', [taskOf(1)])
    const keys = await redis.command('KEYS', '*')
    expect(keys.match(/\{skein\}:load:w1/g)?.length).toBe(Number(/^\*(\d+)/.exec(keys)?.[1]))
    await queue.drop('w1')
    expect(await redis.command('KEYS', '*')).toBe('*0\r\n')
  })
})
