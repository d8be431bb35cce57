// Why: users select files with globs, and millions of keys are matched against them. How: a pattern
// becomes tokens, and all partial matches advance together over the name (glob-matcher.ts). The
// time is at most proportional to pattern length times name length; a regular expression does not
// guarantee that.
import { SkeinError } from '../../base/errors.ts'
import { matcherOf, slash, type Token } from './glob-matcher.ts'

/** Longest pattern, in characters. */
const patternMax = 1000
const alternativesMax = 100
/** Depth of nested braces. Each level is processed once for every choice of the level above. */
const braceDepthMax = 10

/** Whether a name matches. */
export type Glob = (name: string) => boolean

/**
 * `*` and `?` stay within a segment, `**` crosses segments, `[a-z]`, `[!a]`, `{a,b}`; `\` escapes
 * the next character. A pattern without `/` is matched against the last segment; one that ends with
 * `/` matches everything below it.
 * @throws SkeinError invalid_argument
 */
export function parseGlob(pattern: string): Glob {
  if (pattern === '') throw new SkeinError('invalid_argument', 'a glob is empty: use one such as *.parquet')
  if (pattern.length > patternMax) throw tooLong(pattern)
  const whole = pattern.endsWith('/') ? `${pattern}**` : pattern
  const anchored = whole.replace(/^\//, '')
  const wholePath = whole.includes('/')
  const alternatives = alternativesOf(anchored, pattern).map((alternative) => matcherOf(tokensOf(alternative, pattern)))
  return (name) => {
    const subject = wholePath ? name : name.slice(name.lastIndexOf('/') + 1)
    return alternatives.some((fits) => fits(subject))
  }
}

/**
 * Number of brace-free patterns of a glob, and their characters. Matching a name costs at most this
 * number times the length of the name.
 * @throws SkeinError invalid_argument
 */
export function globCost(pattern: string): { readonly patterns: number; readonly characters: number } {
  if (pattern.length > patternMax) throw tooLong(pattern)
  const all = alternativesOf(pattern, pattern)
  return { patterns: all.length, characters: all.reduce((sum, one) => sum + one.length, 0) }
}

function tooLong(pattern: string): SkeinError {
  return new SkeinError(
    'invalid_argument',
    `the glob '${pattern.slice(0, 40)}...' is longer than ${patternMax} characters`,
  )
}

/** Returns the pattern with each choice of its braces. */
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
        throw new SkeinError(
          'invalid_argument',
          `the glob '${given}' has braces nested more than ${braceDepthMax} levels deep`,
        )
    } else if (character === ',' && depth === 1) cuts.push(at)
    else if (character === '}') {
      depth -= 1
      if (depth > 0) continue
      cuts.push(at)
      const choices = cuts.slice(1).map((cut, index) => pattern.slice((cuts[index] ?? 0) + 1, cut))
      const made = choices.flatMap((choice) =>
        alternativesOf(pattern.slice(0, open) + choice + pattern.slice(at + 1), given),
      )
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
    else if (character === '?') tokens.push({ kind: 'one', accepts: (one) => one !== slash })
    else if (character === '[') {
      const end = pattern.indexOf(']', at + (pattern[at + 1] === '!' || pattern[at + 1] === '^' ? 3 : 2))
      if (end < 0)
        throw new SkeinError(
          'invalid_argument',
          `the glob '${given}' has a '[' without its ']'; write \\[ for the character`,
        )
      tokens.push({ kind: 'one', accepts: classOf(pattern.slice(at + 1, end)) })
      at = end
    } else {
      if (character === '\\') at += 1
      const literal = (pattern[at] ?? '\\').charCodeAt(0)
      tokens.push({ kind: 'one', accepts: (one) => one === literal })
    }
  }
  return tokens
}

/** Parses `a-z_` or `!a-z`. */
function classOf(text: string): (code: number) => boolean {
  const negated = text.startsWith('!') || text.startsWith('^')
  const members = negated ? text.slice(1) : text
  const ranges: [number, number][] = []
  for (let at = 0; at < members.length; at += 1) {
    const from = members.charCodeAt(at)
    const isRange = members[at + 1] === '-' && at + 2 < members.length
    ranges.push([from, isRange ? members.charCodeAt(at + 2) : from])
    if (isRange) at += 2
  }
  return (code) => code !== slash && ranges.some(([from, to]) => code >= from && code <= to) !== negated
}
