// Why: the queue URL is typed by people and may hold a password.
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { openQueue } from '../../../src/queue/open.ts'
import { parseRedisAddress } from '../../../src/queue/redis-address.ts'
import { redisErrorText, redisUnavailable } from '../../../src/queue/redis-errors.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'

describe('the queue URL', () => {
  test.each([
    '',
    'redis',
    'http://h:1',
    'redis://',
    'redis://h:99999',
    'redis://h/notanumber',
    'inprocess',
    'rediss://u:s3cret@h/x',
  ])('%j is refused without being repeated', async (url) => {
    const error: unknown = await openQueue(url, { logger: silentLogger }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'invalid_argument' })
    expect(inspect(error)).not.toContain('s3cret')
  })

  test('inprocess: needs no server', async () => {
    const queue = await openQueue('inprocess:', { logger: silentLogger })
    await queue.ping(AbortSignal.timeout(1000))
    await queue.close()
  })

  test('parts are decoded, defaults filled in, and the password hides itself', () => {
    const address = parseRedisAddress('rediss://us%40er:p%3Aw%2F@[::1]/3')
    expect(address).toMatchObject({
      host: '::1',
      port: 6379,
      database: 3,
      tls: true,
      username: 'us@er',
      shown: 'rediss://[::1]:6379/3',
    })
    expect(address.password?.reveal()).toBe('p:w/')
    expect(inspect(address)).not.toContain('p:w/')
    expect(parseRedisAddress('redis://host:7000')).toMatchObject({
      port: 7000,
      database: 0,
      tls: false,
      password: undefined,
    })
  })
})

describe('errors of the client', () => {
  test('become one line with the address and never carry the command', () => {
    const thrown = Object.assign(new Error('WRONGPASS invalid\nsecond line'), {
      command: { name: 'auth', args: ['hunter2'] },
    })
    const error = redisUnavailable(thrown, 'redis://h:1/0', undefined)
    expect(error.message).toBe(
      'Redis at redis://h:1/0 cannot be used (WRONGPASS invalid): check the user and password in the queue URL',
    )
    expect(inspect(error)).not.toContain('hunter2')
  })

  test('of several addresses show the first', () => {
    expect(redisErrorText(new AggregateError([new Error('connect ECONNREFUSED ::1:1')], ''))).toBe(
      'connect ECONNREFUSED ::1:1',
    )
  })

  test('that only say "no connection" give way to why there is none', () => {
    const error = redisUnavailable(
      new Error("Stream isn't writeable and enableOfflineQueue options is false"),
      'redis://h:1/0',
      'connect ECONNREFUSED',
    )
    expect(error.message).toContain('(connect ECONNREFUSED)')
  })
})
