// What one request, one connection and one peer may hold of a server, shown by raw sockets that do
// their worst.
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { type DataPlaneHandlers, encodeBlockHeader, encodeFrames } from '../../../src/wire/data/data-plane.ts'
import { blocksContentType } from '../../../src/wire/http/request-origin.ts'
import { startWebServer } from '../../../src/wire/http/web.ts'
import { writeShareBytes } from '../../../src/wire/data/write-turns.ts'
import {
  bytesOf,
  cleanups,
  client,
  header,
  MapWorker,
  put,
  rawClient,
  serve,
  signal,
} from './support/data-plane-fixture.ts'

const mib = 1024 * 1024
const small = (blockId: number, length = 10) => ({ header: header(blockId, length), bytes: bytesOf(length) })

async function send(address: string, ...lines: readonly string[]): Promise<string> {
  const { socket, answer } = await rawClient(address)
  socket.write(lines.join('\r\n'))
  return answer
}

function silent(address: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(address.split(':')[1]), '127.0.0.1', () => resolve(socket))
    socket.on('error', reject)
    cleanups.push(() => void socket.destroy())
  })
}

describe('connections', () => {
  it('that say nothing keep nobody from /healthz', async () => {
    const options = {
      host: '127.0.0.1',
      port: 0,
      clock: systemClock,
      metricsText: () => 'x'.repeat(100_000),
      ready: () => ({ ready: true }),
    }
    const server = await startWebServer(options)
    cleanups.push(() => server.close())
    const get = async (): Promise<number> =>
      (await fetch(`http://${server.address}/healthz`, { headers: { connection: 'close' } })).status
    for (let n = 0; n < 200; n += 1)
      (await silent(server.address)).write(n % 2 === 0 ? '' : 'GET /healthz HTTP/1.1\r\nhost: loc')
    expect(await get()).toBe(200)
    for (let n = 0; n < 100; n += 1) {
      const socket = await silent(server.address)
      socket.pause()
      socket.write('GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n'.repeat(100))
    }
    expect(await get()).toBe(200)
  })

  it('are closed for new ones while they are idle', async () => {
    const worker = new MapWorker()
    const { address } = await serve(worker, { connectionsMax: 8, peerConnectionsMax: 6 })
    const sockets = await Promise.all(Array.from({ length: 20 }, () => silent(address)))
    await put(client(), address, 1, bytesOf(10))
    await expect.poll(() => sockets.filter((socket) => !socket.destroyed).length).toBeLessThanOrEqual(6)
    expect(worker.blocks.has(1)).toBe(true)
  })

  it('are closed for new ones when all have requests that stand still', async () => {
    const worker = new MapWorker()
    const { address } = await serve(worker, { connectionsMax: 4, peerConnectionsMax: 4 })
    for (let blockId = 10; blockId < 14; blockId += 1) {
      const socket = await silent(address)
      socket.write(
        `PUT /v1/blocks/${blockId} HTTP/1.1\r\nhost: localhost\r\n` +
          `x-skein-block: ${encodeBlockHeader(header(blockId, 4))}\r\n`,
      )
      socket.write('content-length: 4\r\n\r\na')
    }
    // All have begun.
    await delay(200)
    await expect
      .poll(
        () =>
          put(client(), address, 1, bytesOf(10)).then(
            () => 'in',
            () => 'refused',
          ),
        { interval: 500 },
      )
      .toBe('in')
  })
})

describe('requests behind each other on one connection', () => {
  it('are answered in turn, and each is begun when the one before has left', async () => {
    const worker = new MapWorker()
    worker.blocks.set(7, bytesOf(100_000))
    const { address } = await serve(worker)
    const { socket, answer } = await rawClient(address)
    for (let n = 0; n < 9; n += 1) socket.write('GET /v1/blocks/7 HTTP/1.1\r\nhost: localhost\r\n\r\n')
    socket.write('GET /v1/blocks/8 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
    const text = await answer
    expect(text.match(/HTTP\/1.1 200/g)).toHaveLength(9)
    expect(text.match(/HTTP\/1.1 404/g)).toHaveLength(1)
  })

  it('hold no memory while nothing is read, and too many end the connection', async () => {
    const worker = new MapWorker()
    // More than the system takes for a connection.
    worker.blocks.set(7, Buffer.alloc(24 * mib))
    let reads = 0
    const counting: DataPlaneHandlers = {
      read: (blockId, offset, length) => {
        reads += 1
        return worker.read(blockId, offset, length)
      },
      receive: (received, body) => worker.receive(received, body),
      receiveSmall: (blocks) => worker.receiveSmall(blocks),
      readStore: worker.readStore,
    }
    const { address } = await serve(counting)
    const few = await silent(address)
    few.pause()
    few.write('GET /v1/blocks/7 HTTP/1.1\r\nhost: localhost\r\n\r\n'.repeat(10))
    await expect.poll(() => reads).toBe(1)
    await delay(300)
    expect(reads).toBe(1)
    const many = await silent(address)
    const closed = new Promise((resolve) => many.once('close', resolve))
    many.write('GET /v1/blocks/7 HTTP/1.1\r\nhost: localhost\r\n\r\n'.repeat(700))
    many.resume()
    await closed
    expect(reads).toBeLessThanOrEqual(3)
  })
})

describe('blocks that are sent here', () => {
  it('hold a bound of memory all together, and one of another writer gets its turn', async () => {
    const worker = new MapWorker()
    let receiving = 0
    let peak = 0
    const counting: DataPlaneHandlers = {
      read: (blockId, offset, length) => worker.read(blockId, offset, length),
      receive: async (received, body) => {
        receiving += 1
        peak = Math.max(peak, receiving)
        await worker.receive(received, body).finally(() => (receiving -= 1))
      },
      receiveSmall: (blocks) => worker.receiveSmall(blocks),
      readStore: worker.readStore,
    }
    const { address } = await serve(counting, { writeBytesMax: 8 * writeShareBytes })
    const buffersBefore = process.memoryUsage().external
    for (let blockId = 100; blockId < 300; blockId += 1) {
      const socket = await silent(address)
      socket.on('error', () => undefined)
      socket.write(
        `PUT /v1/blocks/${blockId} HTTP/1.1\r\nhost: localhost\r\n` +
          `x-skein-block: ${encodeBlockHeader(header(blockId, 64 * mib))}\r\n`,
      )
      socket.write(`content-length: ${64 * mib}\r\n\r\n`)
      socket.write(Buffer.alloc(64 * 1024))
    }
    await expect.poll(() => receiving).toBeGreaterThanOrEqual(8)
    expect(process.memoryUsage().external - buffersBefore).toBeLessThan(128 * mib)
    // The silent ones are cut for it, one window after the other.
    await expect
      .poll(
        () =>
          put(client(), address, 1, bytesOf(10)).then(
            () => 'in',
            () => 'refused',
          ),
        { interval: 500 },
      )
      .toBe('in')
    expect(peak).toBe(8)
  })
})

describe('small blocks', () => {
  it('of one request are counted before anything is made of them', async () => {
    const worker = new MapWorker()
    const { address } = await serve(worker)
    // Empty frames: the checksum of nothing is 0, so zeros are frames.
    const before = process.memoryUsage().heapTotal
    const response = await fetch(`http://${address}/v1/blocks`, {
      method: 'POST',
      headers: { 'content-type': blocksContentType },
      body: new Uint8Array(16 * mib - ((16 * mib) % 12)),
    })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ reason: 'too_many_frames' })
    expect(process.memoryUsage().heapTotal - before).toBeLessThan(64 * mib)
  })

  it('travel while others trickle theirs', async () => {
    const worker = new MapWorker()
    const { address } = await serve(worker)
    for (let n = 0; n < 8; n += 1) {
      const socket = await silent(address)
      socket.write(
        `POST /v1/blocks HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${blocksContentType}\r\n` +
          `content-length: ${16 * mib}\r\n\r\n`,
      )
      const timer = setInterval(() => socket.write('x'), 50)
      cleanups.push(() => clearInterval(timer))
    }
    await delay(100)
    const blocks = Array.from({ length: 20 }, (_, blockId) => small(blockId, 100_000))
    expect(await client().putMany(address, blocks, signal)).toEqual(blocks.map(() => undefined))
  })

  it('get the memory of those who sent a part and then next to nothing', async () => {
    const worker = new MapWorker()
    const { address } = await serve(worker)
    const closed: Promise<unknown>[] = []
    for (let n = 0; n < 4; n += 1) {
      const socket = await silent(address)
      closed.push(new Promise((resolve) => socket.once('close', resolve)))
      socket.write(
        `POST /v1/blocks HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${blocksContentType}\r\n` +
          `content-length: ${16 * mib}\r\n\r\n`,
      )
      socket.write(Buffer.alloc(mib))
      const timer = setInterval(() => socket.write('x'), 50)
      cleanups.push(() => clearInterval(timer))
    }
    await delay(200)
    const blocks = Array.from({ length: 20 }, (_, blockId) => small(blockId, 100_000))
    expect(await client().putMany(address, blocks, signal)).toEqual(blocks.map(() => undefined))
    await Promise.all(closed)
  })
})

describe('a web page', () => {
  const frames = encodeFrames([small(5)])
  const request = (...headers: readonly string[]): string[] => [
    'POST /v1/blocks HTTP/1.1',
    ...headers,
    `content-length: ${frames.length}`,
    'connection: close',
    '',
    frames.toString('latin1'),
  ]
  const type = `content-type: ${blocksContentType}`
  const post = async (address: string, ...headers: readonly string[]): Promise<string> => {
    const { socket, answer } = await rawClient(address)
    socket.write(Buffer.from(request(...headers).join('\r\n'), 'latin1'))
    return (await answer).split('\r\n', 1)[0] ?? ''
  }

  it.each([
    ['an Origin', ['host: 127.0.0.1:9207', 'origin: http://evil.example', type], 403],
    ['the origin null', ['host: 127.0.0.1:9207', 'origin: null', type], 403],
    ['a page of another site', ['host: 127.0.0.1:9207', 'sec-fetch-site: cross-site', type], 403],
    ['a name that points here', ['host: evil.example:9207', type], 403],
    ['the type of a form', ['host: 127.0.0.1:9207', 'content-type: text/plain'], 400],
    ['no type', ['host: 127.0.0.1:9207'], 400],
  ] as const)('cannot write blocks: %s', async (_what, headers, status) => {
    const worker = new MapWorker()
    const { address } = await serve(worker)
    expect(await post(address, ...headers)).toContain(` ${status} `)
    expect(worker.blocks.size).toBe(0)
  })

  it('cannot read blocks under a name of its own, and gets no leave to ask', async () => {
    const worker = new MapWorker()
    worker.blocks.set(7, bytesOf(10))
    const { address } = await serve(worker)
    expect(
      await send(address, 'GET /v1/blocks/7 HTTP/1.1', 'host: evil.example', 'connection: close', '', ''),
    ).toContain(' 403 ')
    const question = [
      'OPTIONS /v1/blocks HTTP/1.1',
      'host: localhost',
      'origin: http://evil.example',
      'connection: close',
      '',
      '',
    ]
    expect(await send(address, ...question)).not.toMatch(/access-control-allow/i)
  })

  it.each(['127.0.0.1:9207', '[::1]:9207', 'localhost', 'LOCALHOST:9207', '10.1.2.3:9207'])(
    'is not meant by a host of our own: %s',
    async (host) => {
      const { address } = await serve(new MapWorker())
      expect(await post(address, `host: ${host}`, type)).toContain(' 200 ')
    },
  )
})
