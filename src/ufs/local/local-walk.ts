// Why: a directory must list like a bucket: every key once, in ascending byte order, starting after
// any key, without the whole tree in memory. How: depth first, one directory at a time. A directory
// sorts as its name with `/` appended, which is where its keys sort. Entries that cannot be read
// are listed with a problem (local-names.ts).
import type { Dirent } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { throwIfAborted } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import { compareKeys } from '../key-order.ts'
import { below, codeOf, followLink, kindOf, nameOf, pathBytes, unusable } from './local-names.ts'
import { isTemporaryName } from './local-key.ts'

/** Links of one directory that are resolved concurrently. */
const linksAtOnce = 256

export interface LocalEntry {
  /** Relative to the root. The key of a folder ends in `/`. */
  readonly key: string
  readonly folder: boolean
  /** Why the entry cannot be used as a file or a folder. */
  readonly problem?: string | undefined
}

interface WalkRequest {
  readonly prefix: string
  readonly delimiter: '/' | undefined
  /** Only keys after this one. */
  readonly after: string | undefined
}

/**
 * A directory in the walk. `reals` are real paths in the form of local-names.ts, from the root to
 * this directory.
 */
interface Place {
  readonly key: string
  readonly reals: readonly string[]
}

/**
 * Lists the files below `root` (a real path) in key order. With a delimiter, directories that are
 * not entered are listed as folders.
 */
export async function* walkDirectory(
  root: string,
  request: WalkRequest,
  signal: AbortSignal,
): AsyncGenerator<LocalEntry, void, undefined> {
  yield* walk(root, { key: '', reals: [pathBytes(root)] }, request, signal)
}

async function* walk(
  root: string,
  place: Place,
  request: WalkRequest,
  signal: AbortSignal,
): AsyncGenerator<LocalEntry, void, undefined> {
  throwIfAborted(signal)
  const entries = await entriesOf(root, place, request)
  if (typeof entries === 'string') {
    // The prefix may lie below a directory that cannot be read. Its content is unknown then.
    if (place.key.length < request.prefix.length || place.key === '') throw notListed(join(root, place.key), entries)
    const entry = { key: place.key, folder: false, problem: `the directory cannot be listed (${entries})` }
    if (request.after === undefined || compareKeys(place.key, request.after) > 0) yield entry
    return
  }
  for (const { key, folder, problem, real } of entries) {
    if (problem !== undefined && request.prefix.startsWith(`${key}/`)) throw unusable(join(root, key), problem)
    if (!mayMatch(key, folder, request)) continue
    if (folder && isEntered(key, request)) yield* walk(root, { key, reals: [...place.reals, real] }, request, signal)
    else yield { key, folder, problem }
  }
}

function isEntered(key: string, { delimiter, prefix }: WalkRequest): boolean {
  return delimiter === undefined || key.length <= prefix.length
}

/** Whether the key, or for a folder any key below it, has the prefix and comes after `after`. */
function mayMatch(key: string, folder: boolean, request: WalkRequest): boolean {
  const { prefix, after } = request
  const entered = folder && isEntered(key, request)
  if (!key.startsWith(prefix) && !(entered && prefix.startsWith(key))) return false
  if (after === undefined) return true
  return compareKeys(key, after) > 0 || (entered && after.startsWith(key))
}

interface Found extends LocalEntry {
  /** The real path of a folder. */
  readonly real: string
}

/** The sorted entries of the directory, or a code of node:fs when it cannot be read. */
async function entriesOf(
  root: string,
  { key: directory, reals }: Place,
  request: WalkRequest,
): Promise<Found[] | string> {
  const path = join(root, directory)
  let entries: Dirent<Buffer>[]
  try {
    entries = await readdir(path, { withFileTypes: true, encoding: 'buffer' })
  } catch (thrown) {
    const code = codeOf(thrown)
    // The directory was removed after its parent was read.
    if (directory !== '' && (code === 'ENOENT' || code === 'ENOTDIR')) return []
    if (['EACCES', 'EPERM', 'ENAMETOOLONG', 'ELOOP'].includes(code)) return code
    throw notListed(path, code)
  }
  const found: Found[] = []
  for (let from = 0; from < entries.length; from += linksAtOnce) {
    const some = entries.slice(from, from + linksAtOnce)
    const looked = await Promise.all(some.map((entry) => entryOf(path, directory, reals, entry, request)))
    found.push(...looked.filter((entry) => entry !== undefined))
  }
  return unambiguous(found).sort((a, b) => compareKeys(a.key, b.key))
}

async function entryOf(
  path: string,
  directory: string,
  reals: readonly string[],
  entry: Dirent<Buffer>,
  request: WalkRequest,
): Promise<Found | undefined> {
  const { name, problem } = nameOf(entry.name)
  const key = `${directory}${name}`
  const kind = kindOf(entry)
  if (problem !== undefined)
    return { key: kind.kind === 'directory' ? `${key}/` : key, folder: false, problem, real: '' }
  if (kind.kind === 'problem') return { key, folder: false, problem: kind.problem, real: '' }
  if (kind.kind === 'file') return isTemporaryName(name) ? undefined : { key, folder: false, real: '' }
  if (kind.kind === 'directory')
    return { key: `${key}/`, folder: true, real: below(reals.at(-1) ?? '', pathBytes(name)) }
  // The link cannot match the request, so its target does not matter.
  if (!mayMatch(key, false, request) && !mayMatch(`${key}/`, true, request) && !request.prefix.startsWith(`${key}/`))
    return undefined
  const followed = await followLink(join(path, name), reals)
  if (followed === undefined) return undefined
  if (followed.kind === 'problem') return { key, folder: false, problem: followed.problem, real: '' }
  return followed.kind === 'directory'
    ? { key: `${key}/`, folder: true, real: followed.real }
    : { key, folder: false, real: '' }
}

/**
 * The escaped form of a name may equal the name of another file. Keys must be unique, so the
 * escaped name gets the suffix ` (bytes)`.
 */
function unambiguous(entries: Found[]): Found[] {
  if (entries.every(({ problem }) => problem === undefined)) return entries
  const taken = new Set(entries.filter(({ problem }) => problem === undefined).map(({ key }) => key))
  return entries.map((entry) => {
    let { key } = entry
    if (entry.problem === undefined) return entry
    while (taken.has(key)) key = key.endsWith('/') ? `${key.slice(0, -1)} (bytes)/` : `${key} (bytes)`
    taken.add(key)
    return { ...entry, key }
  })
}

function notListed(path: string, code: string): SkeinError {
  const errorCode =
    code === 'EACCES' || code === 'EPERM' ? 'permission_denied' : code === 'ENOENT' ? 'not_found' : 'unavailable'
  return new SkeinError(errorCode, `${path} cannot be listed (${code})`)
}
