// Why: BullMqQueue passes the suite of every Queue, on a real Redis that is flushed between the
// tests.
import { afterAll, beforeAll, describe } from 'vitest'
import { createBullMqQueue } from '../../src/queue/bullmq-queue.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { queueConformance } from '../conformance/support/queue.ts'
import { redisAvailable, type RedisServer, startRedis } from '../support/redis.ts'

describe.skipIf(!redisAvailable)('with a real Redis', () => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.dispose())

  queueConformance('BullMqQueue', async () => ({
    queue: createBullMqQueue({ url: redis.url, prefix: '{skein}', logger: silentLogger }),
    dispose: async () => void (await redis.command('FLUSHALL')),
  }))
})
