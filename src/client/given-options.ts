// Why: programs in JavaScript, and casts in TypeScript, give values of any type. A wrong one must
// not be taken for another meaning, nor end as an error of the inside. How: one table says which
// options a method takes and what each may be. Unknown ones are refused where they would have been
// written; elsewhere callers pass objects that have more for others. Pure.
import { fileTimeMsMax } from '../base/attributes/set-times.ts'
import { SkeinError } from '../base/errors.ts'

/** What is wrong with a value, to follow its name; undefined: nothing. */
type Problem = (value: unknown) => string | undefined

const flag: Problem = (value) => (typeof value === 'boolean' ? undefined : 'must be true or false')
const text: Problem = (value) => {
  if (typeof value !== 'string') return 'must be a string'
  return value.isWellFormed() ? undefined : 'is not well-formed Unicode'
}
const whole =
  (min: number, max: number = Number.MAX_SAFE_INTEGER): Problem =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
      ? undefined
      : `must be a whole number from ${min}${max === Number.MAX_SAFE_INTEGER ? ' on' : ` to ${max}`}`
const word =
  (...words: readonly string[]): Problem =>
  (value) =>
    words.includes(value as string) ? undefined : `must be one of ${words.map((one) => `'${one}'`).join(', ')}`
const either =
  (one: Problem, other: string): Problem =>
  (value) =>
    value === other || one(value) === undefined ? undefined : `${one(value)}, or '${other}'`
const texts: Problem = (value) => {
  if (!isObject(value)) return 'must be an object of strings'
  for (const [name, one] of Object.entries(value)) {
    const problem = text(name) ?? text(one)
    if (problem !== undefined) return `has an entry that ${problem}`
  }
  return undefined
}
const timeToLive: Problem = (value) =>
  isObject(value)
    ? problemOf(value, { ms: whole(0), action: word('FREE', 'DELETE') }, ['ms', 'action'])
    : "must be {ms, action: 'FREE' | 'DELETE'}"
const fileTime: Problem = (value) =>
  isObject(value)
    ? problemOf(value, { ms: whole(-fileTimeMsMax, fileTimeMsMax), ns: whole(0, 999_999) }, ['ms', 'ns'])
    : 'must be {ms, ns}'
const fileTimes: Problem = (value) =>
  isObject(value) ? problemOf(value, { modified: fileTime, accessed: fileTime }, []) : 'must be an object of times'
const list: Problem = (value) => {
  if (!Array.isArray(value)) return 'must be an array of strings'
  const problem = value.map(text).find((one) => one !== undefined)
  return problem === undefined ? undefined : `has an entry that ${problem}`
}
const age: Problem = (value) =>
  value === Number.POSITIVE_INFINITY || whole(0)(value) === undefined
    ? undefined
    : 'must be a whole number from 0 on, or Infinity'

const listener: Problem = (value) => (typeof value === 'function' ? undefined : 'must be a function')
const call = {
  signal: (value: unknown) => (value instanceof AbortSignal ? undefined : 'must be an AbortSignal'),
}
const busy = { ...call, waitMs: whole(0) }
const look = { ...call, maxAgeMs: age }
const ownership = { owner: text, group: text, mode: whole(0, 0o7777) }
const metadata = { contentType: text, userMetadata: texts, clientMetadata: texts }

const optionsOf = {
  call,
  stat: look,
  open: { ...look, onSource: listener, readAhead: flag },
  stream: { ...call, memory: (value) => (isObject(value) ? undefined : 'must be memory that is lent') },
  list: {
    ...look,
    ...{ recursive: flag, prefix: text, startAfter: text, pageSize: whole(1, 1001), withImplied: flag },
    ...{ onUnusable: listener, deadlineMs: whole(1) },
  },
  create: {
    ...{ ...call, ...ownership, ...metadata, ttl: timeToLive, blockSizeBytes: whole(1), length: whole(0) },
    ...{ ifExists: word('exclusive', 'overwrite'), ifFileId: whole(0), asObject: flag },
  },
  close: metadata,
  makeDirectory: { ...call, asObject: flag },
  rename: { ...busy, ifExists: word('exclusive', 'overwrite'), intoDirectory: flag, fileId: whole(0) },
  delete: {
    ...{ ...busy, recursive: flag, keepEntries: flag, cacheOnly: flag },
    ...{ kind: word('file', 'directory'), ifFileId: whole(0) },
  },
  free: { ...call, force: flag },
  loadMetadata: { ...call, recursive: flag },
  checkConsistency: { ...call, repair: flag },
  setAttributes: {
    ...{ ...call, ...ownership, modeMask: whole(0, 0o7777), clientMetadata: texts, times: fileTimes },
    ...{
      pinned: flag,
      recursive: flag,
      ttl: either(timeToLive, 'none'),
      replicationMin: whole(0),
      replicationMax: either(whole(0), 'none'),
    },
  },
  range: { offset: whole(0), length: whole(0) },
  load: {
    ...{ ...call, replication: whole(1, 1000), atomic: flag, evict: flag, metadataOnly: flag, verify: flag },
    ...{ bandwidth: text, priority: whole(1, 100), include: list, exclude: list },
  },
  connect: { master: text, home: text, properties: texts },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Problem>>>>

const strict: ReadonlySet<string> = new Set(['create', 'close', 'setAttributes', 'load', 'connect'])

const rangeNeeds: readonly string[] = ['offset']

/**
 * @param given undefined is as good as no options
 * @throws SkeinError invalid_argument, which names the first option that is unknown or wrong
 */
export function checkOptions(of: keyof typeof optionsOf, given: unknown): void {
  if (given === undefined) return
  if (!isObject(given)) throw invalid(`the options are ${shown(given)}: give an object`)
  const known: Readonly<Record<string, Problem>> = optionsOf[of]
  const other = strict.has(of) ? Object.keys(given).find((name) => !Object.hasOwn(known, name)) : undefined
  if (other !== undefined && given[other] !== undefined) throw invalid(`${shown(other)} is not a known option`)
  const problem = problemOf(given, known, of === 'range' ? rangeNeeds : [])
  if (problem !== undefined) throw invalid(problem)
}

/** @throws SkeinError invalid_argument */
export function checkPath(path: unknown): void {
  const problem = text(path)
  if (problem !== undefined) throw invalid(`the path ${shown(path)} ${problem}`)
}

/** @throws SkeinError invalid_argument */
export function checkBytes(bytes: unknown): void {
  if (!(bytes instanceof Uint8Array)) throw invalid(`the bytes are ${shown(bytes)}: give a Uint8Array`)
}

/** The first thing that is wrong. */
function problemOf(
  given: Readonly<Record<string, unknown>>,
  known: Readonly<Record<string, Problem>>,
  needed: readonly string[],
): string | undefined {
  for (const name of needed) if (given[name] === undefined) return `'${name}' is missing`
  // Each small read comes here several times: nothing is built unless something is wrong.
  for (const name in known) {
    const value = given[name]
    const problem = value === undefined ? undefined : known[name]?.(value)
    if (problem !== undefined) return `'${name}' is ${shown(value)}: it ${problem}`
  }
  return undefined
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Short, on one line. */
function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value)
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object'
  return typeof value === 'function' ? 'a function' : String(value)
}

function invalid(message: string): SkeinError {
  return new SkeinError('invalid_argument', message)
}
