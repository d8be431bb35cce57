// Chunks of a stream come as they are, with back-pressure, and every end of the stream is told.
import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { chunksOf } from '../../../src/wire/http/stream-chunks.ts'

async function all(stream: Readable): Promise<Buffer[]> {
  const chunks: Buffer[] = []
  for await (const chunk of chunksOf(stream)) chunks.push(chunk)
  return chunks
}

/** Pushes what it is told to, whatever its buffer has. */
function source(highWaterMark = 1024 * 1024): Readable {
  return new Readable({ highWaterMark, read: () => undefined })
}

describe('chunksOf', () => {
  it('yields the chunks themselves, also when several wait', async () => {
    const stream = source()
    const pushed = Array.from({ length: 20 }, (_, at) => Buffer.alloc(50_000, at))
    for (const chunk of pushed) stream.push(chunk)
    stream.push(null)
    const got = await all(stream)
    expect(got.length).toBe(pushed.length)
    expect(got.every((chunk, at) => chunk === pushed[at])).toBe(true)
  })

  it('does not take more than it may hold while nobody asks', async () => {
    let reads = 0
    const stream = new Readable({
      highWaterMark: 64 * 1024,
      read() {
        reads += 1
        this.push(Buffer.alloc(16 * 1024))
      },
    })
    const chunks = chunksOf(stream)
    await chunks.next()
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    expect(reads * 16).toBeLessThan(512)
    await chunks.return()
    stream.destroy()
  })

  it('ends with a stream that ends later, and with one that had ended', async () => {
    const stream = new PassThrough()
    const got = all(stream)
    for (const text of ['a', 'b']) {
      stream.write(text)
      await new Promise((resolve) => setImmediate(resolve))
    }
    stream.end('c')
    expect(Buffer.concat(await got).toString()).toBe('abc')
    expect(await all(stream)).toEqual([])
    const empty = source()
    empty.push(null)
    expect(await all(empty)).toEqual([])
  })

  it('keeps the stream when its reader leaves, for another one', async () => {
    const stream = source()
    for (const text of ['a', 'b', 'c']) stream.push(Buffer.from(text))
    for await (const chunk of chunksOf(stream)) if (chunk.toString() === 'a') break
    expect([stream.destroyed, stream.isPaused()]).toEqual([false, true])
    expect(stream.listenerCount('data')).toBe(0)
    stream.push(Buffer.from('d'))
    stream.push(null)
    const rest = Buffer.concat(await all(stream)).toString()
    expect(rest.endsWith('d')).toBe(true)
  })

  it('throws what destroyed the stream, and when it closed before its end', async () => {
    const failing = source()
    failing.push(Buffer.from('a'))
    const failed = all(failing)
    await once(failing, 'data')
    failing.destroy(new Error('the peer is gone'))
    await expect(failed).rejects.toThrow('the peer is gone')
    const cut = source()
    const waiting = all(cut)
    cut.destroy()
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_STREAM_PREMATURE_CLOSE' })
    await expect(all(cut)).rejects.toMatchObject({ code: 'ERR_STREAM_PREMATURE_CLOSE' })
  })
})
