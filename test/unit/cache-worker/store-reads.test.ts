// What a worker reads from stores for its clients: exact bytes, the store's own errors, fresh
// secrets once, nothing left open.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { createStoreReads, type StoreReadLimits } from '../../../src/cache-worker/reads/store-reads.ts'
import type { StoreReadRequest } from '../../../src/wire/data/data-plane.ts'
import { contentOf, FakeStore } from '../job-worker/support/fakes.ts'

const never = new AbortController().signal
const length = 1_000_003
const content = contentOf('k', 'v1', length)
const request = (part: Partial<StoreReadRequest> = {}): StoreReadRequest => ({
  namespaceId: 'n1',
  key: 'k',
  etag: 'v1',
  offset: 0,
  length,
  ...part,
})
const refusal = (): SkeinError =>
  new SkeinError('unauthenticated', 'the token has expired', { reason: 'expired_token' })

/** A worker's store reads; every opening makes another store, prepared by `prepare`. */
function house(
  prepare: (store: FakeStore, opening: number) => void = () => undefined,
  limits: Partial<StoreReadLimits> = {},
) {
  const stores: FakeStore[] = []
  const opened: string[] = []
  let nowMs = 0
  const clock: Clock = { ...systemClock, monotonicMs: () => nowMs }
  const reads = createStoreReads({
    openStore: async (namespaceId) => {
      const store = new FakeStore()
      store.put('k', 'v1', length)
      opened.push(namespaceId)
      stores.push(store)
      prepare(store, stores.length)
      return store
    },
    clock,
    limits: {
      rangeBytes: 100_000,
      rangesAhead: 4,
      readSlots: 3,
      readAheadBytesMax: 400_000,
      storeRenewPauseMs: 1000,
      ...limits,
    },
  })
  const take = async (asked: StoreReadRequest, signal = never): Promise<Buffer> => {
    const { length: announced, chunks } = await reads.readStore(asked, signal)
    expect(announced).toBe(asked.length)
    const all: Uint8Array[] = []
    for await (const chunk of chunks) all.push(Buffer.from(chunk))
    return Buffer.concat(all)
  }
  return { reads, stores, opened, take, pass: (ms: number) => (nowMs += ms) }
}

describe('store reads', () => {
  test('give exactly the bytes of any range, many at once over few slots and one opened store', async () => {
    const { take, stores, reads } = house()
    const ranges = fc.record({ offset: fc.nat(length - 1), length: fc.integer({ min: 1, max: 350_000 }) })
    await fc.assert(
      fc.asyncProperty(fc.array(ranges, { minLength: 1, maxLength: 6 }), async (asked) => {
        await Promise.all(
          asked.map(async ({ offset, length: wanted }) => {
            const part = { offset, length: Math.min(wanted, length - offset) }
            expect((await take(request(part))).equals(content.subarray(offset, offset + part.length))).toBe(true)
          }),
        )
      }),
      { numRuns: 30 },
    )
    expect(stores.length).toBe(1)
    expect(stores[0]?.openReads).toBe(0)
    await reads.close()
    expect(stores[0]?.closed).toBe(true)
  })

  test('of a store that proves no versions are one answer, or fail as they did', async () => {
    let breaks = false
    const { take, stores } = house((store) => {
      store.beforeChunk = ({ inOneAnswer, length: asked }, at) => {
        if (inOneAnswer !== true) throw new SkeinError('failed_precondition', 'no ETag', { reason: 'unproven_version' })
        if (asked !== length) throw new SkeinError('aborted', 'another size', { reason: 'object_changed' })
        if (breaks && at > 500_000) throw new SkeinError('unavailable', 'the connection was cut')
      }
    })
    expect((await take(request())).equals(content)).toBe(true)
    expect(
      stores[0]?.reads.filter(({ inOneAnswer }) => inOneAnswer === true).map((read) => [read.offset, read.length]),
    ).toEqual([[0, length]])
    // A part of the object would be one of several answers.
    await expect(take(request({ offset: 10, length: 100 }))).rejects.toMatchObject({ reason: 'unproven_version' })
    await expect(take(request({ length: 100 }))).rejects.toMatchObject({ reason: 'unproven_version' })
    breaks = true
    await expect(take(request())).rejects.toMatchObject({ code: 'unavailable' })
  })

  test('throw what the store throws', async () => {
    const { take, stores } = house()
    await expect(take(request({ key: 'gone' }))).rejects.toMatchObject({ code: 'not_found' })
    await expect(take(request({ etag: 'v0' }))).rejects.toMatchObject({ code: 'aborted', reason: 'object_changed' })
    expect(stores.length).toBe(1)
    stores[0]!.cutBytes = () => 1
    await expect(take(request({ length: 50_000 }))).rejects.toMatchObject({ code: 'data_loss', retryable: true })
    expect(stores[0]?.openReads).toBe(0)
  })

  test.each([0, 350_000])('go on with fresh secrets after a refusal at byte %i', async (refusedAt) => {
    const { take, stores } = house((store, opening) => {
      store.beforeChunk = ({ offset }) => {
        if (opening === 1 && offset >= refusedAt) throw refusal()
      }
    })
    expect((await take(request())).equals(content)).toBe(true)
    expect(stores.length).toBe(2)
    expect(stores.map(({ closed, openReads }) => ({ closed, openReads }))).toEqual([
      { closed: true, openReads: 0 },
      { closed: false, openReads: 0 },
    ])
    // What the first store gave was not read again.
    const again = stores[1]?.reads.map(({ offset }) => offset) ?? []
    expect(Math.min(...again)).toBeGreaterThanOrEqual(refusedAt === 0 ? 0 : 300_000)
    expect((await take(request({ length: 10 }))).equals(content.subarray(0, 10))).toBe(true)
    expect(stores.length).toBe(2)
  })

  test('ask for secrets once a read, and not again at once for what is refused for good', async () => {
    const { take, opened, pass } = house((store) => {
      store.beforeChunk = () => {
        throw new SkeinError('permission_denied', 'AccessDenied')
      }
    })
    for (let read = 0; read < 3; read += 1)
      await expect(take(request())).rejects.toMatchObject({ code: 'permission_denied' })
    expect(opened.length).toBe(2)
    pass(1001)
    await expect(take(request())).rejects.toMatchObject({ code: 'permission_denied' })
    expect(opened.length).toBe(3)
  })

  test('one read asks for fresh secrets once, however often they may be asked for', async () => {
    const { take, opened } = house(
      (store, opening) => {
        if (opening > 4) throw new SkeinError('internal', 'asked again and again')
        store.beforeChunk = () => {
          throw refusal()
        }
      },
      { storeRenewPauseMs: 0 },
    )
    await expect(take(request())).rejects.toMatchObject({ code: 'unauthenticated', reason: 'expired_token' })
    expect(opened.length).toBe(2)
  })

  test('a store that could not be opened is opened for the next read', async () => {
    const { take } = house((_store, opening) => {
      if (opening === 1) throw new SkeinError('unavailable', 'no master')
    })
    await expect(take(request())).rejects.toMatchObject({ code: 'unavailable', message: 'no master' })
    expect((await take(request())).equals(content)).toBe(true)
  })

  test('a reader that leaves or is aborted gives back every slot and byte', async () => {
    const { reads, take, stores } = house(undefined, { readSlots: 1, readAheadBytesMax: 100_000 })
    for (let round = 0; round < 3; round += 1) {
      const { chunks } = await reads.readStore(request(), never)
      for await (const chunk of chunks) {
        expect(chunk.length).toBeGreaterThan(0)
        break
      }
      expect(stores[0]?.openReads).toBe(0)
      const leave = new AbortController()
      const aborted = await reads.readStore(request(), leave.signal)
      await expect(
        (async () => {
          for await (const chunk of aborted.chunks)
            leave.abort(new SkeinError('cancelled', `gone after ${chunk.length}`))
        })(),
      ).rejects.toMatchObject({ code: 'cancelled' })
      expect(stores[0]?.openReads).toBe(0)
    }
    // A slot or a byte that was not given back would keep this one waiting for ever.
    expect((await take(request())).equals(content)).toBe(true)
    await reads.close()
    expect(stores.map(({ closed }) => closed)).toEqual([true])
  })

  test('a store in use is closed after its last read', async () => {
    const { reads, stores } = house()
    const { chunks } = await reads.readStore(request(), never)
    let got = 0
    for await (const chunk of chunks) {
      if (got === 0) await reads.close()
      expect(stores[0]?.closed).toBe(false)
      got += chunk.length
    }
    expect(got).toBe(length)
    expect(stores[0]?.closed).toBe(true)
  })

  test('idle stores are bounded', async () => {
    const { take, stores, opened } = house(undefined, { idleStoresMax: 2 })
    for (const namespaceId of ['a', 'b', 'c', 'd']) await take(request({ namespaceId, length: 1 }))
    expect(stores.map(({ closed }) => closed)).toEqual([true, true, false, false])
    await take(request({ namespaceId: 'd', length: 1 }))
    expect(opened).toEqual(['a', 'b', 'c', 'd'])
  })

  test('keys and ranges that no file has are refused before a store is opened', async () => {
    const { reads, opened } = house()
    for (const part of [
      { key: '../secret' },
      { key: 'a/../../b' },
      { key: 'a\0' },
      { key: 'k'.repeat(1025) },
      { offset: -1 },
      { length: 0 },
      { offset: 2 ** 53 },
    ]) {
      await expect(reads.readStore(request(part), never)).rejects.toMatchObject({ code: 'invalid_argument' })
    }
    expect(opened).toEqual([])
  })
})
