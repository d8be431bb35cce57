// A file of unknown length, by pieces of any size: its blocks, its memory, and workers that fail in
// the middle of a block.
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import type { CachedFileOutput } from '../../../src/client/write/file-output.ts'
import { bytesOf } from '../../conformance/support/block-store-fixture.ts'
import { blockSizeBytes, fileId, mebibyte, signal, WriteFixture } from './support/write-fixture.ts'

const create = (at: WriteFixture, length?: number): Promise<CachedFileOutput> =>
  at.writer.create('/ns/a/b', { length }, signal)

/** Writes pieces of up to `pieceBytes` from one buffer that is used again. */
async function writeAll(output: CachedFileOutput, bytes: Buffer, pieceBytes: number, seed = 1): Promise<void> {
  const random = seededRandom(seed)
  const reused = Buffer.alloc(pieceBytes)
  for (let from = 0; from < bytes.length;) {
    const piece = bytes.subarray(from, from + 1 + Math.floor(random() * pieceBytes))
    piece.copy(reused)
    await output.write(reused.subarray(0, piece.length))
    reused.fill(0)
    from += piece.length
  }
}

const failAt = (at: WriteFixture, step: string, fromByte: number, times = 1): void => {
  let left = times
  for (const worker of at.workers)
    worker.before = (now, _header, offset) => {
      if (now !== step || offset < fromByte || left === 0) return
      left -= 1
      throw new SkeinError('unavailable', 'the worker is not well')
    }
}

describe('a new file', () => {
  it('is created as its writer says', async () => {
    const at = new WriteFixture()
    const set = { owner: 'alice', group: 'staff', mode: 0o600, contentType: 'text/plain' }
    const newFile = {
      ...set,
      overwrite: true,
      blockSizeBytes: 4096,
      userMetadata: { a: 'b' },
      clientMetadata: { etag: 'x' },
    }
    const output = await at.writer.create('/ns/a/b', newFile, signal)
    await output.close()
    const request = { path: '/ns/a/b', blockSizeBytes: 4096, requestKey: 'unique-0', overwrite: true, ...set }
    const metadata = { userMetadata: { values: { a: 'b' } }, clientMetadata: { values: { etag: 'x' } } }
    expect(at.created).toEqual([{ ...request, ...metadata }])
  })

  it.each(['failed_precondition', 'not_found'] as const)(
    'is at the store although its blocks were not freed: %s',
    async (code) => {
      const at = new WriteFixture()
      at.writePolicy = 'THROUGH'
      at.freeFailure = new SkeinError(code, 'another writer has overwritten it')
      const output = await create(at)
      expect(await output.close()).toMatchObject({ persisted: true })
    },
  )
})

describe('a file of unknown length', () => {
  it.each([
    [0, 1000],
    [1, 1000],
    [mebibyte, 1000],
    [mebibyte + 1, 300_000],
    [3 * mebibyte - 1, 300_000],
    [3 * mebibyte, 5 * mebibyte],
    [3 * mebibyte + 1, 300_000],
    [11 * mebibyte + 7, 4 * mebibyte],
    [300_000, 7],
  ])('of %i bytes comes in blocks, from pieces of up to %i', async (length, pieceBytes) => {
    const at = new WriteFixture()
    const bytes = bytesOf(length, 1)
    const output = await create(at)
    await writeAll(output, bytes, pieceBytes)
    expect(at.calls).toEqual([])
    expect(await output.close()).toEqual({
      fileId,
      length,
      writePolicy: 'MUST_CACHE',
      persisted: false,
      info: undefined,
    })
    at.expectBlocks(bytes)
    expect(at.calls).toEqual([`complete ${length}`])
    at.expectNothingOpen()
  })

  it('sends a small file in one request, and a small last block too', async () => {
    const at = new WriteFixture()
    const bytes = bytesOf(blockSizeBytes + 1000, 2)
    const output = await create(at)
    await writeAll(output, bytes, 100_000)
    await output.close()
    const sum = (of: 'opens' | 'puts'): number => at.workers.reduce((total, worker) => total + worker[of], 0)
    expect([sum('opens'), sum('puts')]).toEqual([1, 1])
    expect(at.placed.map(({ length }) => length)).toEqual([blockSizeBytes, 1000])
  })

  it('reserves exactly what it needs when its length is known, and refuses another', async () => {
    const at = new WriteFixture()
    const bytes = bytesOf(2 * mebibyte, 3)
    const output = await create(at, bytes.length)
    await writeAll(output, bytes, 300_000)
    await output.close()
    expect(at.placed.map(({ length }) => length)).toEqual([2 * mebibyte])
    for (const [written, known] of [
      [10, 9],
      [9, 10],
    ] as const) {
      const wrong = await create(at, known)
      const writing = wrong.write(bytesOf(written, 1)).then(() => wrong.close())
      await expect(writing).rejects.toMatchObject({ code: 'invalid_argument' })
    }
    expect(at.calls).toEqual([`complete ${bytes.length}`, 'abandon', 'abandon'])
  })

  it.each(['open', 'write', 'commit'])('is written on when a worker fails at %s', async (step) => {
    const at = new WriteFixture()
    failAt(at, step, step === 'write' ? 1_500_000 : 0, 3)
    const bytes = bytesOf(5 * mebibyte, 4)
    const output = await create(at)
    await writeAll(output, bytes, 200_000)
    await output.close()
    at.expectBlocks(bytes)
    expect(at.placed.some(({ excludedWorkerIds }) => excludedWorkerIds.length > 0)).toBe(true)
    at.expectNothingOpen()
  })

  it('counts its attempts anew when the block comes further', async () => {
    const at = new WriteFixture()
    let failures = 0
    for (const worker of at.workers)
      worker.before = (step, _header, offset) => {
        if (step !== 'write' || offset < Math.min(9, failures) * 300_000) return
        failures += 1
        if (failures < 20) throw new SkeinError('unavailable', 'the worker is not well')
      }
    const bytes = bytesOf(blockSizeBytes, 5)
    const output = await create(at)
    const written = writeAll(output, bytes, 300_000).then(() => output.close())
    await expect(written).rejects.toMatchObject({ code: 'unavailable' })
    // Nine times further, then five attempts in the same place.
    expect(failures).toBeGreaterThanOrEqual(13)
    expect(failures).toBeLessThan(16)
  })

  it('is lost when a worker fails after more bytes than are kept, and says so', async () => {
    const at = new WriteFixture(mebibyte)
    failAt(at, 'write', 1_500_000)
    const output = await create(at)
    await expect(writeAll(output, bytesOf(blockSizeBytes, 6), 200_000)).rejects.toMatchObject({
      code: 'unavailable',
      reason: 'block_lost',
      retryable: false,
    })
    await expect(output.write(bytesOf(1, 1))).rejects.toMatchObject({ reason: 'block_lost' })
    await expect(output.close()).rejects.toMatchObject({ reason: 'block_lost' })
    await output.abort()
    expect(at.calls).toEqual(['abandon'])
    at.expectNothingOpen()
  })

  it('keeps no more than the budget of all, and gives it back', async () => {
    const at = new WriteFixture(3 * mebibyte)
    const bytes = bytesOf(5 * mebibyte, 7)
    const outputs = await Promise.all([1, 2, 3].map(() => create(at)))
    await Promise.all(outputs.map((output, index) => writeAll(output, bytes, 200_000, index)))
    expect(at.kept.peak).toBeGreaterThan(mebibyte)
    expect(at.kept.peak).toBeLessThanOrEqual(3 * mebibyte)
    await Promise.all(outputs.map((output) => output.close()))
    at.expectBlocks(bytes)
    at.expectNothingOpen()
  })

  it('makes its writer wait while a worker takes nothing', async () => {
    const at = new WriteFixture()
    const { promise, resolve } = Promise.withResolvers<void>()
    for (const worker of at.workers)
      worker.before = (step, _header, offset) => (step === 'write' && offset >= mebibyte ? promise : undefined)
    const output = await create(at)
    let taken = 0
    const writing = (async () => {
      for (; taken < 9; taken += 1) await output.write(Buffer.alloc(300_000, taken))
    })()
    for (let turn = 0; turn < 50; turn += 1) await new Promise((next) => setImmediate(next))
    expect(taken * 300_000).toBeLessThan(2 * mebibyte)
    resolve()
    await writing
    await output.close()
    expect(at.calls).toEqual([`complete ${9 * 300_000}`])
  })

  it('takes overlapping calls in their order', async () => {
    const at = new WriteFixture()
    const bytes = bytesOf(4 * mebibyte, 8)
    const output = await create(at)
    const calls: Promise<unknown>[] = []
    for (let from = 0; from < bytes.length; from += 500_000)
      calls.push(output.write(bytes.subarray(from, from + 500_000)))
    calls.push(output.close())
    await Promise.all(calls)
    at.expectBlocks(bytes)
    await expect(output.write(bytes)).rejects.toMatchObject({ code: 'failed_precondition' })
    await expect(output.close()).rejects.toMatchObject({ code: 'failed_precondition' })
    await output.abort()
    expect(at.calls).toEqual([`complete ${bytes.length}`])
  })

  it.each(['abort', 'signal'])('leaves no trace of a write that hangs: %s', async (how) => {
    const at = new WriteFixture()
    const stop = new AbortController()
    const output = await at.writer.create('/ns/a/b', {}, stop.signal)
    const reached = Promise.withResolvers<void>()
    for (const worker of at.workers)
      worker.before = async (step, _header, offset) => {
        if (step !== 'write' || offset < mebibyte) return
        reached.resolve()
        await new Promise((next) => setTimeout(next, 20))
      }
    const writing = writeAll(output, bytesOf(5 * mebibyte, 9), 300_000)
    writing.catch(() => undefined)
    await reached.promise
    if (how === 'abort') await Promise.all([output.abort(), output.abort()])
    else stop.abort(new SkeinError('cancelled', 'stop'))
    await expect(writing).rejects.toMatchObject({ code: 'cancelled' })
    await expect(output.close()).rejects.toMatchObject({ code: 'cancelled' })
    expect(at.calls).toEqual(['abandon'])
    at.expectNothingOpen()
  })

  it('leaves no trace of an idle output whose signal aborts', async () => {
    const at = new WriteFixture()
    const stop = new AbortController()
    const output = await at.writer.create('/ns/a/b', {}, stop.signal)
    await writeAll(output, bytesOf(2 * mebibyte, 1), 300_000)
    stop.abort()
    await output.abort()
    expect(at.calls).toEqual(['abandon'])
    at.expectNothingOpen()
  })
})
