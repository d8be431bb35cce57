// Why: a dataset's shards are named by a template. How: braces as a shell knows them: `{a,b}`, `{0000..0999}` (zeros kept),
// `{0..10..2}`, `{a..e}`, nested; braces that are neither stay as they are, and `\{` is the character. Pure.
import { usageError } from './exit-codes.ts'

const namesMax = 10_000_000

/** Whether the text is more than one name, or has an escape. */
export function isTemplate(text: string): boolean {
  const [first, second] = expandBraces(text)
  return second !== undefined || first !== text
}

/** The names, in order, one after the other. @throws SkeinError invalid_argument (usage) for more than ten million */
export function* expandBraces(text: string): Generator<string, void, undefined> {
  let names = 0
  for (const name of expand(text)) {
    names += 1
    if (names > namesMax) throw usageError(`'${text}' stands for more than ${namesMax} names`)
    yield name.replaceAll(/\\([{},\\])/g, '$1')
  }
}

function* expand(text: string): Generator<string, void, undefined> {
  const group = firstGroup(text, 0)
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

/** The first braces from `from` on that stand for more than themselves. */
function firstGroup(text: string, from: number): Group | undefined {
  for (let open = from; open < text.length; open += 1) {
    if (text[open] === '\\') open += 1
    else if (text[open] === '{') {
      const group = groupAt(text, open)
      if (group !== undefined && (group.parts.length > 1 || rangeOf(group.parts[0] ?? '') !== undefined)) return group
    }
  }
  return undefined
}

function groupAt(text: string, open: number): Group | undefined {
  let depth = 0
  let start = open + 1
  const parts: string[] = []
  for (let at = open; at < text.length; at += 1) {
    const character = text[at]
    if (character === '\\') at += 1
    else if (character === '{') depth += 1
    else if (character === ',' && depth === 1) {
      parts.push(text.slice(start, at))
      start = at + 1
    } else if (character === '}') {
      depth -= 1
      if (depth === 0) return { open, close: at, parts: [...parts, text.slice(start, at)] }
    }
  }
  return undefined
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

function* steps(from: number, to: number, step: number, format: (value: number) => string): Generator<string, void, undefined> {
  const stride = Math.max(1, Math.abs(step))
  if (Math.abs(to - from) / stride >= namesMax) throw usageError(`${from}..${to} stands for more than ${namesMax} names`)
  if (from <= to) for (let value = from; value <= to; value += stride) yield format(value)
  else for (let value = from; value >= to; value -= stride) yield format(value)
}
