// Why: a directory can hold names that a bucket cannot: names that are not UTF-8, symbolic links,
// FIFOs, unreadable entries. Each is either loaded or reported with a reason, and never skipped.
// How: listing and opening share one rule. A link is followed if its target is inside the root and
// is not one of the directories that contain the link. Everything else is reported as a problem
// with its own message.
import { isUtf8 } from 'node:buffer'
import type { BigIntStats, Dirent, Stats } from 'node:fs'
import { lstat, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { SkeinError } from '../../base/errors.ts'
import { unusableReason } from '../under-file-system.ts'

/**
 * The bytes of a path as latin1, one character per byte. Real paths are compared in this form, so
 * their encoding does not matter.
 */
export function pathBytes(path: string): string {
  return Buffer.from(path, 'utf8').toString('latin1')
}

/** The real path, in the form of `pathBytes`. @throws errors of node:fs */
export async function realBytes(path: string): Promise<string> {
  return await realpath(path, { encoding: 'latin1' })
}

/** Appends a name to the real path of a directory. */
export function below(directory: string, name: string): string {
  return directory.endsWith('/') ? directory + name : `${directory}/${name}`
}

/** Whether a real path is the directory itself or below it. Both are in the same form. */
export function isInside(root: string, real: string): boolean {
  return real === root || real.startsWith(root.endsWith('/') ? root : `${root}/`)
}

/**
 * A name as part of a key. If the bytes are not UTF-8, the result escapes them (`caf\xe9`) and has
 * a problem.
 */
export function nameOf(bytes: Buffer): { readonly name: string; readonly problem?: string } {
  if (isUtf8(bytes)) return { name: bytes.toString('utf8') }
  let name = ''
  for (let at = 0; at < bytes.length;) {
    const length = [1, 2, 3, 4].find((size) => at + size <= bytes.length && isUtf8(bytes.subarray(at, at + size)))
    name += length === undefined ? `\\x${bytes.toString('hex', at, at + 1)}` : bytes.toString('utf8', at, at + length)
    at += length ?? 1
  }
  return { name, problem: 'its name is not UTF-8, so it cannot be a key: rename it' }
}

/** The type of a directory entry. */
export type Kind = { readonly kind: 'file' } | { readonly kind: 'directory' } | { readonly kind: 'link' } | Problem
export interface Problem {
  readonly kind: 'problem'
  readonly problem: string
}

export function kindOf(entry: Dirent<Buffer> | Stats | BigIntStats): Kind {
  if (entry.isFile()) return { kind: 'file' }
  if (entry.isDirectory()) return { kind: 'directory' }
  if (entry.isSymbolicLink()) return { kind: 'link' }
  const what = entry.isFIFO() ? 'a FIFO' : entry.isSocket() ? 'a socket' : 'a device'
  return { kind: 'problem', problem: `it is ${what}, not a file` }
}

/** The target of a link that may be followed. `real` is in the form of `pathBytes`. */
type Followed = { readonly kind: 'file' | 'directory'; readonly real: string } | Problem | undefined

/**
 * @param above the real paths of the directories that contain the link, the root first
 * @returns undefined when the link itself no longer exists
 */
export async function followLink(path: string, above: readonly string[]): Promise<Followed> {
  const [root = ''] = above
  try {
    const real = await realBytes(path)
    if (!isInside(root, real)) return problem(`it is a symbolic link to a target outside the namespace's directory`)
    const found = kindOf(await stat(path))
    if (found.kind === 'directory' && above.includes(real))
      return problem('it is a symbolic link to a directory that contains the link')
    if (found.kind === 'problem') return found
    return { kind: found.kind === 'directory' ? 'directory' : 'file', real }
  } catch (thrown) {
    const code = codeOf(thrown)
    if (code === 'ELOOP') return problem('it is a symbolic link in a loop of links')
    if (code !== 'ENOENT' && code !== 'ENOTDIR')
      return problem(`the target of the symbolic link cannot be read (${code})`)
    return (await isLink(path)) ? problem('it is a symbolic link to something that does not exist') : undefined
  }
}

/**
 * The path of a key's file. The path is a Buffer if it leads through a link.
 * @param root a real path
 * @throws SkeinError failed_precondition (`object_unusable`) when a link may not be followed;
 *   not_found; errors of node:fs
 */
export async function resolveKey(root: string, key: string): Promise<string | Buffer> {
  const path = join(root, key)
  const real = await realBytes(path).catch((thrown: unknown) => {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(codeOf(thrown))) return undefined
    throw thrown
  })
  // The path has no links, so there is nothing to check.
  if (real === pathBytes(path)) return path
  const names = key.split('/')
  const above = [pathBytes(root)]
  for (let depth = 1; depth <= names.length; depth += 1) {
    const part = names.slice(0, depth).join('/')
    const at = join(root, part)
    const found = kindOf(await lstat(at))
    const followed = found.kind === 'link' ? await followLink(at, above) : found
    if (followed === undefined) break
    if (followed.kind === 'problem') throw unusable(at, followed.problem)
    if (depth === names.length && 'real' in followed) return Buffer.from(followed.real, 'latin1')
    above.push('real' in followed ? followed.real : below(above.at(-1) ?? '', pathBytes(names[depth - 1] ?? '')))
  }
  if (real !== undefined) return Buffer.from(real, 'latin1')
  throw new SkeinError('not_found', `${path} does not exist`)
}

export function unusable(path: string, why: string): SkeinError {
  return new SkeinError('failed_precondition', `${path} cannot be read: ${why}`, { reason: unusableReason })
}

export function codeOf(thrown: unknown): string {
  return (thrown as NodeJS.ErrnoException).code ?? 'error'
}

function problem(text: string): Problem {
  return { kind: 'problem', problem: text }
}

async function isLink(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.isSymbolicLink() === true
}
