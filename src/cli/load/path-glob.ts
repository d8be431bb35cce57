// Why: people quote a pattern (`'/training/*.tar'`) and mean the files that fit it. How: the
// segments before the first one with a wildcard are the path that is loaded; the rest goes along as
// an --include glob, which the job master reads (load/choice/glob.ts), so that nothing is listed
// here. Pure.
import { usageError } from '../frame/exit-codes.ts'

export interface PathGlob {
  /** Without a slash at its end. */
  readonly base: string
  /** Begins with a slash: held against the whole name below the base. */
  readonly pattern: string
}

/** Longest list of patterns of one command. */
const globsMax = 50

/** A path with `*`, `?` or `[...]` that no backslash escapes; undefined for any other path. */
export function pathGlob(path: string): PathGlob | undefined {
  const wildcard = indexOfWildcard(path)
  if (wildcard < 0) return undefined
  const slash = path.lastIndexOf('/', wildcard)
  return { base: path.slice(0, Math.max(slash, 0)), pattern: path.slice(Math.max(slash, 0)) }
}

function indexOfWildcard(path: string): number {
  for (let at = 0; at < path.length; at += 1) {
    const character = path[at]
    if (character === '\\') at += 1
    else if (character === '*' || character === '?' || (character === '[' && path.includes(']', at + 2))) return at
  }
  return -1
}

/**
 * Several globs as one path and the patterns below it.
 * @throws SkeinError invalid_argument (usage) for a base that names no namespace, bases that differ
 *   in more than their end, and too many globs
 */
export function joinGlobs(globs: readonly PathGlob[]): { readonly base: string; readonly patterns: readonly string[] } {
  if (globs.length > globsMax)
    throw usageError(`${globs.length} globs are too many: give at most ${globsMax}, or use --index`)
  const [first, ...others] = globs.map(({ base }) => base.split('/'))
  let common = first ?? []
  for (const other of others) {
    const end = common.findIndex((segment, index) => segment !== other[index])
    common = end < 0 ? common : common.slice(0, end)
  }
  const base = common.join('/')
  if (!/^(?:[a-z]+:\/\/[^/]*)?\/[^/]/.test(base))
    throw usageError('the namespace of a path cannot be a glob: use /namespace/*.tar')
  return { base, patterns: globs.flatMap((glob) => withInside(escaped(glob.base.slice(base.length)) + glob.pattern)) }
}

/**
 * A directory that fits is meant with everything in it, as a shell's `ls -d` and a copy would have
 * it.
 */
function withInside(pattern: string): string[] {
  return pattern.endsWith('/') || pattern.endsWith('**') ? [pattern] : [pattern, `${pattern}/**`]
}

/**
 * As itself in a glob. A base has no wildcard, but may have what only a glob takes for more than a
 * character.
 */
function escaped(text: string): string {
  return text.replaceAll(/[{},[\]]/g, String.raw`\$&`)
}
