// Why: which files of a dataset are wanted is written as globs, and keys of a million files are held against them. How: a
// pattern becomes tokens, and all its partial matches advance together over the name: time is bounded by pattern times
// name, whatever the pattern, which a regular expression does not promise.
import { SkeinError } from '../base/errors.ts'

/** Longest pattern, in characters. */
const patternMax = 1000
const alternativesMax = 100
/** Depth of braces within braces: each level is looked at once more for every choice of the level above. */
const braceDepthMax = 10

type Token =
  | { readonly kind: 'one'; readonly accepts: (character: string) => boolean }
  /** `*`: any characters but `/`. */
  | { readonly kind: 'some' }
  /** `**` at the end: any characters. */
  | { readonly kind: 'rest' }
  /** `**` and a `/`: no directory, or any number of them. Takes two places: before, and within, a directory's name. */
  | { readonly kind: 'directories' }
  | { readonly kind: 'within' }

/** Whether a name fits. */
export type Glob = (name: string) => boolean

/**
 * `*` and `?` stay within a segment, `**` crosses segments, `[a-z]`, `[!a]`, `{a,b}`; `\` takes the next character as it is.
 * A pattern without `/` is held against the last segment, wherever it is; one that ends in `/` means all below it.
 * @throws SkeinError invalid_argument
 */
export function parseGlob(pattern: string): Glob {
  if (pattern === '') throw new SkeinError('invalid_argument', 'a glob is empty: write one such as *.parquet')
  if (pattern.length > patternMax) throw tooLong(pattern)
  const whole = pattern.endsWith('/') ? `${pattern}**` : pattern
  const anchored = whole.replace(/^\//, '')
  const wholePath = whole.includes('/')
  const alternatives = alternativesOf(anchored, pattern).map((alternative) => tokensOf(alternative, pattern))
  return (name) => {
    const subject = wholePath ? name : name.slice(name.lastIndexOf('/') + 1)
    return alternatives.some((tokens) => fits(tokens, subject))
  }
}

/**
 * How many patterns without braces a glob stands for, and their characters: what it costs to hold a name against it is their
 * number times the name's. @throws SkeinError invalid_argument
 */
export function globCost(pattern: string): { readonly patterns: number; readonly characters: number } {
  if (pattern.length > patternMax) throw tooLong(pattern)
  const all = alternativesOf(pattern, pattern)
  return { patterns: all.length, characters: all.reduce((sum, one) => sum + one.length, 0) }
}

function tooLong(pattern: string): SkeinError {
  return new SkeinError('invalid_argument', `the glob '${pattern.slice(0, 40)}...' is longer than ${patternMax} characters`)
}

/** The pattern with each choice of its braces. */
function alternativesOf(pattern: string, given: string): string[] {
  const open = indexOfPlain(pattern, '{', 0)
  if (open < 0) return [pattern]
  let depth = 0
  const cuts = [open]
  for (let at = open; at < pattern.length; at += 1) {
    const character = pattern[at]
    if (character === '\\') at += 1
    else if (character === '{') {
      depth += 1
      if (depth > braceDepthMax)
        throw new SkeinError('invalid_argument', `the glob '${given}' has braces within braces beyond ${braceDepthMax} levels`)
    } else if (character === ',' && depth === 1) cuts.push(at)
    else if (character === '}') {
      depth -= 1
      if (depth > 0) continue
      cuts.push(at)
      const choices = cuts.slice(1).map((cut, index) => pattern.slice((cuts[index] ?? 0) + 1, cut))
      const made = choices.flatMap((choice) => alternativesOf(pattern.slice(0, open) + choice + pattern.slice(at + 1), given))
      if (made.length > alternativesMax)
        throw new SkeinError('invalid_argument', `the glob '${given}' has more than ${alternativesMax} alternatives`)
      return made
    }
  }
  throw new SkeinError('invalid_argument', `the glob '${given}' has a '{' without its '}'; write \\{ for the character`)
}

function indexOfPlain(text: string, wanted: string, from: number): number {
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1
    else if (text[at] === wanted) return at
  }
  return -1
}

function tokensOf(pattern: string, given: string): Token[] {
  const tokens: Token[] = []
  for (let at = 0; at < pattern.length; at += 1) {
    const character = pattern[at] ?? ''
    if (character === '*' && pattern[at + 1] === '*') {
      const atStart = at === 0 || pattern[at - 1] === '/'
      if (atStart && pattern[at + 2] === '/') {
        tokens.push({ kind: 'directories' }, { kind: 'within' })
        at += 2
      } else {
        tokens.push({ kind: 'rest' })
        at += 1
      }
    } else if (character === '*') tokens.push({ kind: 'some' })
    else if (character === '?') tokens.push({ kind: 'one', accepts: (one) => one !== '/' })
    else if (character === '[') {
      const end = pattern.indexOf(']', at + (pattern[at + 1] === '!' || pattern[at + 1] === '^' ? 3 : 2))
      if (end < 0) throw new SkeinError('invalid_argument', `the glob '${given}' has a '[' without its ']'; write \\[ for the character`)
      tokens.push({ kind: 'one', accepts: classOf(pattern.slice(at + 1, end)) })
      at = end
    } else {
      if (character === '\\') at += 1
      const literal = pattern[at] ?? '\\'
      tokens.push({ kind: 'one', accepts: (one) => one === literal })
    }
  }
  return tokens
}

/** `a-z_` or `!a-z`. */
function classOf(text: string): (character: string) => boolean {
  const negated = text.startsWith('!') || text.startsWith('^')
  const members = negated ? text.slice(1) : text
  const ranges: [string, string][] = []
  for (let at = 0; at < members.length; at += 1) {
    const from = members[at] ?? ''
    const to = members[at + 1] === '-' && at + 2 < members.length ? members[at + 2] : undefined
    ranges.push([from, to ?? from])
    if (to !== undefined) at += 2
  }
  return (character) => character !== '/' && ranges.some(([from, to]) => character >= from && character <= to) !== negated
}

/** Advances every place that the name so far may have reached: each is looked at once a character. */
function fits(tokens: readonly Token[], name: string): boolean {
  const places = new Places(tokens)
  places.reach(0)
  for (let at = 0; at < name.length; at += 1) if (!places.advance(name[at] ?? '')) return false
  return places.has(tokens.length)
}

/** The places that are reached, each once, in two lists that take turns. */
class Places {
  readonly #tokens: readonly Token[]
  #now: number[] = []
  #next: number[] = []
  /** By place: in which step it was reached last. */
  readonly #reachedIn: Int32Array
  #step = 1

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
    this.#reachedIn = new Int32Array(tokens.length + 2)
  }

  has(place: number): boolean {
    return this.#reachedIn[place] === this.#step
  }

  /** Adds a place, and those behind it that need no character. */
  reach(place: number): void {
    for (let at = place; this.#reachedIn[at] !== this.#step;) {
      this.#reachedIn[at] = this.#step
      this.#next.push(at)
      const kind = this.#tokens[at]?.kind
      if (kind === 'some' || kind === 'rest') at += 1
      else if (kind === 'directories') at += 2
      else return
    }
  }

  /** Takes one character. @returns whether any place is left */
  advance(character: string): boolean {
    this.#step += 1
    ;[this.#now, this.#next] = [this.#next, this.#now]
    this.#next.length = 0
    for (const place of this.#now) {
      const token = this.#tokens[place]
      if (token === undefined) continue
      if (token.kind === 'one') {
        if (token.accepts(character)) this.reach(place + 1)
      } else if (token.kind === 'some') {
        if (character !== '/') this.reach(place)
      } else if (token.kind === 'rest') this.reach(place)
      else {
        const within = token.kind === 'within' ? place : place + 1
        this.#add(within)
        if (character === '/') this.reach(within + 1)
      }
    }
    return this.#next.length > 0
  }

  #add(place: number): void {
    if (this.#reachedIn[place] === this.#step) return
    this.#reachedIn[place] = this.#step
    this.#next.push(place)
  }
}
