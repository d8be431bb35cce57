// Writes of blocks over a real data port, one by one and many small ones at once.
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import type { BlockUpload } from '../../../src/wire/data/block-upload.ts'
import {
  type DataPlaneHandlers,
  decodeFrames,
  encodeBlockHeader,
  encodeFrames,
  framesBytesMax,
  type SmallBlock,
} from '../../../src/wire/data/data-plane.ts'
import { blocksContentType } from '../../../src/wire/http/request-origin.ts'
import {
  signal,
  header,
  bytesOf,
  code,
  noStores,
  MapWorker,
  serve,
  client,
  put,
  rawServer,
  rawClient,
} from './support/data-plane-fixture.ts'

describe('writing a block', () => {
  it('brings every byte, in chunks of any size, and an empty block', async () => {
    const worker = new MapWorker()
    const { address } = await serve(worker)
    const data = client({ connectionsMax: 1 })
    await put(data, address, 2 ** 52 + 3, bytesOf(3_000_001), 1_000_000)
    await put(data, address, 2, bytesOf(2000), 7)
    await put(data, address, 3, bytesOf(0))
    expect(worker.blocks.get(2 ** 52 + 3)?.equals(bytesOf(3_000_001))).toBe(true)
    expect(worker.blocks.get(2)?.equals(bytesOf(2000))).toBe(true)
    expect(worker.blocks.get(3)?.length).toBe(0)
  })

  it('learns of a refusal before it sends a byte, and of a block that is there', async () => {
    const worker = new MapWorker()
    worker.refuse = ({ blockId }) =>
      blockId === 1
        ? new SkeinError('resource_exhausted', 'no room', { reason: 'no_capacity' })
        : new SkeinError('already_exists', 'have it', { reason: blockId === 2 ? 'committed' : 'being_written' })
    const { address } = await serve(worker)
    const data = client()
    await expect(data.openWrite(address, header(1, 5), signal)).rejects.toEqual(
      new SkeinError('resource_exhausted', 'no room', { reason: 'no_capacity' }),
    )
    await expect(data.openWrite(address, header(2, 5), signal)).resolves.toBeUndefined()
    await expect(data.openWrite(address, header(3, 5), signal)).rejects.toMatchObject({ reason: 'being_written' })
  })

  it('gets the worker’s own error when it fails in the middle', async () => {
    const worker = new MapWorker()
    const failing: DataPlaneHandlers = {
      read: (blockId, offset, length) => worker.read(blockId, offset, length),
      readStore: noStores,
      receiveSmall: (blocks) => worker.receiveSmall(blocks),
      receive: async (_header, body) => {
        for await (const chunk of body)
          if (chunk.length > 0)
            throw new SkeinError('resource_exhausted', 'the disk is full', { reason: 'no_capacity' })
      },
    }
    const { address } = await serve(failing)
    await expect(put(client(), address, 1, Buffer.alloc(32 * 1024 * 1024), 1024 * 1024)).rejects.toMatchObject({
      reason: 'no_capacity',
    })
  })

  it('gets the worker’s own error when it cannot commit', async () => {
    const worker = new MapWorker()
    const failing: DataPlaneHandlers = {
      read: (blockId, offset, length) => worker.read(blockId, offset, length),
      readStore: noStores,
      receiveSmall: () => Promise.reject(new SkeinError('internal', 'no index')),
      receive: async (received, body) => {
        await worker.receive(received, body)
        throw received.blockId === 1
          ? new SkeinError('data_loss', 'wrong bytes')
          : new SkeinError('already_exists', 'x', { reason: 'committed' })
      },
    }
    const { address } = await serve(failing)
    const data = client()
    await expect(put(data, address, 1, bytesOf(100_000))).rejects.toEqual(new SkeinError('data_loss', 'wrong bytes'))
    await put(data, address, 2, bytesOf(100_000))
    await expect(data.putMany(address, [{ header: header(1, 1), bytes: bytesOf(1) }], signal)).rejects.toEqual(
      new SkeinError('internal', 'no index'),
    )
  })

  it('does not commit a block whose writer aborts, dies, or stands still', async () => {
    const worker = new MapWorker()
    const { address } = await serve(worker, { idleMs: 2000, uploadIdleMs: 2000 })
    const controller = new AbortController()
    const data = client()
    const ends: [string, (upload: BlockUpload) => Promise<void> | void][] = [
      ['unavailable', (upload) => upload.abort()],
      ['deadline_exceeded', () => undefined],
      ['unavailable', () => controller.abort(new SkeinError('cancelled', 'task stopped'))],
    ]
    for (const [index, [expected, end]] of ends.entries()) {
      worker.bodyError = Promise.withResolvers()
      const upload = await data.openWrite(address, header(index, 1000), controller.signal)
      if (upload === undefined) throw new Error('there already')
      await upload.write(bytesOf(999))
      await end(upload)
      expect(code(await worker.bodyError.promise)).toBe(expected)
      // The missing byte may still get into the connection's buffer, but no further.
      await upload.write(bytesOf(1)).catch(() => undefined)
      await expect(upload.commit()).rejects.toBeInstanceOf(SkeinError)
      await upload.abort()
    }
    expect(worker.blocks.size).toBe(0)
  })

  it('refuses to send too few or too many bytes', async () => {
    const worker = new MapWorker()
    const { address } = await serve(worker)
    const short = await client().openWrite(address, header(1, 10), signal)
    await short?.write(bytesOf(9))
    await expect(short?.commit()).rejects.toMatchObject({
      code: 'invalid_argument',
      message: 'block 1 got 9 of its 10 bytes',
    })
    const long = await client().openWrite(address, header(2, 10), signal)
    await expect(long?.write(bytesOf(11))).rejects.toMatchObject({ code: 'invalid_argument' })
    expect(worker.blocks.size).toBe(0)
  })

  it('gives up on a worker that takes no bytes', async () => {
    const address = await rawServer((socket) => {
      socket.once('data', () => {
        socket.pause()
        socket.write('HTTP/1.1 100 Continue\r\n\r\n')
      })
    })
    await expect(
      put(client({ idleMs: 200 }), address, 1, Buffer.alloc(64 * 1024 * 1024), 1024 * 1024),
    ).rejects.toMatchObject({
      code: 'deadline_exceeded',
    })
  })

  it.each([
    ['a body longer than the header says', header(1, 3), 'content-length: 4', '1'],
    ['a body shorter than the header says', header(1, 5), 'content-length: 4', '1'],
    ['a chunked body without its length behind it', header(1, 4), 'transfer-encoding: chunked', '1'],
    ['another block’s header', header(2, 4), 'content-length: 4', '1'],
    ['no header', undefined, 'content-length: 4', '1'],
  ])('refuses %s', async (_what, blockHeader, lengthHeader, id) => {
    const worker = new MapWorker()
    const { address } = await serve(worker)
    const { socket, answer } = await rawClient(address)
    const headerLine = blockHeader === undefined ? '' : `x-skein-block: ${encodeBlockHeader(blockHeader)}\r\n`
    socket.write(
      `PUT /v1/blocks/${id} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n${headerLine}${lengthHeader}\r\n\r\n`,
    )
    socket.end(lengthHeader.startsWith('t') ? '4\r\nabcd\r\n0\r\n\r\n' : 'abcd')
    expect(await answer).toMatch(/^HTTP\/1.1 400 [^]*"code":"invalid_argument"/)
    expect(worker.blocks.size).toBe(0)
  })

  it.each([
    ['as it says', '4\r\nabcd\r\n0\r\nx-skein-length: 4\r\n\r\n', 200],
    ['of more bytes than it says', '4\r\nabcd\r\n0\r\nx-skein-length: 3\r\n\r\n', 503],
    ['of fewer bytes than it says', '4\r\nabcd\r\n0\r\nx-skein-length: 5\r\n\r\n', 503],
    ['of no length that there is', '4\r\nabcd\r\n0\r\nx-skein-length: 0x4\r\n\r\n', 400],
    ['above the header', '6\r\nabcdef\r\n0\r\nx-skein-length: 6\r\n\r\n', 400],
  ])('takes a chunked body only if it is %s', async (_what, body, status) => {
    const worker = new MapWorker()
    const { address } = await serve(worker)
    const { socket, answer } = await rawClient(address)
    socket.write(
      `PUT /v1/blocks/1 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n` +
        `x-skein-block: ${encodeBlockHeader(header(1, 5))}\r\ntransfer-encoding: chunked\r\n\r\n${body}`,
    )
    expect(await answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(worker.blocks.get(1)?.toString()).toBe(status === 200 ? 'abcd' : undefined)
  })

  it('sends a block whose length it learns at the end, and drops one that it aborts', async () => {
    const worker = new MapWorker()
    const { address } = await serve(worker)
    const data = client()
    const bytes = bytesOf(700_001)
    const upload = await data.openWrite(address, header(1, 1_000_000), signal, { openEnded: true })
    for (let at = 0; at < bytes.length; at += 100_000) await upload?.write(bytes.subarray(at, at + 100_000))
    await upload?.commit(bytes.length)
    expect(worker.blocks.get(1)?.equals(bytes)).toBe(true)
    const dropped = await data.openWrite(address, header(2, 1_000_000), signal, { openEnded: true })
    await dropped?.write(bytes)
    await dropped?.abort()
    expect(code(await worker.bodyError.promise)).toBe('unavailable')
    expect(worker.blocks.has(2)).toBe(false)
    const wrong = await data.openWrite(address, header(3, 10), signal, { openEnded: true })
    await wrong?.write(bytesOf(9))
    await expect(wrong?.commit(8)).rejects.toMatchObject({ code: 'invalid_argument' })
    const closed = await data.openWrite(address, header(4, 10), signal)
    await closed?.write(bytesOf(9))
    await expect(closed?.commit(9)).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('ends a body whose client went away before it was asked for', async () => {
    const worker = new MapWorker()
    const late: DataPlaneHandlers = {
      read: (blockId, offset, length) => worker.read(blockId, offset, length),
      readStore: noStores,
      receiveSmall: (blocks) => worker.receiveSmall(blocks),
      receive: async (received, body, receiveSignal) => {
        await new Promise<void>((resolve) => receiveSignal.addEventListener('abort', () => resolve()))
        await systemClock.sleep(20, signal)
        await worker.receive(received, body)
      },
    }
    const { address } = await serve(late)
    const { socket } = await rawClient(address)
    socket.write(
      `PUT /v1/blocks/1 HTTP/1.1\r\nhost: localhost\r\nx-skein-block: ${encodeBlockHeader(header(1, 4))}\r\n` +
        'content-length: 4\r\n\r\nab',
    )
    await systemClock.sleep(20, signal)
    socket.destroy()
    expect(code(await worker.bodyError.promise)).toBe('unavailable')
    expect(worker.blocks.size).toBe(0)
  })

  it('does not commit a body that a raw connection cuts', async () => {
    const worker = new MapWorker()
    const { address } = await serve(worker)
    const { socket } = await rawClient(address)
    socket.write(
      `PUT /v1/blocks/1 HTTP/1.1\r\nhost: localhost\r\nx-skein-block: ${encodeBlockHeader(header(1, 4))}\r\n` +
        'content-length: 4\r\n\r\nabc',
    )
    socket.end()
    expect(code(await worker.bodyError.promise)).toBe('unavailable')
    expect(worker.blocks.size).toBe(0)
  })
})

const headers = { 'content-type': blocksContentType }

describe('many small blocks', () => {
  const many = (count: number, length: number): SmallBlock[] =>
    Array.from({ length: count }, (_, index) => ({ header: header(index, length), bytes: bytesOf(length, index) }))

  it('brings them all and tells which one failed', async () => {
    const worker = new MapWorker()
    worker.refuse = ({ blockId }) =>
      blockId === 77
        ? new SkeinError('resource_exhausted', 'no room', { reason: 'no_capacity' })
        : blockId === 78
          ? new SkeinError('already_exists', 'have it', { reason: 'committed' })
          : undefined
    const { address } = await serve(worker)
    const blocks = many(300, 1000)
    const results = await client().putMany(address, blocks, signal)
    expect(results).toHaveLength(300)
    expect(results.flatMap((error, index) => (error === undefined ? [] : [[index, error.reason]]))).toEqual([
      [77, 'no_capacity'],
    ])
    for (const block of blocks.filter(({ header: { blockId } }) => blockId !== 77 && blockId !== 78)) {
      expect(worker.blocks.get(block.header.blockId)?.equals(block.bytes)).toBe(true)
    }
    await expect(client().putMany(address, [], signal)).resolves.toEqual([])
  })

  it('splits what is too much for one request', async () => {
    const worker = new MapWorker()
    const { address } = await serve(worker)
    const results = await client().putMany(address, many(40, 1024 * 1024), signal)
    expect(results).toEqual(Array.from({ length: 40 }))
    expect(worker.blocks.size).toBe(40)
    await expect(client().putMany(address, many(1, framesBytesMax), signal)).rejects.toMatchObject({
      code: 'invalid_argument',
    })
  })

  it('keeps a corrupted frame out, and only it', async () => {
    const worker = new MapWorker()
    const { address } = await serve(worker)
    const body = encodeFrames(many(3, 100))
    const middle = Math.floor(body.length / 2)
    body.writeUInt8(body.readUInt8(middle) ^ 1, middle)
    const response = await fetch(`http://${address}/v1/blocks`, { method: 'POST', headers, body: new Uint8Array(body) })
    const answer = (await response.json()) as { count: number; failures: [number, { code: string; reason: string }][] }
    expect(answer).toMatchObject({ count: 3, failures: [[1, { code: 'data_loss', reason: 'frame_corrupt' }]] })
    expect([...worker.blocks.keys()]).toEqual([0, 2])
  })

  it('sees any flipped bit of a frame', () => {
    const body = encodeFrames(many(1, 40))
    for (let bit = 0; bit < body.length * 8; bit += 1) {
      const flipped = Buffer.from(body)
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      const intact = (): boolean => decodeFrames(flipped, 10).some((frame) => 'block' in frame)
      let seen: boolean
      try {
        seen = !intact()
      } catch (thrown) {
        seen = code(thrown) === 'invalid_argument'
      }
      expect(seen, `bit ${bit}`).toBe(true)
    }
  })

  it('refuses a request that ends in the middle of a frame, and one whose bytes lie about their length', async () => {
    const worker = new MapWorker()
    const { address } = await serve(worker)
    const body = encodeFrames(many(3, 100))
    const response = await fetch(`http://${address}/v1/blocks`, {
      method: 'POST',
      headers,
      body: new Uint8Array(body.subarray(0, -1)),
    })
    expect(await response.json()).toMatchObject({ code: 'invalid_argument', reason: 'frames_cut' })
    expect(worker.blocks.size).toBe(0)
    const lying = await client().putMany(address, [{ header: header(1, 5), bytes: bytesOf(4) }], signal)
    expect(lying[0]).toMatchObject({ code: 'invalid_argument' })
  })
})
