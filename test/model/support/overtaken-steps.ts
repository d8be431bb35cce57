// Why: random steps for the model of overtaken listings, and which of them it can tell apart: some
// interleavings have two right answers, and are left out.
import * as fc from 'fast-check'

const own = ['d/a', 'd/b', 'e/a', 'e/f/b', 'x'] as const
const foreign = ['g/a', 'g/h/b', 'y', 'z/c'] as const
const folders = ['d/', 'e/', 'm/'] as const

export type Step =
  | { readonly type: 'write' | 'persist' | 'remove' | 'forget' | 'free' | 'expire'; readonly key: string }
  | { readonly type: 'move'; readonly from: string; readonly to: string }
  | { readonly type: 'detach'; readonly key: string }
  | { readonly type: 'put'; readonly key: string; readonly etag: string }
  | { readonly type: 'take'; readonly key: string }
  | { readonly type: 'ask'; readonly how: 'tree' | 'children' | 'refresh' | 'probe'; readonly key: string }
  | { readonly type: 'answer'; readonly which: number }

const ownKey = fc.constantFrom(...own)
export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constantFrom('write', 'persist', 'remove', 'forget', 'free', 'expire'),
      key: ownKey,
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('move'), from: ownKey, to: ownKey }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('move'),
      from: fc.constantFrom(...folders),
      to: fc.constantFrom(...folders),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('detach'), key: fc.constantFrom(...folders) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('put'),
      key: fc.constantFrom(...foreign),
      etag: fc.constantFrom('v1', 'v2'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('take'), key: fc.constantFrom(...foreign) }) },
  {
    weight: 5,
    arbitrary: fc.oneof(
      fc.record({
        type: fc.constant('ask'),
        how: fc.constantFrom('tree', 'children'),
        key: fc.constantFrom('', 'd/', 'e/', 'g/'),
      }),
      fc.record({ type: fc.constant('ask'), how: fc.constant('refresh'), key: fc.constantFrom(...own, ...foreign) }),
      fc.record({
        type: fc.constant('ask'),
        how: fc.constant('probe'),
        key: fc.constantFrom('d/', 'e/', 'e/f/', 'g/', 'z/'),
      }),
    ),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('answer'), which: fc.nat(3) }) },
)

/**
 * What went here alone is at the store all the same: whether a later change finds it there depends
 * on who answered first, and one object is asked for again. So it is the last change by users, and
 * then only listings are asked for.
 */
function tellable(steps: readonly Step[]): readonly Step[] {
  const forgets = ({ type }: Step): boolean => type === 'forget' || type === 'detach'
  const last = steps.findIndex(forgets)
  if (last < 0) return steps
  const isListing = (one: Step): boolean => one.type !== 'ask' || one.how === 'tree' || one.how === 'children'
  return steps.filter((one, i) => isListing(one) && (i <= last || ['put', 'take', 'ask', 'answer'].includes(one.type)))
}

/**
 * A listing of children asks again below what is gone from it, when it comes in: it sees what
 * others did there meanwhile.
 */
function seenOnce(steps: readonly Step[]): readonly Step[] {
  const first = steps.findIndex((one) => one.type === 'ask' && one.how === 'children')
  return steps.filter(
    (one, i) => first < 0 || i < first || (one.type !== 'put' && one.type !== 'take') || !one.key.includes('/'),
  )
}

/**
 * What a listing leaves out is looked at when it comes in: what others took away and put there
 * again meanwhile is seen. So they put nothing back while listings are asked for.
 */
function goneForGood(steps: readonly Step[]): readonly Step[] {
  const first = steps.findIndex((one) => one.type === 'ask' && (one.how === 'tree' || one.how === 'children'))
  const isTaken = (key: string, before: number): boolean =>
    steps.slice(0, before).some((one) => one.type === 'take' && one.key === key)
  return steps.filter((one, i) => first < 0 || i < first || one.type !== 'put' || !isTaken(one.key, i))
}

/**
 * A probe that finds nothing leaves a directory known that a listing would remove: what others took
 * is not probed for.
 */
function notProbed(steps: readonly Step[]): readonly Step[] {
  const taken = (one: Step, before: readonly Step[]): boolean =>
    one.type === 'ask' &&
    one.how === 'probe' &&
    before.some(({ type, ...other }) => type === 'take' && 'key' in other && other.key.startsWith(one.key))
  return steps.filter((one, i) => !taken(one, steps.slice(0, i)))
}

/** The steps whose outcome does not depend on who answered first. */
export function decidable(steps: readonly Step[]): readonly Step[] {
  return goneForGood(notProbed(seenOnce(tellable(steps))))
}
