// Digests that other threads compute are those of the bytes, in their order; memory is moved only
// where nobody else has it; a thread that ends fails its contents and no others.
import { createHash, randomBytes } from 'node:crypto'
import type { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, it } from 'vitest'
import { DigestThreads } from '../../../../src/gateway/s3/body/digest-threads.ts'
import { type DigestName, digestsHere } from '../../../../src/gateway/s3/body/running-digests.ts'

const names: readonly DigestName[] = ['md5', 'sha256', 'crc32', 'crc32c', 'crc64nvme', 'sha1']
const mebibyte = 1024 * 1024

let threads: DigestThreads | undefined
afterEach(async () => {
  await threads?.close()
  threads = undefined
})

function started(threadsMax: number): DigestThreads {
  threads = new DigestThreads({ threadsMax })
  return threads
}

async function here(bytes: Buffer): Promise<readonly string[]> {
  const digests = digestsHere(names)
  void digests.take(bytes, [bytes])
  return (await digests.finish()).map((digest) => digest.toString('hex'))
}

describe('digest threads', () => {
  it('compute what is computed here, of many contents at once', async () => {
    const pool = started(2)
    const computed = await Promise.all(
      [0, 1, 300_000, 3 * mebibyte].map(async (size) => {
        const bytes = randomBytes(size)
        const digests = pool.begin(names)
        for (let at = 0; at < size; at += 65_536) {
          const sent = Buffer.concat([Buffer.from('head'), bytes.subarray(at, at + 65_536), Buffer.from('tail')])
          const own = new Uint8Array(sent)
          const end = own.length - 4
          await digests.take(own, [own.subarray(4, Math.min(1000, end)), own.subarray(Math.min(1000, end), end)])
        }
        const got = (await digests.finish()).map((digest) => digest.toString('hex'))
        return [got, await here(bytes)]
      }),
    )
    for (const [got, expected] of computed) expect(got).toEqual(expected)
    expect(pool.running).toBe(2)
  })

  it('move memory that fills its buffer, and copy other memory', async () => {
    const digests = started(1).begin(['md5'])
    const whole = new Uint8Array(1000).fill(1)
    await digests.take(whole, [whole])
    const shared = new Uint8Array(3000).fill(2)
    const part = shared.subarray(1000, 2000)
    await digests.take(part, [part])
    shared.fill(3)
    const [md5] = await digests.finish()
    const expected = createHash('md5').update(Buffer.alloc(1000, 1)).update(Buffer.alloc(1000, 2)).digest('hex')
    expect(md5?.toString('hex')).toBe(expected)
    expect([whole.length, shared.length]).toEqual([0, 3000])
  })

  it('leave alone memory that others use, too', async () => {
    const shared = new Uint8Array(2 * mebibyte).fill(7)
    const digests = started(1).ofShared(shared.length)(['md5'])
    await digests.take(shared, [shared])
    shared.fill(8)
    const [md5] = await digests.finish()
    expect(md5?.toString('hex')).toBe(
      createHash('md5')
        .update(Buffer.alloc(2 * mebibyte, 7))
        .digest('hex'),
    )
    expect(shared.length).toBe(2 * mebibyte)
  })

  it('hold a bounded number of bytes that wait', async () => {
    const digests = started(1).begin(['md5'])
    let waits = 0
    for (let at = 0; at < 64; at += 1) {
      const chunk = new Uint8Array(mebibyte)
      const room = digests.take(chunk, [chunk])
      if (room !== undefined) waits += 1
      await room
    }
    await digests.finish()
    expect(waits).toBeGreaterThan(0)
  })

  it('compute small contents here, and all where there are no threads', async () => {
    expect(started(1).of(mebibyte)).toBe(digestsHere)
    expect(new DigestThreads({ threadsMax: 0 }).of(undefined)).toBe(digestsHere)
    expect(threads?.of(undefined)).not.toBe(digestsHere)
    expect(threads?.running).toBe(0)
  })

  it('that end fail their contents, and the next content gets another one', async () => {
    const workers: Worker[] = []
    const all = new DigestThreads({
      threadsMax: 1,
      start: () => {
        const worker = new (process.getBuiltinModule('node:worker_threads').Worker)(
          new URL('../../../../src/gateway/s3/body/digest-thread.ts', import.meta.url),
        )
        workers.push(worker)
        return worker
      },
    })
    threads = all
    const digests = all.begin(['md5'])
    await workers[0]?.terminate()
    await expect(digests.finish()).rejects.toMatchObject({ code: 'internal' })
    expect(all.running).toBe(0)
    const next = all.begin(['md5'])
    next.drop()
    expect((await all.begin(['md5']).finish())[0]?.toString('hex')).toBe(createHash('md5').digest('hex'))
    expect(workers.length).toBe(2)
  })
})
