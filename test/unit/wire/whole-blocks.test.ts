// Whole blocks from a data port: with what they are, exactly, and without holding the connection of
// a reader that leaves.
import { expect, it } from 'vitest'
import { encodeBlockHeader } from '../../../src/wire/data/data-plane.ts'
import { bytesOf, client, header, MapWorker, rawServer, readAll, serve, signal } from './support/data-plane-fixture.ts'

it('gives a block and its header, over one connection again and again', async () => {
  const worker = new MapWorker()
  worker.blocks.set(7, bytesOf(1_000_003))
  worker.blocks.set(8, Buffer.alloc(0))
  const { address } = await serve(worker)
  const data = client({ connectionsMax: 1 })
  for (const blockId of [7, 8, 7]) {
    const download = await data.readWhole(address, blockId, signal)
    expect(download.header).toEqual(header(blockId, worker.blocks.get(blockId)?.length ?? -1))
    expect((await readAll(download.chunks)).equals(worker.blocks.get(blockId) ?? Buffer.of(1))).toBe(true)
    download.close()
  }
  await expect(data.readWhole(address, 9, signal)).rejects.toMatchObject({ code: 'not_found' })
})

it('a reader that leaves, before the first byte or after it, frees the connection and the block', async () => {
  const worker = new MapWorker()
  worker.blocks.set(7, bytesOf(20_000_000))
  const { address } = await serve(worker)
  const data = client({ connectionsMax: 1 })
  const unread = await data.readWhole(address, 7, signal)
  unread.close()
  const begun = await data.readWhole(address, 7, signal)
  for await (const chunk of begun.chunks) if (chunk.length > 0) break
  begun.close()
  const whole = await data.readWhole(address, 7, signal)
  expect((await readAll(whole.chunks)).length).toBe(20_000_000)
  while (worker.ended.length < 3) await new Promise((resolve) => setImmediate(resolve))
})

it('refuses another block, another length than the header says, and a body that ends early', async () => {
  const answer = (block: number, announced: number, body: string): Promise<string> =>
    rawServer((socket) => {
      const headers = `content-length: ${announced}\r\nx-skein-block: ${encodeBlockHeader(header(block, 10))}\r\n`
      socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\n${headers}\r\n${body}`))
    })
  const data = client()
  await expect(data.readWhole(await answer(8, 10, '0123456789'), 7, signal)).rejects.toMatchObject({
    code: 'invalid_argument',
  })
  await expect(data.readWhole(await answer(7, 9, '012345678'), 7, signal)).rejects.toMatchObject({ code: 'data_loss' })
  const cut = await data.readWhole(await answer(7, 10, '01234'), 7, signal)
  await expect(readAll(cut.chunks)).rejects.toMatchObject({ code: 'unavailable', reason: 'body_cut' })
  cut.close()
})
