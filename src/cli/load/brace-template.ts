// Why: a dataset's shards are named by a template. How: braces as a shell knows them: `{a,b}`,
// `{0000..0999}` (zeros kept), `{0..10..2}`, `{a..e}`, nested; braces that are neither stay as they
// are, and `\{` is the character. Pure.
import { usageError } from '../frame/exit-codes.ts'

const namesMax = 10_000_000
/** Pairs of braces in one argument, and one inside another. */
const bracesMax = 1000
const depthMax = 64

/** Whether the text is more than one name, or has an escape. */
export function isTemplate(text: string): boolean {
  const [first, second] = expandBraces(text)
  return second !== undefined || first !== text
}

/**
 * The names, in order, one after the other. @throws SkeinError invalid_argument (usage) for more
 * than ten million, or too many braces
 */
export function* expandBraces(text: string): Generator<string, void, undefined> {
  checkBraces(text)
  let names = 0
  for (const name of expand(text)) {
    names += 1
    if (names > namesMax) throw usageError(`'${shown(text)}' expands to more than ${namesMax} names`)
    yield name.replaceAll(/\\([{},\\])/g, '$1')
  }
}

/** Each pair costs a look at what is in it, and each that is a choice a step of recursion. */
function checkBraces(text: string): void {
  const closes = closesOf(text)
  if (closes.size > bracesMax)
    throw usageError(`'${shown(text)}' has more than ${bracesMax} pairs of braces: use --index`)
  const open: number[] = []
  for (const [at, close] of [...closes].sort(([one], [other]) => one - other)) {
    while (open.length > 0 && (open.at(-1) ?? 0) < at) open.pop()
    open.push(close)
    if (open.length > depthMax) throw usageError(`'${shown(text)}' has braces nested deeper than ${depthMax}`)
  }
}

function shown(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}...` : text
}

function* expand(text: string): Generator<string, void, undefined> {
  const group = firstGroup(text)
  if (group === undefined) {
    yield text
    return
  }
  const [before, after] = [text.slice(0, group.open), text.slice(group.close + 1)]
  for (const choice of choicesOf(group.parts, text.slice(group.open + 1, group.close)))
    for (const middle of expand(choice)) for (const end of expand(after)) yield before + middle + end
}

interface Group {
  readonly open: number
  readonly close: number
  /** Between its commas. */
  readonly parts: readonly string[]
}

/** The first braces that stand for more than themselves. */
function firstGroup(text: string): Group | undefined {
  for (const [open, close] of [...closesOf(text)].sort(([one], [other]) => one - other)) {
    const parts = partsOf(text, open, close)
    if (parts.length > 1 || rangeOf(parts[0] ?? '') !== undefined) return { open, close, parts }
  }
  return undefined
}

/** Where each brace that is closed ends; one that is not closed is a character. */
function closesOf(text: string): Map<number, number> {
  const closes = new Map<number, number>()
  const open: number[] = []
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at]
    if (character === '\\') at += 1
    else if (character === '{') open.push(at)
    else if (character === '}') {
      const start = open.pop()
      if (start !== undefined) closes.set(start, at)
    }
  }
  return closes
}

function partsOf(text: string, open: number, close: number): string[] {
  let depth = 0
  let start = open + 1
  const parts: string[] = []
  for (let at = start; at < close; at += 1) {
    const character = text[at]
    if (character === '\\') at += 1
    else if (character === '{') depth += 1
    else if (character === '}') depth -= 1
    else if (character === ',' && depth === 0) {
      parts.push(text.slice(start, at))
      start = at + 1
    }
  }
  return [...parts, text.slice(start, close)]
}

function* choicesOf(parts: readonly string[], whole: string): Generator<string, void, undefined> {
  const range = parts.length === 1 ? rangeOf(whole) : undefined
  if (range === undefined) yield* parts
  else yield* range()
}

/** `0000..0999`, `10..0..2`, `a..e`; undefined for anything else. */
function rangeOf(text: string): (() => Generator<string, void, undefined>) | undefined {
  const numbers = /^(-?\d{1,15})\.\.(-?\d{1,15})(?:\.\.(-?\d{1,15}))?$/.exec(text)
  if (numbers !== null) {
    const [, from = '', to = '', step] = numbers
    const isPadded = [from, to].some((bound) => /^-?0\d/.test(bound))
    const width = isPadded ? Math.max(from.length, to.length) : 0
    const format = (value: number): string =>
      value < 0 ? `-${String(-value).padStart(width - 1, '0')}` : String(value).padStart(width, '0')
    return () => steps(Number(from), Number(to), Number(step ?? 1), format)
  }
  const letters = /^([A-Za-z])\.\.([A-Za-z])$/.exec(text)
  if (letters === null) return undefined
  const [from, to] = [letters[1]?.charCodeAt(0) ?? 0, letters[2]?.charCodeAt(0) ?? 0]
  return () => steps(from, to, 1, (code) => String.fromCharCode(code))
}

function* steps(
  from: number,
  to: number,
  step: number,
  format: (value: number) => string,
): Generator<string, void, undefined> {
  const stride = Math.max(1, Math.abs(step))
  if (Math.abs(to - from) / stride >= namesMax)
    throw usageError(`${from}..${to} expands to more than ${namesMax} names`)
  if (from <= to) for (let value = from; value <= to; value += stride) yield format(value)
  else for (let value = from; value >= to; value -= stride) yield format(value)
}
