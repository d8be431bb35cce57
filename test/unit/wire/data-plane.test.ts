// Reads of blocks over a real data port, and the port itself.
import { describe, expect, it } from 'vitest'
import { abortReason, systemClock } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { type DataPlaneHandlers, encodeBlockHeader } from '../../../src/wire/data/data-plane.ts'
import {
  signal,
  header,
  bytesOf,
  code,
  noStores,
  MapWorker,
  chunked,
  serve,
  client,
  readAll,
  put,
  rawServer,
  rawClient,
} from './support/data-plane-fixture.ts'

describe('reading', () => {
  it('gives whole blocks and any range, over one connection again and again', async () => {
    const worker = new MapWorker()
    const bytes = bytesOf(1_000_003)
    worker.blocks.set(7, bytes)
    const { address } = await serve(worker)
    const data = client({ connectionsMax: 1 })
    for (const [offset, length] of [
      [0, 1_000_003],
      [0, 1],
      [1_000_002, 1],
      [99_999, 100_002],
      [5, 0],
    ] as const) {
      expect(
        (await readAll(data.read(address, 7, { offset, length }, signal))).equals(
          bytes.subarray(offset, offset + length),
        ),
      ).toBe(true)
    }
    const whole = await fetch(`http://${address}/v1/blocks/7`)
    expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true)
  })

  it('throws what the worker throws, and refuses a range beyond the end', async () => {
    const worker = new MapWorker()
    worker.blocks.set(7, bytesOf(10))
    const { address } = await serve(worker)
    const data = client()
    await expect(readAll(data.read(address, 8, { offset: 0, length: 1 }, signal))).rejects.toEqual(
      new SkeinError('not_found', 'there is no block 8'),
    )
    await expect(readAll(data.read(address, 7, { offset: 5, length: 6 }, signal))).rejects.toMatchObject({
      code: 'invalid_argument',
    })
  })

  it('never passes off another block’s bytes', async () => {
    const worker = new MapWorker()
    const mixedUp: DataPlaneHandlers = {
      receive: (received, body) => worker.receive(received, body),
      readStore: noStores,
      receiveSmall: (blocks) => worker.receiveSmall(blocks),
      read: async () => ({ header: header(8, 3), length: 3, chunks: chunked(bytesOf(3), () => undefined) }),
    }
    const { address } = await serve(mixedUp)
    await expect(readAll(client().read(address, 7, { offset: 0, length: 3 }, signal))).rejects.toMatchObject({
      code: 'invalid_argument',
    })
  })

  it.each([
    ['fails', 150_000, new Error('the disk is gone')],
    ['ends early', 150_000, undefined],
    ['goes on', 250_000, undefined],
  ])('throws when the worker’s stream %s in the middle', async (_what, given, error) => {
    const worker = new MapWorker()
    const broken: DataPlaneHandlers = {
      receive: (received, body) => worker.receive(received, body),
      readStore: noStores,
      receiveSmall: (blocks) => worker.receiveSmall(blocks),
      read: async () => ({
        header: header(7, 200_000),
        length: 200_000,
        chunks: (async function* () {
          yield* chunked(bytesOf(given), () => undefined)
          if (error !== undefined) throw error
        })(),
      }),
    }
    const { address } = await serve(broken)
    await expect(readAll(client().read(address, 7, { offset: 0, length: 200_000 }, signal))).rejects.toMatchObject({
      code: 'unavailable',
    })
  })

  it('throws when the connection is cut in the middle of the body', async () => {
    const head =
      'HTTP/1.1 206 Partial Content\r\ncontent-length: 1000\r\n' +
      `x-skein-block: ${encodeBlockHeader(header(7, 1000))}\r\n\r\n`
    const address = await rawServer((socket) => socket.once('data', () => socket.end(head + 'x'.repeat(999))))
    await expect(readAll(client().read(address, 7, { offset: 0, length: 1000 }, signal))).rejects.toMatchObject({
      code: 'unavailable',
      reason: 'body_cut',
      message: 'the connection was cut after 999 of 1000 bytes',
    })
  })

  it.each(['before the answer', 'in the middle of the body'])(
    'gives up on a worker that stands still %s',
    async (where) => {
      const head =
        'HTTP/1.1 206 Partial Content\r\ncontent-length: 1000\r\n' +
        `x-skein-block: ${encodeBlockHeader(header(7, 1000))}\r\n\r\nabc`
      const address = await rawServer((socket) => {
        if (where !== 'before the answer') socket.write(head)
      })
      await expect(
        readAll(client({ idleMs: 100 }).read(address, 7, { offset: 0, length: 1000 }, signal)),
      ).rejects.toMatchObject({
        code: 'deadline_exceeded',
        reason: 'stalled',
      })
    },
  )

  it('does not take a slow consumer for a silent worker, and holds the worker back meanwhile', async () => {
    const worker = new MapWorker()
    const bytes = bytesOf(16 * 1024 * 1024)
    worker.blocks.set(7, bytes)
    const { address } = await serve(worker)
    let got = 0
    for await (const chunk of client({ idleMs: 2000 }).read(address, 7, { offset: 0, length: bytes.length }, signal)) {
      if (got === 0) {
        await systemClock.sleep(4500, signal)
        expect(worker.ended).toEqual([])
      }
      got += chunk.length
    }
    expect(got).toBe(bytes.length)
  })

  it('frees the worker when the reader stops, aborts, or takes nothing', async () => {
    const worker = new MapWorker()
    const bytes = bytesOf(16 * 1024 * 1024)
    for (const id of [1, 2, 3]) worker.blocks.set(id, bytes)
    const { address } = await serve(worker, { idleMs: 2000, uploadIdleMs: 2000 })
    const data = client()
    const range = { offset: 0, length: bytes.length }
    for await (const chunk of data.read(address, 1, range, signal)) if (chunk.length > 0) break
    const controller = new AbortController()
    const aborted = async (): Promise<void> => {
      for await (const chunk of data.read(address, 2, range, controller.signal)) {
        if (chunk.length > 0) controller.abort(new SkeinError('aborted', 'enough'))
      }
    }
    await expect(aborted()).rejects.toMatchObject({ code: 'aborted', message: 'enough' })
    const { socket, answer } = await rawClient(address)
    socket.pause()
    socket.write('GET /v1/blocks/3 HTTP/1.1\r\nhost: localhost\r\n\r\n')
    await expect.poll(() => worker.ended.toSorted()).toEqual(['read 1', 'read 2', 'read 3'])
    socket.resume()
    expect((await answer).length).toBeLessThan(bytes.length)
  })

  it('does not count the wait for a free connection as the worker’s', async () => {
    const worker = new MapWorker()
    worker.blocks.set(7, bytesOf(4 * 1024 * 1024))
    worker.blocks.set(8, bytesOf(10))
    const { address } = await serve(worker)
    const data = client({ connectionsMax: 1, idleMs: 2000, connectMs: 2000 })
    const slow = data.read(address, 7, { offset: 0, length: 4 * 1024 * 1024 }, signal)
    await slow.next()
    const waiting = readAll(data.read(address, 8, { offset: 0, length: 10 }, signal))
    await systemClock.sleep(4500, signal)
    await readAll(slow)
    expect((await waiting).equals(bytesOf(10))).toBe(true)
  })

  it('says that nobody is there', async () => {
    const server = await serve(new MapWorker())
    await server.close(0)
    await expect(readAll(client().read(server.address, 1, { offset: 0, length: 1 }, signal))).rejects.toMatchObject({
      code: 'unavailable',
      message: `cannot reach the worker at ${server.address} (ECONNREFUSED)`,
    })
    await expect(client().openWrite(server.address, header(1, 1), signal)).rejects.toMatchObject({
      code: 'unavailable',
    })
    await expect(
      client().putMany(server.address, [{ header: header(1, 1), bytes: bytesOf(1) }], signal),
    ).rejects.toMatchObject({
      code: 'unavailable',
    })
    await expect(
      readAll(client().read(server.address, 1, { offset: 0, length: 1 }, AbortSignal.abort())),
    ).rejects.toMatchObject({
      code: 'cancelled',
    })
  })

  it('goes on after the worker restarted, in spite of kept connections', async () => {
    const worker = new MapWorker()
    worker.blocks.set(7, bytesOf(1000))
    const first = await serve(worker)
    const data = client()
    const read = (): Promise<Buffer> => readAll(data.read(first.address, 7, { offset: 0, length: 1000 }, signal))
    await Promise.all([read(), read(), read()])
    await first.close(0)
    await serve(worker, {}, Number(first.address.split(':')[1]))
    await Promise.all([read(), read(), read(), put(data, first.address, 8, bytesOf(5))])
    expect(worker.blocks.get(8)?.equals(bytesOf(5))).toBe(true)
  })

  it('has as many streams open as it may, and finds its way after all of them were lost', async () => {
    const worker = new MapWorker()
    worker.blocks.set(7, bytesOf(300_000))
    const first = await serve(worker)
    const data = client({ connectionsMax: 200 })
    const readAtOnce = async (): Promise<void> => {
      const streams = Array.from({ length: 200 }, () =>
        data.read(first.address, 7, { offset: 0, length: 300_000 }, signal),
      )
      for (const { value } of await Promise.all(streams.map((stream) => stream.next())))
        expect(value?.length).toBeGreaterThan(0)
      await Promise.all(streams.map((stream) => readAll(stream)))
    }
    await readAtOnce()
    await first.close(0)
    await serve(worker, {}, Number(first.address.split(':')[1]))
    await readAtOnce()
  })
})

describe('the data port', () => {
  it('answers what it does not know', async () => {
    const { address } = await serve(new MapWorker())
    for (const [method, path] of [
      ['GET', '/'],
      ['GET', '/v1/blocks/x'],
      ['DELETE', '/v1/blocks/1'],
      ['GET', '/v1/blocks/99999999999999999999'],
      ['PUT', '/v1/blocks'],
    ] as const) {
      const response = await fetch(`http://${address}${path}`, { method })
      expect([response.status, await response.json()]).toMatchObject([501, { code: 'unimplemented' }])
    }
    const range = await fetch(`http://${address}/v1/blocks/1`, { headers: { range: 'bytes=5-4' } })
    expect(range.status).toBe(400)
  })

  it('refuses a taken port', async () => {
    const { address } = await serve(new MapWorker())
    await expect(serve(new MapWorker(), {}, Number(address.split(':')[1]))).rejects.toMatchObject({
      code: 'failed_precondition',
      reason: 'port_taken',
    })
  })

  it('lets a running write end when it closes, and cuts what outlasts the grace', async () => {
    const worker = new MapWorker()
    const server = await serve(worker)
    const upload = await client().openWrite(server.address, header(1, 10), signal)
    await upload?.write(bytesOf(5))
    const closed = server.close(20_000)
    await upload?.write(bytesOf(5))
    await upload?.commit()
    expect(worker.blocks.get(1)?.length).toBe(10)
    await closed

    const [began, aborted] = [Promise.withResolvers<void>(), Promise.withResolvers<unknown>()]
    const stubborn: DataPlaneHandlers = {
      receive: (received, body) => worker.receive(received, body),
      readStore: noStores,
      receiveSmall: (blocks) => worker.receiveSmall(blocks),
      read: (_blockId, _offset, _length, readSignal) =>
        new Promise((_resolve, reject) => {
          began.resolve()
          readSignal.addEventListener('abort', () => {
            aborted.resolve(readSignal.reason)
            reject(abortReason(readSignal))
          })
        }),
    }
    const second = await serve(stubborn)
    const read = readAll(client().read(second.address, 1, { offset: 0, length: 1 }, signal))
    const failed = expect(read).rejects.toMatchObject({ code: 'unavailable' })
    await began.promise
    await second.close(50)
    expect(code(await aborted.promise)).toBe('unavailable')
    await failed
  })
})
