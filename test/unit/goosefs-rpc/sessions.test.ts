import { status } from '@grpc/grpc-js'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { MetricsMasterClientServiceDefinition as Metrics } from '../../../src/goosefs-rpc/generated/goosefs/metrics.ts'
import * as versions from '../../../src/goosefs-rpc/generated/goosefs/version.ts'
import { SaslAuthenticationServiceDefinition as Sasl } from '../../../src/goosefs-rpc/generated/goosefs/sasl.ts'
import { metricsService } from '../../../src/goosefs-rpc/master/metrics-service.ts'
import { versionService } from '../../../src/goosefs-rpc/master/version-service.ts'
import { nativeService } from '../../../src/goosefs-rpc/native-service.ts'
import { type AuthenticationType, ChannelSessions } from '../../../src/goosefs-rpc/session/channel-sessions.ts'
import { saslService } from '../../../src/goosefs-rpc/session/sasl-service.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { startServer } from '../../../src/wire/rpc/server.ts'
import { NativeClient } from '../../support/native-client.ts'
import { until } from '../../support/until.ts'

const Versions = versions.ServiceVersionClientServiceDefinition
const cleanups: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

async function serve(type: AuthenticationType): Promise<{ client: () => NativeClient; users: (string | undefined)[] }> {
  const sessions = new ChannelSessions({ type, clock: systemClock, channelsMax: 3 })
  const parts = { sessions, logger: silentLogger }
  const users: (string | undefined)[] = []
  const clear = nativeService(
    Metrics,
    {
      metricsHeartbeat: async (_request, { user }) => {
        users.push(user)
        return {}
      },
    },
    parts,
  )
  const server = await startServer({
    ...{ what: 'master', host: '127.0.0.1', port: 0, services: [], logger: silentLogger, clock: systemClock },
    streams: [saslService(sessions, parts), versionService(parts), clear],
  })
  cleanups.push(() => server.close(0))
  const client = (): NativeClient => {
    const made = new NativeClient(server.address)
    cleanups.push(() => made.close())
    return made
  }
  return { client, users }
}

const heartbeat = { options: { clientMetrics: [] } }

describe('sessions of channels', () => {
  it('a call has the name that its channel gave', async () => {
    const { client, users } = await serve('SIMPLE')
    const [anna, ben] = [client(), client()]
    await anna.login('anna')
    await ben.login('ben')
    await anna.call(Metrics, 'metricsHeartbeat', heartbeat)
    await ben.call(Metrics, 'metricsHeartbeat', heartbeat)
    expect(users).toEqual(['anna', 'ben'])
  })

  it.each(['SIMPLE', 'NOSASL'] as const)('with %s, a channel that has ended is refused', async (type) => {
    const { client } = await serve(type)
    const anna = client()
    await anna.login('anna')
    anna.logout()
    await until(
      () =>
        anna.call(Metrics, 'metricsHeartbeat', heartbeat).then(
          () => false,
          ({ code }: { code: number }) => code === (status.UNAUTHENTICATED as number),
        ),
      (isRefused) => isRefused,
    )
    await anna.login('anna')
    await anna.call(Metrics, 'metricsHeartbeat', heartbeat)
  })

  it('without a session: refused with SIMPLE, nobody with NOSASL', async () => {
    const strict = await serve('SIMPLE')
    await expect(strict.client().call(Metrics, 'metricsHeartbeat', heartbeat)).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
    })
    const open = await serve('NOSASL')
    await open.client().call(Metrics, 'metricsHeartbeat', heartbeat)
    await open.client().call(Metrics, 'metricsHeartbeat', heartbeat, {})
    expect(open.users).toEqual([undefined, undefined])
  })

  it('nobody takes over the channel of another', async () => {
    const { client, users } = await serve('SIMPLE')
    const [anna, eve] = [client(), client()]
    await anna.login('anna')
    await expect(eve.login('eve', anna.channelId)).rejects.toMatchObject({ code: status.UNAUTHENTICATED })
    await anna.call(Metrics, 'metricsHeartbeat', heartbeat)
    expect(users).toEqual(['anna'])
  })

  it('as many channels as are allowed, and one again when one has ended', async () => {
    const { client } = await serve('SIMPLE')
    const three = [client(), client(), client()]
    for (const [index, one] of three.entries()) await one.login(`user${index}`)
    await expect(client().login('more')).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED })
    three[0]?.logout()
    await until(
      () =>
        client()
          .login('more')
          .then(
            () => true,
            () => false,
          ),
      (isIn) => isIn,
    )
  })

  it.each([
    ['no name', { message: Buffer.from('\0\0x') }],
    ['control characters', { message: Buffer.from('\0a\nb\0x') }],
    ['a long name', { message: Buffer.from(`\0${'a'.repeat(300)}\0x`) }],
    ['no message', {}],
    ['another scheme', { message: Buffer.from('\0a\0x'), authenticationScheme: 3 }],
    ['no scheme', { message: Buffer.from('\0a\0x'), authenticationScheme: undefined }],
  ])('refuses %s', async (_name, given) => {
    const { client } = await serve('SIMPLE')
    const stream = client().open(Sasl, 'authenticate', {})
    stream.send({ messageType: 0, clientId: 'c', authenticationScheme: 1, ...given })
    await expect(stream.next()).rejects.toMatchObject({ code: status.UNAUTHENTICATED })
  })

  it('refuses a second message, and the channel has ended', async () => {
    const { client } = await serve('SIMPLE')
    const anna = client()
    const stream = anna.open(Sasl, 'authenticate', {})
    const first = {
      messageType: 0,
      message: Buffer.from('\0anna\0x'),
      clientId: anna.channelId,
      authenticationScheme: 1,
    }
    stream.send(first)
    expect(await stream.next()).toMatchObject({ messageType: 1 })
    stream.send(first)
    await expect(stream.next()).rejects.toMatchObject({ code: status.INVALID_ARGUMENT })
    await expect(anna.call(Metrics, 'metricsHeartbeat', heartbeat)).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
    })
  })
})

describe('services of a master', () => {
  it('tells its version without a session', async () => {
    const { client } = await serve('SIMPLE')
    expect(await client().call(Versions, 'getServiceVersion', { serviceType: 7 }, {})).toMatchObject({ version: 2n })
  })

  it('what is not there is not implemented, with its name', async () => {
    const { client } = await serve('NOSASL')
    await expect(client().call(Metrics, 'clearMetrics', {})).rejects.toMatchObject({
      code: status.UNIMPLEMENTED,
      details: expect.stringContaining('ClearMetrics') as string,
    })
  })

  it('takes what clients report', async () => {
    const parts = { sessions: undefined, logger: silentLogger }
    const server = await startServer({
      ...{ what: 'master', host: '127.0.0.1', port: 0, services: [], logger: silentLogger, clock: systemClock },
      streams: [metricsService(parts)],
    })
    cleanups.push(() => server.close(0))
    const client = new NativeClient(server.address)
    cleanups.push(() => client.close())
    expect(await client.call(Metrics, 'metricsHeartbeat', heartbeat)).toEqual({})
  })

  it('refuses a request that is none', async () => {
    const { client } = await serve('NOSASL')
    const stream = client().open(Metrics, 'metricsHeartbeat')
    stream.sendBytes(Buffer.from([0x0a, 0xff]))
    await expect(stream.next()).rejects.toMatchObject({ code: status.INVALID_ARGUMENT })
    const empty = client().open(Metrics, 'metricsHeartbeat')
    empty.end()
    await expect(empty.next()).rejects.toMatchObject({ code: status.INVALID_ARGUMENT })
  })
})
