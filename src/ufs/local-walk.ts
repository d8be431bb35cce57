// Why: a directory must list like a bucket: every key once, in ascending order of its bytes, from any key on, without the
// whole tree in memory. How: depth first, one directory at a time; a directory sorts as its name with `/`, which is
// where its keys sort.
import type { Dirent } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { throwIfAborted } from '../base/clock.ts'
import { SkeinError } from '../base/errors.ts'
import { compareKeys } from './key-order.ts'
import { isTemporaryName } from './local-writer.ts'

export interface LocalEntry {
  /** Relative to the root; a folder's ends in `/`. */
  readonly key: string
  readonly folder: boolean
}

interface WalkRequest {
  readonly prefix: string
  readonly delimiter: '/' | undefined
  /** Only keys behind this one. */
  readonly after: string | undefined
}

/** Files below `root` (a real path) in key order; with a delimiter, directories that are not entered come as folders. Linked directories are not entered. */
export async function* walkDirectory(root: string, request: WalkRequest, signal: AbortSignal): AsyncGenerator<LocalEntry, void, undefined> {
  yield* walk(root, '', request, signal)
}

async function* walk(
  root: string,
  directory: string,
  request: WalkRequest,
  signal: AbortSignal,
): AsyncGenerator<LocalEntry, void, undefined> {
  throwIfAborted(signal)
  for (const { key, folder, link } of await sortedEntries(root, directory)) {
    if (!mayMatch(key, folder, request)) continue
    if (link && !(await isFileInside(root, key))) continue
    if (folder && (request.delimiter === undefined || key.length <= request.prefix.length)) yield* walk(root, key, request, signal)
    else yield { key, folder }
  }
}

/** Whether the key, or for a folder any key below it, has the prefix and lies behind `after`. */
function mayMatch(key: string, folder: boolean, { prefix, after, delimiter }: WalkRequest): boolean {
  const entered = folder && (delimiter === undefined || key.length <= prefix.length)
  if (!key.startsWith(prefix) && !(entered && prefix.startsWith(key))) return false
  if (after === undefined) return true
  return compareKeys(key, after) > 0 || (entered && after.startsWith(key))
}

async function sortedEntries(root: string, directory: string): Promise<{ key: string; folder: boolean; link: boolean }[]> {
  let entries: Dirent[]
  try {
    entries = await readdir(join(root, directory), { withFileTypes: true })
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code ?? 'error'
    if (directory !== '' && (code === 'ENOENT' || code === 'ENOTDIR')) return []
    throw new SkeinError(
      code === 'EACCES' ? 'permission_denied' : code === 'ENOENT' ? 'not_found' : 'unavailable',
      `${join(root, directory)} cannot be listed (${code})`,
    )
  }
  return entries
    .filter((entry) => (entry.isFile() && !isTemporaryName(entry.name)) || entry.isDirectory() || entry.isSymbolicLink())
    .map((entry) => ({
      key: `${directory}${entry.name}${entry.isDirectory() ? '/' : ''}`,
      folder: entry.isDirectory(),
      link: entry.isSymbolicLink(),
    }))
    .sort((a, b) => compareKeys(a.key, b.key))
}

async function isFileInside(root: string, key: string): Promise<boolean> {
  try {
    const target = await realpath(join(root, key))
    return target.startsWith(root === '/' ? '/' : `${root}/`) && (await stat(target)).isFile()
  } catch {
    return false
  }
}
