// Reading ahead: only behind sequential readers, within one budget, and never another byte than the
// file's.
import * as fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { abortReason } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { AheadMemory } from '../../../src/client/open/ahead-memory.ts'
import type { FillPart } from '../../../src/client/open/ahead-part.ts'
import { ReadAhead } from '../../../src/client/open/handle-read-ahead.ts'
import { ReadPattern } from '../../../src/client/open/read-pattern.ts'
import { ManualClock } from './support/manual-clock.ts'
import { bytesOf, ReadWorld } from './support/read-world.ts'

const mebibyte = 1024 * 1024
const kibibyte = 1024
const never = new AbortController().signal
const content = bytesOf(24 * mebibyte + 77)
let clock: ManualClock
let requests: [number, number][]
let isInFile: (offset: number) => boolean

beforeEach(() => {
  clock = new ManualClock()
  requests = []
  isInFile = () => false
})

/** Fills at once, in pieces as the target has them. */
const fillAtOnce: FillPart = async ({ offset, length }, target, _signal, onBytes) => {
  requests.push([offset, length])
  for (let at = offset; at < offset + length;) {
    const memory = target.at(at)
    const part = content.subarray(at, Math.min(offset + length, at + memory.length))
    memory.set(part)
    at += part.length
    onBytes(at - offset)
  }
}

function readerOf(memory: AheadMemory, fill: FillPart = fillAtOnce, length = content.length): ReadAhead {
  return new ReadAhead({ readRange: fill, isInFile: (offset) => isInFile(offset), length, memory, clock })
}

async function read(reader: ReadAhead, offset: number, length: number): Promise<void> {
  const into = Buffer.alloc(length)
  await reader.read({ offset, length }, into, never)
  expect(into.equals(content.subarray(offset, offset + length))).toBe(true)
}

describe('ReadPattern', () => {
  test('sees streams, beside single reads elsewhere', () => {
    const pattern = new ReadPattern()
    const notes = (
      [
        [5_000_000, 10],
        [0, 10],
        [10, 10],
        [20, 10],
        [9_000_000, 10],
        [30, 10],
        [9_000_010, 10],
        [40, 10],
        [9_000_020, 10],
      ] as const
    ).map(([position, length]) => pattern.note(position, length))
    expect(notes).toEqual([
      ...['random', 'random', 'begins', 'follows', 'random', 'follows', 'begins', 'random', 'follows'],
    ])
  })

  test('takes reads that come a little out of order', () => {
    const pattern = new ReadPattern()
    const notes = [0, 1, 3, 2, 4, 6, 5].map((index) => pattern.note(index * 1000, 1000))
    expect(notes).toEqual(['random', 'begins', 'follows', 'follows', 'follows', 'follows', 'follows'])
    expect(pattern.next).toBe(7000)
  })
})

describe('reading ahead', () => {
  test('random reads request their own bytes only', async () => {
    const reader = readerOf(new AheadMemory(64 * mebibyte, clock))
    const places = [9, 3, 17, 0, 12, 5, 21, 1].map((place) => place * mebibyte)
    for (const place of places) await read(reader, place, 4 * kibibyte)
    expect(requests).toEqual(places.map((place) => [place, 4 * kibibyte]))
  })

  test('grows with the reads of a stream, up to a bound, and then costs no request a read', async () => {
    const memory = new AheadMemory(64 * mebibyte, clock)
    const reader = readerOf(memory)
    for (let at = 0; at < 12 * mebibyte; at += 64 * kibibyte) {
      await read(reader, at, 64 * kibibyte)
      const aheadTo = Math.max(...requests.map(([offset, length]) => offset + length))
      // Never much more ahead than what was read, and never more than two parts.
      expect(aheadTo - at).toBeLessThanOrEqual(Math.max(512 * kibibyte, Math.min(4 * at, 8 * mebibyte)))
      expect(memory.usedBytes).toBeLessThanOrEqual(13 * mebibyte)
    }
    expect(requests.slice(0, 2)).toEqual([
      [0, 64 * kibibyte],
      [64 * kibibyte, 64 * kibibyte],
    ])
    const lengths = requests.slice(2).map(([, length]) => length / kibibyte)
    expect(lengths.slice(0, 5)).toEqual([256, 512, 1024, 2048, 4096])
    expect(lengths.slice(5).every((length) => length === 4096)).toBe(true)
    await reader.close()
    expect(memory.usedBytes).toBe(0)
  })

  test('requests nothing ahead where large reads come from files of this host', async () => {
    const memory = new AheadMemory(64 * mebibyte, clock)
    const reader = readerOf(memory)
    isInFile = (offset) => offset < 8 * mebibyte
    for (let at = 0; at < 8 * mebibyte; at += mebibyte) await read(reader, at, mebibyte)
    expect(requests.slice(0, 7)).toEqual([0, 1, 2, 3, 4, 5, 6].map((page) => [page * mebibyte, mebibyte]))
    // The last read of the file leads to a part of what comes from elsewhere.
    expect(requests.slice(7)).toEqual([
      [7 * mebibyte, mebibyte],
      [8 * mebibyte, 256 * kibibyte],
    ])
    await reader.close()
    // Small reads of a file are worth a part: a page is read and checked once for all of them.
    requests = []
    const small = readerOf(memory)
    isInFile = () => true
    for (let at = 0; at < 64 * kibibyte; at += 16 * kibibyte) await read(small, at, 16 * kibibyte)
    expect(requests.at(-1)).toEqual([32 * kibibyte, 256 * kibibyte])
    await small.close()
    expect(memory.usedBytes).toBe(0)
  })

  test('ends at the end of the file, and begins anew elsewhere', async () => {
    const memory = new AheadMemory(64 * mebibyte, clock)
    const reader = readerOf(memory)
    for (let at = 0; at < content.length; at += mebibyte)
      await read(reader, at, Math.min(mebibyte, content.length - at))
    expect(Math.max(...requests.map(([offset, length]) => offset + length))).toBe(content.length)
    requests = []
    for (const at of [5, 6]) await read(reader, at * mebibyte, mebibyte)
    expect(requests).toEqual([
      [5 * mebibyte, mebibyte],
      [6 * mebibyte, mebibyte],
      [7 * mebibyte, 256 * kibibyte],
    ])
    expect(memory.usedBytes).toBe(mebibyte)
  })

  test('a read that goes past the parts reads the rest straight into its memory', async () => {
    const reader = readerOf(new AheadMemory(64 * mebibyte, clock))
    for (const at of [0, 1, 2]) await read(reader, at * 100_000, 100_000)
    requests = []
    await read(reader, 300_000, 5 * mebibyte)
    expect(requests[0]).toEqual([200_000 + 256 * kibibyte, 300_000 + 5 * mebibyte - 200_000 - 256 * kibibyte])
  })

  test('does not use more than its budget, and reads without it when others have it', async () => {
    const memory = new AheadMemory(3 * mebibyte, clock)
    const readers = Array.from({ length: 5 }, () => readerOf(memory))
    for (let at = 0; at < 4 * mebibyte; at += 128 * kibibyte)
      for (const reader of readers) {
        await read(reader, at, 128 * kibibyte)
        expect(memory.usedBytes).toBeLessThanOrEqual(3 * mebibyte)
      }
    for (const reader of readers) await reader.close()
    expect(memory.usedBytes).toBe(0)
    const off = readerOf(new AheadMemory(mebibyte - 1, clock))
    requests = []
    for (const at of [0, 1, 2, 3]) await read(off, at * 1000, 1000)
    expect(requests.map(([offset]) => offset)).toEqual([0, 1000, 2000, 3000])
  })

  test('takes the memory of handles that nobody reads any more', async () => {
    const memory = new AheadMemory(4 * mebibyte, clock)
    const idle = Array.from({ length: 4 }, () => readerOf(memory))
    for (const reader of idle) for (const at of [0, 1]) await read(reader, at * 1000, 1000)
    expect(memory.usedBytes).toBe(4 * mebibyte)
    const busy = readerOf(memory)
    for (const at of [0, 1]) await read(busy, at * 1000, 1000)
    expect(requests.at(-1)).toEqual([1000, 1000])
    clock.passMs(1000)
    await read(busy, 2000, 1000)
    expect([requests.at(-1), memory.usedBytes]).toEqual([[3000, 256 * kibibyte], mebibyte])
    for (const reader of idle) await read(reader, 2000, 1000)
  })

  test("an error of a request ahead is not the reader's: it reads the rest itself", async () => {
    const memory = new AheadMemory(64 * mebibyte, clock)
    let isFirstAhead = true
    const reader = readerOf(memory, async (range, target, signal, onBytes) => {
      if (range.length !== 256 * kibibyte || !isFirstAhead) return fillAtOnce(range, target, signal, onBytes)
      isFirstAhead = false
      await fillAtOnce({ offset: range.offset, length: 500 }, target, signal, onBytes)
      throw new SkeinError('unavailable', 'cut')
    })
    for (const at of [0, 1, 2, 3]) await read(reader, at * 1000, 1000)
    await reader.close()
    expect([isFirstAhead, memory.usedBytes]).toEqual([false, 0])
  })

  test('the end of a handle ends its requests, and gives back their memory when they have ended', async () => {
    const memory = new AheadMemory(64 * mebibyte, clock)
    const ended = Promise.withResolvers<void>()
    const reader = readerOf(memory, async (range, target, signal, onBytes) => {
      if (range.length < 256 * kibibyte) return fillAtOnce(range, target, signal, onBytes)
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
      await ended.promise
      throw abortReason(signal)
    })
    for (const at of [0, 1]) await read(reader, at * 1000, 1000)
    const closed = reader.close()
    expect(memory.usedBytes).toBe(mebibyte)
    ended.resolve()
    await closed
    expect(memory.usedBytes).toBe(0)
  })

  test('a read that is stopped leaves the part to the others', async () => {
    const memory = new AheadMemory(64 * mebibyte, clock)
    const gate = Promise.withResolvers<void>()
    const reader = readerOf(memory, async (range, target, signal, onBytes) => {
      if (range.length === 256 * kibibyte) await gate.promise
      return fillAtOnce(range, target, signal, onBytes)
    })
    for (const at of [0, 1]) await read(reader, at * 1000, 1000)
    const controller = new AbortController()
    const stopped = reader.read({ offset: 2000, length: 1000 }, Buffer.alloc(1000), controller.signal)
    const other = read(reader, 2500, 1000)
    controller.abort(new SkeinError('cancelled', 'stopped'))
    await expect(stopped).rejects.toMatchObject({ code: 'cancelled' })
    gate.resolve()
    await other
    expect(requests.filter(([offset]) => offset >= 2000)).toEqual([[2000, 256 * kibibyte]])
  })
})

describe('handles that read ahead', () => {
  const readAt = fc.record({
    handle: fc.nat(2),
    kind: fc.constantFrom('next', 'next', 'next', 'next', 'back', 'random'),
    place: fc.nat(3 * mebibyte),
    length: fc.constantFrom(1, 1000, 70_000, 300_000, 1_500_000),
    wait: fc.boolean(),
    event: fc.constantFrom('none', 'none', 'none', 'move', 'down', 'up', 'stop', 'second'),
  })

  test('request parts of blocks of other hosts only, and of those here once they have failed', async () => {
    const world = new ReadWorld()
    world.put('/ns/f', content.subarray(0, 16 * mebibyte), { blockSizeBytes: 16 * mebibyte, workers: ['a', 'b'] })
    const read4 = async (here: string | undefined): Promise<number> => {
      const fileSystem = world.fileSystem({ ahead: new AheadMemory(64 * mebibyte, clock), ...(here && { here }) })
      const handle = await fileSystem.open('/ns/f')
      world.reads.length = 0
      for (let at = 0; at < 4 * mebibyte; at += mebibyte) await handle.read(Buffer.alloc(mebibyte), at)
      await fileSystem.close()
      return Math.max(...world.reads.map(({ offset, length }) => offset + length)) / mebibyte
    }
    expect(await read4('a')).toBe(4)
    expect(await read4(undefined)).toBeGreaterThan(4)
    world.down.add('a')
    expect(await read4('a')).toBeGreaterThan(4)
  })

  test('read the bytes of the file, whatever happens to the workers', async () => {
    const whole = content.subarray(0, 3 * mebibyte + 5)
    await fc.assert(
      fc.asyncProperty(
        fc.array(readAt, { minLength: 5, maxLength: 40 }),
        fc.integer({ min: 0, max: 6 }),
        async (steps, budget) => {
          const world = new ReadWorld()
          world.put('/ns/f', whole, { blockSizeBytes: 1_000_000 })
          const ahead = new AheadMemory(budget * mebibyte, world.clock)
          const fileSystem = world.fileSystem({ ahead })
          const handles = await Promise.all([1, 2, 3].map(() => fileSystem.open('/ns/f')))
          const places = [0, 0, 0]
          const reads: Promise<void>[] = []
          for (const { handle, kind, place, length, wait, event } of steps) {
            if (event === 'move') world.move('/ns/f', [place % 2 === 0 ? 'a' : 'c'])
            if (event === 'down') world.down.add('a')
            if (event === 'up') world.down.clear()
            if (event === 'second') world.clock.passMs(1000)
            const last = places[handle] ?? 0
            const from = kind === 'next' ? last : kind === 'back' ? Math.max(0, last - length - 5) : place
            places[handle] = from + length
            const into = Buffer.alloc(length)
            const controller = new AbortController()
            const one = handles[handle]!.read(into, from, { signal: controller.signal }).then(
              (got) => {
                const wanted = whole.subarray(from, from + length)
                expect([got, into.subarray(0, got).equals(wanted)]).toEqual([wanted.length, true])
              },
              (thrown: unknown) => expect([event, thrown]).toEqual(['stop', controller.signal.reason]),
            )
            if (event === 'stop') controller.abort()
            reads.push(one)
            if (wait) await one
            expect(ahead.usedBytes).toBeLessThanOrEqual(budget * mebibyte)
          }
          await Promise.all(reads)
          await fileSystem.close()
          expect([ahead.usedBytes, world.readsInFlight]).toEqual([0, 0])
        },
      ),
      { numRuns: 60 },
    )
  })
})
