import { array, assert, asyncProperty, integer, nat, property, record } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Budget } from '../../../src/base/flow/budget.ts'
import { abortReason, seededRandom } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { readAhead, type ReadAheadOptions } from '../../../src/ufs/read-ahead.ts'
import type { ReadRequest } from '../../../src/ufs/under-file-system.ts'
import { nextStep, rangeFrom } from '../../../src/ufs/read-window.ts'

const signal = new AbortController().signal
const byteAt = (position: number): number => (position * 7 + (position >> 8)) & 0xff
const expected = (offset: number, length: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, index) => byteAt(offset + index)))

/**
 * A store whose ranges come in pieces, in any order in time, and that watches how many are read at
 * once.
 */
function slowStore(seed: number, failAt = -1) {
  const random = seededRandom(seed)
  const seen = { inFlight: 0, inFlightMax: 0, reads: 0, left: 0, askedBytes: 0 }
  const turns = async (count: number): Promise<void> => {
    for (let turn = 0; turn < count; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve))
  }
  async function* read(
    { offset, length }: ReadRequest,
    stop: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    seen.inFlight += 1
    seen.reads += 1
    seen.askedBytes += length
    seen.inFlightMax = Math.max(seen.inFlightMax, seen.inFlight)
    try {
      for (let done = 0; done < length;) {
        await turns(Math.floor(random() * 4))
        if (stop.aborted) throw abortReason(stop)
        if (failAt >= offset + done && failAt < offset + length)
          throw new SkeinError('aborted', 'changed', { reason: 'object_changed', retryable: false })
        const take = Math.min(length - done, 1 + Math.floor(random() * 50))
        yield expected(offset + done, take)
        done += take
      }
    } finally {
      seen.inFlight -= 1
      seen.left += 1
    }
  }
  const readWhole = async (): Promise<Uint8Array> => Promise.reject(new Error('not used'))
  return { store: { read, readWhole }, seen }
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}

const request = (offset: number, length: number): ReadRequest => ({ key: 'k', etag: 'e', offset, length })
const options = (rangeBytes: number, rangesAhead: number, slots: number, bytes: number): ReadAheadOptions => ({
  rangeBytes,
  rangesAhead,
  slots: new Budget('slots', slots),
  bytes: new Budget('bytes', bytes),
})
const nothingHeld = ({ slots, bytes }: ReadAheadOptions): void => {
  expect({ slots: slots.used, bytes: bytes.used, waiting: slots.waiting + bytes.waiting }).toEqual({
    slots: 0,
    bytes: 0,
    waiting: 0,
  })
}

it('asks the first range alone what is stored with the object', async () => {
  const asked: number[] = []
  const store = {
    read: async function* ({ offset, length, onMetadata }: ReadRequest) {
      if (onMetadata !== undefined) asked.push(offset)
      onMetadata?.({ contentType: 'a/b' })
      yield expected(offset, length)
    },
    readWhole: async (): Promise<Uint8Array> => Promise.reject(new Error('not used')),
  }
  const told: unknown[] = []
  const onMetadata = (metadata: object): void => void told.push(metadata)
  const reading = readAhead(store, { ...request(100, 1000), onMetadata }, options(100, 4, 4, 4000), signal)
  for await (const chunk of reading) expect(chunk.length).toBe(100)
  expect([asked, told]).toEqual([[100], [{ contentType: 'a/b' }]])
})

describe('read-ahead', () => {
  it('gives the bytes in order, within its budgets, however it is cut', async () => {
    await assert(
      asyncProperty(
        record({
          offset: nat(1000),
          length: nat(600),
          range: integer({ min: 1, max: 200 }),
          ahead: integer({ min: 1, max: 8 }),
          slots: integer({ min: 1, max: 4 }),
          bytes: integer({ min: 1, max: 600 }),
          seed: nat(),
        }),
        async ({ offset, length, range, ahead, slots, bytes, seed }) => {
          const limits = options(range, ahead, slots, bytes)
          const { store, seen } = slowStore(seed)
          const got: Uint8Array[] = []
          let consumed = 0
          for await (const chunk of readAhead(store, request(offset, length), limits, signal)) {
            got.push(chunk)
            // What was asked for and is not consumed, in whole ranges, is what memory may hold.
            expect(seen.askedBytes).toBeLessThanOrEqual(Math.floor(consumed / range) * range + Math.max(bytes, range))
            consumed += chunk.length
          }
          expect(expected(offset, length).equals(Buffer.concat(got))).toBe(true)
          expect(seen.inFlightMax).toBeLessThanOrEqual(Math.min(slots, ahead))
          expect(seen.reads).toBe(Math.ceil(length / range))
          expect(limits.bytes.peak).toBeLessThanOrEqual(bytes)
          nothingHeld(limits)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('really reads ahead', async () => {
    const { store, seen } = slowStore(1)
    await collect(readAhead(store, request(0, 1000), options(100, 4, 10, 10_000), signal))
    expect(seen.inFlightMax).toBeGreaterThan(1)
  })

  it('brings many streams through a budget of one range, whatever their readers do', async () => {
    const limits = options(100, 8, 1, 100)
    const { store } = slowStore(2)
    const streams = Array.from({ length: 30 }, async (_, index) => {
      const chunks = readAhead(store, request(index, 450), limits, signal)
      if (index % 3 === 0) {
        for await (const _chunk of chunks) break
        return
      }
      expect(expected(index, 450).equals(await collect(chunks))).toBe(true)
    })
    await Promise.all(streams)
    nothingHeld(limits)
  })

  it('gives everything back when a range fails, after the bytes before it', async () => {
    const limits = options(100, 4, 4, 1000)
    const { store, seen } = slowStore(3, 250)
    const got: Uint8Array[] = []
    const reading = (async () => {
      for await (const chunk of readAhead(store, request(0, 900), limits, signal)) got.push(chunk)
    })()
    await expect(reading).rejects.toMatchObject({ reason: 'object_changed' })
    const bytes = Buffer.concat(got)
    expect(bytes.length).toBeGreaterThanOrEqual(200)
    expect(expected(0, bytes.length).equals(bytes)).toBe(true)
    expect(seen.left).toBe(seen.reads)
    nothingHeld(limits)
  })

  it('gives everything back when it is stopped, also while it waits for room', async () => {
    const limits = options(100, 4, 4, 200)
    const room = await limits.bytes.acquire(200, signal)
    const control = new AbortController()
    const { store, seen } = slowStore(4)
    const reading = collect(readAhead(store, request(0, 900), limits, control.signal))
    await new Promise<void>((resolve) => setImmediate(resolve))
    control.abort(new SkeinError('cancelled', 'stop'))
    await expect(reading).rejects.toMatchObject({ code: 'cancelled' })
    room.release()
    expect(seen.reads).toBe(0)
    nothingHeld(limits)
    const later = new AbortController()
    const stopped = (async () => {
      for await (const _chunk of readAhead(store, request(0, 900), limits, later.signal))
        later.abort(new SkeinError('cancelled', 'stop'))
    })()
    await expect(stopped).rejects.toMatchObject({ code: 'cancelled' })
    nothingHeld(limits)
  })
})

describe('the read window', () => {
  it('cuts what is wanted into ranges without gap or overlap', () => {
    assert(
      property(nat(10_000), nat(10_000), array(integer({ min: 1, max: 3000 })), (offset, length, sizes) => {
        const window = { end: offset + length, rangesAhead: 4 }
        let at = offset
        for (let index = 0; nextStep(window, at, 0) === 'must'; index += 1) {
          const rangeBytes = sizes[index] ?? 1000
          const range = rangeFrom(window, at, rangeBytes)
          expect(range.offset).toBe(at)
          expect(range.length).toBeGreaterThan(0)
          expect(range.length).toBeLessThanOrEqual(rangeBytes)
          at += range.length
        }
        expect(at).toBe(offset + length)
      }),
    )
  })

  it('owes the first range, and takes no more than it may', () => {
    const window = { end: 1000, rangesAhead: 3 }
    expect(nextStep(window, 0, 0)).toBe('must')
    expect(nextStep(window, 100, 1)).toBe('may')
    expect(nextStep(window, 300, 3)).toBe('wait')
    expect(nextStep(window, 300, 2)).toBe('may')
    expect(nextStep(window, 300, 0)).toBe('must')
    expect(nextStep(window, 1000, 0)).toBe('wait')
    expect(nextStep({ ...window, end: 0 }, 0, 0)).toBe('wait')
  })
})
