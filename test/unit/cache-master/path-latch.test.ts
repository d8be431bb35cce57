// Why: two that overlap must never hold at the same time, and nobody may wait for more than who
// came before. How: by hand, and any order of requests, releases and aborts against a model that is
// a list.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { type Hold, PathLatch } from '../../../src/cache-master/state/path-latch.ts'

const never = new AbortController().signal
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** @returns whether it is settled by now */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const note = (): void => void (settled = true)
  promise.then(note, note)
  await turn()
  return settled
}

describe('a latch on paths', () => {
  it.each([
    ['a/b', 'a/b', true],
    ['a/', 'a/b', true],
    ['a/b/c/d', 'a/b/', true],
    ['', 'a', true],
    ['a/', 'a/', true],
    ['a', 'a/', false],
    ['a/b', 'a/bc', false],
    ['a/b', 'a/b/c', false],
    ['a/b/', 'a/c', false],
  ])("%j and %j: in each other's way: %j", async (one, other, isInTheWay) => {
    for (const [first, second] of [
      [one, other],
      [other, one],
    ] as const) {
      const latch = new PathLatch<string>()
      const hold = await latch.take('ns', [first], 'first', never)
      expect(latch.first('ns', [second])?.purpose).toBe(isInTheWay ? 'first' : undefined)
      expect(latch.tryTake('ns', ['zzz', second], 'second') === undefined).toBe(isInTheWay)
      expect(latch.tryTake('other', [second], 'third')).toBeDefined()
      hold.release()
      hold.release()
    }
  })

  it('takes several keys at once, and has none of them while it waits for one', async () => {
    const latch = new PathLatch<string>()
    const a = await latch.take('ns', ['a'], '', never)
    const both = latch.take('ns', ['a', 'b'], '', never)
    // Behind `both`, which came first, although nobody holds b.
    const b = latch.take('ns', ['b'], '', never)
    expect([await isSettled(both), await isSettled(b)]).toEqual([false, false])
    a.release()
    const hold = await both
    expect(await isSettled(b)).toBe(false)
    hold.release()
    ;(await b).release()
    expect(latch.size).toBe(0)
  })

  it('is left by who gives up, with its reason, as if it had never come', async () => {
    const latch = new PathLatch<string>()
    const reader = await latch.take('ns', ['a/x'], '', never)
    const giving = new AbortController()
    const tree = latch.take('ns', ['a/'], '', giving.signal)
    const behind = latch.take('ns', ['a/y'], '', never)
    expect(await isSettled(behind)).toBe(false)
    giving.abort(new SkeinError('deadline_exceeded', 'too late'))
    await expect(tree).rejects.toMatchObject({ code: 'deadline_exceeded', message: 'too late' })
    ;(await behind).release()
    reader.release()
    await expect(latch.take('ns', ['a/'], '', giving.signal)).rejects.toMatchObject({ message: 'too late' })
    expect(latch.size).toBe(0)
  })

  it('grants whoever nobody before is in the way of, and nobody else, in any order of events', async () => {
    const keys = fc.uniqueArray(fc.constantFrom('', 'a', 'a/', 'a/b', 'a/b/', 'a/b/c', 'b', 'b/', 'b/c'), {
      minLength: 1,
      maxLength: 3,
    })
    const event = fc.oneof(
      { weight: 3, arbitrary: fc.record({ type: fc.constant('take' as const), keys }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('try' as const), keys }) },
      { weight: 3, arbitrary: fc.record({ type: fc.constant('end' as const), which: fc.nat() }) },
    )
    const inTheWay = (one: readonly string[], other: readonly string[]): boolean => {
      const covers = (key: string, below: string): boolean =>
        key === below || (/^$|\/$/.test(key) && below.startsWith(key))
      return one.some((a) => other.some((b) => covers(a, b) || covers(b, a)))
    }
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 30 }), async (events) => {
        const latch = new PathLatch<number>()
        const model: { keys: readonly string[]; hold: Hold | undefined; failed: boolean; giveUp: AbortController }[] =
          []
        const isFree = (wanted: readonly string[], before = model.length): boolean =>
          !model.slice(0, before).some((request) => inTheWay(request.keys, wanted))
        const end = ({ hold, giveUp }: (typeof model)[number]): void =>
          hold === undefined ? giveUp.abort() : hold.release()
        for (const each of events) {
          if (each.type === 'take') {
            const request: (typeof model)[number] = {
              keys: each.keys,
              hold: undefined,
              failed: false,
              giveUp: new AbortController(),
            }
            model.push(request)
            latch.take('ns', each.keys, 0, request.giveUp.signal).then(
              (hold) => void (request.hold = hold),
              () => void (request.failed = true),
            )
          } else if (each.type === 'try') {
            const hold = latch.tryTake('ns', each.keys, 0)
            expect(hold !== undefined).toBe(isFree(each.keys))
            if (hold !== undefined) model.push({ keys: each.keys, hold, failed: false, giveUp: new AbortController() })
          } else if (model.length > 0) {
            const [ended] = model.splice(each.which % model.length, 1)
            if (ended === undefined) throw new Error('nothing ended')
            end(ended)
            await turn()
            expect(ended.failed).toBe(ended.hold === undefined)
          }
          await turn()
          expect(model.map(({ hold }) => hold !== undefined)).toEqual(
            model.map(({ keys: wanted }, at) => isFree(wanted, at)),
          )
          expect(latch.size).toBe(model.length)
        }
        for (const request of model.splice(0)) {
          end(request)
          await turn()
        }
        expect(latch.size).toBe(0)
      }),
      { numRuns: 300 },
    )
  })
})
