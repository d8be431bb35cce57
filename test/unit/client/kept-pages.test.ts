// Pages of which readers want parts: read once for all parts, never more of them than allowed, and
// never the bytes of another page.
import * as fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { KeptPages } from '../../../src/client/read/kept-pages.ts'
import { ManualClock } from './support/manual-clock.ts'

const pageBytes = 1024 * 1024
let clock: ManualClock
let pages: KeptPages
let reads: string[]
/** Awaited by each read of a page. */
let gate: Promise<void>

beforeEach(() => {
  clock = new ManualClock()
  pages = new KeptPages({ pagesMax: 2, clock })
  reads = []
  gate = Promise.resolve()
})

/** Bytes of a part, in a page whose bytes all are the number of the page. */
async function part(block: string, page: number, bytes: number, length = pageBytes): Promise<number[]> {
  const seen: number[] = []
  await pages.of(block).use(
    page * pageBytes,
    length,
    async (into) => {
      reads.push(`${block} ${page}`)
      await gate
      into.fill(page)
    },
    (memory) => {
      expect(memory.length).toBe(length)
      seen.push(memory[0] ?? -1, memory.at(-1) ?? -1)
      return bytes
    },
  )
  return seen
}

describe('KeptPages', () => {
  test('a page is read once for all of its parts, and gone with the last one', async () => {
    for (let at = 0; at < 4; at += 1) expect(await part('a', 3, pageBytes / 4)).toEqual([3, 3])
    expect([reads, pages.size]).toEqual([['a 3'], 0])
    await part('a', 3, 1)
    expect(reads).toHaveLength(2)
  })

  test('parts that are wanted at the same time wait for one read', async () => {
    const opened = Promise.withResolvers<void>()
    gate = opened.promise
    const parts = [1, 2, 3].map(() => part('a', 0, 10))
    opened.resolve()
    expect(await Promise.all(parts)).toEqual([1, 2, 3].map(() => [0, 0]))
    expect(reads).toEqual(['a 0'])
  })

  test('the page that was used last stays, and idle ones go after a while', async () => {
    for (const page of [0, 1, 0, 2, 0]) await part('a', page, 10)
    expect([reads, pages.size]).toEqual([['a 0', 'a 1', 'a 2'], 2])
    await part('a', 1, 10)
    expect(reads).toHaveLength(4)
    clock.passMs(500)
    expect(pages.size).toBe(2)
    clock.passMs(500)
    expect([pages.size, clock.waiting]).toEqual([0, 1])
    clock.passMs(10_000)
    clock.passMs(10_000)
    expect(clock.waiting).toBe(0)
  })

  test('pages of other blocks are other pages', async () => {
    await part('a', 0, 10)
    await part('b', 0, 10)
    await part('b', 1, 10, 100)
    expect(reads).toEqual(['a 0', 'b 0', 'b 1'])
  })

  test('an error reaches all who wait, and the page is read again', async () => {
    const opened = Promise.withResolvers<void>()
    gate = opened.promise
    const parts = [part('a', 0, 10), part('a', 0, 10)]
    opened.reject(new Error('rotten'))
    for (const one of await Promise.allSettled(parts)) expect(one).toMatchObject({ reason: { message: 'rotten' } })
    expect(pages.size).toBe(0)
    gate = Promise.resolve()
    expect(await part('a', 0, 10)).toEqual([0, 0])
  })

  test('memory of a page is not another page while somebody waits for it', async () => {
    const step = fc.record({ page: fc.nat(6), bytes: fc.constantFrom(1, pageBytes / 2, pageBytes), wait: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 20 }), async (steps) => {
        pages = new KeptPages({ pagesMax: 2, clock })
        const parts: Promise<void>[] = []
        for (const { page, bytes, wait } of steps) {
          gate = new Promise((resolve) => setImmediate(resolve))
          const one = part('a', page, bytes).then((seen) => expect(seen).toEqual([page, page]))
          parts.push(one)
          if (wait) await one
        }
        await Promise.all(parts)
        expect(pages.size).toBeLessThanOrEqual(2)
        pages.close()
        expect(pages.size).toBe(0)
      }),
      { numRuns: 30 },
    )
  })
})
