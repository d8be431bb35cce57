// Why: exit 0 means every byte of every object, whatever the store says. How: random truths told
// with random lies through all of Skein (test/support/lying-store). SKEIN_TEST_LONG=1 plays 5,000
// seeds; SKEIN_SEED=n replays one, SKEIN_SEED=n+count as many at the same time. And a test that
// cannot fail is none: rules of trust are taken away one after the other, and the oracle must see
// each.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type * as listedNames from '../../src/cache-master/store/listed-names.ts'
import type * as looks from '../../src/cache-master/store/listing-looks.ts'
import type * as rangeAnswer from '../../src/ufs/trust/range-answer.ts'
import type * as rules from '../../src/ufs/trust/rules.ts'
import type { ListPage } from '../../src/ufs/under-file-system.ts'
import { type Lie, lies } from '../support/lying-store/lies.ts'
import { LyingWorld } from '../support/lying-store/world.ts'
import { ordinaryOrLong } from '../support/run-length.ts'

type ListedNames = typeof listedNames
type Looks = typeof looks
type RangeAnswer = typeof rangeAnswer
type Rules = typeof rules

/** The faults that are planted now. */
const planted = vi.hoisted(() => new Set<string>())

vi.mock('../../src/ufs/trust/rules.ts', async (original) => {
  const { trustRules, ...rest } = await original<Rules>()
  const { listing } = trustRules
  const faulty: Rules['trustRules']['listing'] = {
    ...listing,
    checkOrder: (...args) => (planted.has('order') ? undefined : listing.checkOrder(...args)),
    goesBack: (...args) => !planted.has('order') && listing.goesBack(...args),
    checkSpelling: (...args) => (planted.has('spelling') ? undefined : listing.checkSpelling(...args)),
    checkFolding: (...args) => (planted.has('folding') ? undefined : listing.checkFolding(...args)),
    checkCount: (...args) => (planted.has('count') ? undefined : listing.checkCount(...args)),
    more: (raw, ...args) => {
      const more = listing.more(raw, ...args)
      const isEnd =
        (planted.has('token') && raw.IsTruncated === 'false') ||
        (planted.has('silence') && raw.IsTruncated === undefined) ||
        (planted.has('empty') && raw.contents.length === 0)
      return isEnd ? { ...more, truncated: false, token: undefined } : more
    },
  }
  return { ...rest, trustRules: { ...trustRules, listing: faulty } }
})

vi.mock('../../src/ufs/trust/range-answer.ts', async (original) => {
  const real = await original<RangeAnswer>()
  const rangeProblem: RangeAnswer['rangeProblem'] = (question, status, headers) => {
    if (planted.has('range')) return undefined
    const problem = real.rangeProblem(question, status, headers)
    if (planted.has('unproven') && problem?.kind === 'unproven' && status === 206) return undefined
    if (planted.has('version') && problem?.kind === 'changed' && problem.text.startsWith('ETag')) return undefined
    return planted.has('size') && problem?.kind === 'changed' && problem.text.startsWith('the object has')
      ? undefined
      : problem
  }
  return { ...real, rangeProblem }
})

vi.mock('../../src/cache-master/store/listing-looks.ts', async (original) => {
  const real = await original<Looks>()
  const believed = (page: ListPage): ListPage => ({
    ...page,
    objects: page.objects.map(({ doubt: _doubt, ...object }) => object),
  })
  const withOwnWord: Looks['withOwnWord'] = (page, ...args) =>
    planted.has('doubts') ? Promise.resolve(believed(page)) : real.withOwnWord(page, ...args)
  const goneOf: Looks['goneOf'] = (keys, ...args) =>
    planted.has('removals') ? Promise.resolve(new Set(keys)) : real.goneOf(keys, ...args)
  return { ...real, withOwnWord, goneOf }
})

vi.mock('../../src/cache-master/store/listed-names.ts', async (original) => {
  const real = await original<ListedNames>()
  const listedObject: ListedNames['listedObject'] = (...args) =>
    planted.has('names') ? Promise.resolve(undefined) : real.listedObject(...args)
  return { ...real, listedObject }
})

const replayed = process.env['SKEIN_SEED']
/** `n` is one seed; `n+count` are as many, told at the same time. */
const [replayedFirst, replayedCount = '1'] = replayed?.split('+') ?? []
const seeds = replayed === undefined ? ordinaryOrLong(300, 5000) : Number(replayedCount)
const first = replayed === undefined ? Math.floor(Math.random() * 2 ** 30) : Number(replayedFirst)
const atOnce = 16
const world = new LyingWorld()

beforeAll(() => world.start())
afterAll(() => world.stop())

/** The first problems of so many seeds, until there is one. */
async function problems(
  from: number,
  count: number,
  forced?: (typeof lies)[number][],
  parallel = atOnce,
): Promise<string[]> {
  const found: string[] = []
  let next = 0
  const play = async (): Promise<void> => {
    while (next < count && found.length === 0) {
      const seed = from + next
      next += 1
      const problem = await world.problem(seed, forced)
      if (problem !== undefined) found.push(`${problem} (SKEIN_SEED=${seed})`)
    }
  }
  await Promise.all(Array.from({ length: Math.min(parallel, count) }, play))
  return found
}

it(
  'believes no lie of a store',
  async () => {
    expect(await problems(first, seeds)).toEqual([])
  },
  ordinaryOrLong(900_000, 4 * 3_600_000),
)

it.each([
  ['small', 1000],
  ['large', 2_000_000],
])('holds up no load of another store: %s objects', async (_name, bytes) => {
  const slowDown: Lie = {
    name: 'GET answers 503',
    get: (answer) => {
      answer.status = 503
      answer.body = Buffer.from('<Error><Code>SlowDown</Code></Error>')
      answer.headers = { 'content-length': String(answer.body.length) }
    },
  }
  expect(await world.problemBeside(slowDown, bytes)).toBeUndefined()
})

describe.skipIf(replayed !== undefined)('would lose what is there', () => {
  it.each([
    ['if what a listing leaves out were gone', ['removals'], 'known objects are left out'],
    ['if the order of a listing were believed', ['order', 'removals'], 'keys in the order of directories'],
    ['if a token did not mean more', ['token'], 'a token, and no more'],
    ['if no word on more meant the end', ['silence'], 'no word on more'],
    ['if an empty page were the end', ['empty'], 'an empty page first'],
    ['if prefixes that nobody asked for were passed over', ['folding'], 'the last key is folded'],
    ['if the number of entries were not looked at', ['count'], 'fewer entries than it says'],
    ['if a character could be encoded and not', ['spelling'], 'keys that are said to be encoded', 'no ETag'],
    ['if a Size of 0 were believed', ['doubts'], 'a Size of 0'],
    ['if the Size of a listing were believed', ['size'], 'a Size that is too small'],
    ['if a range without an ETag were data', ['unproven'], 'objects are replaced, and GET does not say so'],
    ['if another ETag were no matter', ['version'], 'objects are replaced, and If-Match is ignored'],
    [
      'if a listed name that answers 404 were gone',
      ['names'],
      'keys that are encoded, and no word of it',
      'a Size of 0',
    ],
    ['if Content-Range were not looked at', ['range'], 'the range beside it'],
  ] as [string, string[], ...string[]][])(
    '%s',
    async (_name, faults, ...told) => {
      for (const fault of faults) planted.add(fault)
      try {
        const forced = lies.filter(({ name }) => told.includes(name))
        expect(await problems(7000, 40, forced, 6)).not.toEqual([])
      } finally {
        planted.clear()
      }
    },
    300_000,
  )
})
