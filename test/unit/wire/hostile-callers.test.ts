// What callers may hold of a gRPC server, shown by raw sockets that do their worst.
import { connect as connectHttp2, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { openRawChannel, type RawServer, startRawServer } from '../../../src/wire/rpc/grpc.ts'
import type { RpcLimits } from '../../../src/wire/rpc/rpc-sessions.ts'

const mib = 1024 * 1024
const path = '/test.Echo/Echo'
const signal = new AbortController().signal
const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0).toReversed()) cleanup()
})

/** A server that answers with what it was sent. */
async function serve(limits: Partial<RpcLimits> = {}): Promise<RawServer> {
  const server = await startRawServer({
    what: 'test',
    host: '127.0.0.1',
    port: 0,
    services: [[{ name: 'Echo', path, handle: ({ request }) => Promise.resolve(request) }]],
    concurrentStreamsMax: 1000,
    clock: systemClock,
    limits,
  })
  cleanups.push(() => server.destroy())
  return server
}

/** The status of a call, on a connection of its own. */
async function status({ port }: RawServer, bytes = 10): Promise<number> {
  const channel = openRawChannel('127.0.0.1', port)
  try {
    const outcome = await channel.call(path, Buffer.alloc(bytes, 1), Date.now() + 20_000, signal)
    if (outcome.status === 0) expect(outcome.bytes.length).toBe(bytes)
    return outcome.status
  } finally {
    channel.close()
  }
}

function silent({ port }: RawServer): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.on('error', reject)
    cleanups.push(() => void socket.destroy())
  })
}

function session({ port }: RawServer): ClientHttp2Session {
  const made = connectHttp2(`http://127.0.0.1:${port}`)
  made.on('error', () => undefined)
  cleanups.push(() => made.destroy())
  return made
}

function half(made: ClientHttp2Session, headers: Record<string, string> = {}): ClientHttp2Stream {
  const stream = made.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  })
  stream.on('error', () => undefined)
  return stream
}

describe('a gRPC server', () => {
  it('is well with 500 silent connections, and with 500 of which each has begun a call', async () => {
    const server = await serve({ connectionsMax: 300, peerConnectionsMax: 200 })
    const before = process.memoryUsage().rss
    for (let n = 0; n < 500; n += 1) await silent(server)
    expect(await status(server)).toBe(0)
    expect(server.sessions.connections).toBeLessThanOrEqual(200)
    for (let n = 0; n < 500; n += 1) half(session(server)).write(Buffer.alloc(100))
    // They stand still: then their connections are for others.
    await delay(1500)
    await expect.poll(() => status(server), { interval: 500 }).toBe(0)
    expect(server.sessions.connections).toBeLessThanOrEqual(200)
    expect(process.memoryUsage().rss - before).toBeLessThan(400 * mib)
  })

  it('holds a bound of messages that do not end, all together', async () => {
    const server = await serve({ requestBytesMax: 32 * mib })
    const streams = Array.from({ length: 4 }, () => session(server)).flatMap((made) =>
      Array.from({ length: 8 }, () => half(made)),
    )
    // The head of a message of 60 MiB, and the most of what it promises.
    const head = Buffer.from([0, 3, 192, 0, 0])
    const closed = streams.map((stream) => new Promise((resolve) => stream.once('close', resolve)))
    let peak = 0
    const watch = setInterval(() => (peak = Math.max(peak, server.sessions.requestBytes)), 5)
    cleanups.push(() => clearInterval(watch))
    for (const stream of streams) {
      stream.write(head)
      stream.write(Buffer.alloc(4 * mib))
    }
    await Promise.all(closed.slice(0, 1))
    await expect.poll(() => server.sessions.turnedAway).toBeGreaterThanOrEqual(24)
    expect(peak).toBeGreaterThan(8 * mib)
    expect(peak).toBeLessThanOrEqual(32 * mib)
    // A whole message finds its room; those who stand still lose theirs.
    expect(await status(server, 8 * mib)).toBe(0)
  })

  it('has a bound for calls that do not end', async () => {
    const server = await serve({ callsMax: 100 })
    const made = session(server)
    const streams = Array.from({ length: 400 }, () => half(made))
    await expect.poll(() => streams.filter((stream) => !stream.destroyed).length).toBeLessThanOrEqual(100)
    await delay(1100)
    expect(await status(server)).toBe(0)
  })

  it('ends a connection that pings without end, and none that pings now and then', async () => {
    const server = await serve({ pingsPerSecondMax: 50 })
    const calm = session(server)
    const flood = session(server)
    const ended = new Promise((resolve) => flood.once('close', resolve))
    const ping = (on: ClientHttp2Session): Promise<unknown> =>
      new Promise((resolve) => on.ping((error) => resolve(error)))
    await Promise.all([calm, flood].map((made) => new Promise((resolve) => made.once('connect', resolve))))
    for (let n = 0; n < 20; n += 1) expect(await ping(calm)).toBeNull()
    // Several at a time: one after the other, a busy machine answers too few in a second.
    while (!flood.destroyed) await Promise.all(Array.from({ length: 8 }, () => ping(flood)))
    await ended
    expect(calm.destroyed).toBe(false)
    expect(await status(server)).toBe(0)
  })

  it('refuses headers beyond their bound', async () => {
    const server = await serve({ headerBytesMax: 8 * 1024 })
    const made = session(server)
    await new Promise((resolve) => made.once('remoteSettings', resolve))
    const stream = half(made, { 'x-long': 'x'.repeat(20_000) })
    const answered = new Promise((resolve) => {
      stream.once('response', (headers) => resolve(headers[':status'] === 200 ? 'served' : 'refused'))
      stream.once('close', () => resolve('refused'))
    })
    stream.end(Buffer.from([0, 0, 0, 0, 0]))
    expect(await answered).toBe('refused')
    expect(await status(server)).toBe(0)
  })

  it('closes a connection without calls, and one that is old; calls go on over the next', async () => {
    const server = await serve({ idleMs: 300, ageMaxMs: 1000 })
    const channel = openRawChannel('127.0.0.1', server.port)
    cleanups.push(() => channel.close())
    const call = async (): Promise<number> =>
      (await channel.call(path, Buffer.alloc(1), Date.now() + 5000, signal)).status
    expect(await call()).toBe(0)
    await expect.poll(() => server.sessions.connections).toBe(0)
    expect(await call()).toBe(0)
  })

  it('carries large messages both ways within its bounds', async () => {
    expect(await status(await serve(), 40 * mib)).toBe(0)
  })
})
