// Why: a directory holds names that no bucket has: bytes that are no UTF-8, symbolic links, FIFOs,
// what may not be looked at. Each is loaded or named with its reason, never left out. How: one rule
// for whoever lists and whoever opens: a link is followed while it stays in the root and leads to
// no directory that it lies in; everything else is a problem with words of its own.
import { isUtf8 } from 'node:buffer'
import type { BigIntStats, Dirent, Stats } from 'node:fs'
import { lstat, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { SkeinError } from '../../base/errors.ts'
import { unusableReason } from '../under-file-system.ts'

/**
 * The bytes of a path, one character each: real paths are compared as bytes, whatever their
 * encoding.
 */
export function pathBytes(path: string): string {
  return Buffer.from(path, 'utf8').toString('latin1')
}

/** The real path in the form of `pathBytes`. @throws errors of node:fs */
export async function realBytes(path: string): Promise<string> {
  return await realpath(path, { encoding: 'latin1' })
}

/** The real path of a name in a real directory. */
export function below(directory: string, name: string): string {
  return directory.endsWith('/') ? directory + name : `${directory}/${name}`
}

/** Whether a real path is the directory itself or below it; both in one form. */
export function isInside(root: string, real: string): boolean {
  return real === root || real.startsWith(root.endsWith('/') ? root : `${root}/`)
}

/**
 * A name as part of a key, and why it cannot be one where its bytes are no text: then they stand
 * escaped, `caf\xe9`.
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

/** What is at a path. */
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

/** Where a link leads that may be followed; `real` as pathBytes. */
type Followed = { readonly kind: 'file' | 'directory'; readonly real: string } | Problem | undefined

/**
 * @param above the real paths of the directories that the link lies in, the root first
 * @returns undefined when the link itself is gone
 */
export async function followLink(path: string, above: readonly string[]): Promise<Followed> {
  const [root = ''] = above
  try {
    const real = await realBytes(path)
    if (!isInside(root, real)) return problem(`it is a symbolic link out of the namespace's directory`)
    const found = kindOf(await stat(path))
    if (found.kind === 'directory' && above.includes(real))
      return problem('it is a symbolic link to a directory that it lies in')
    if (found.kind === 'problem') return found
    return { kind: found.kind === 'directory' ? 'directory' : 'file', real }
  } catch (thrown) {
    const code = codeOf(thrown)
    if (code === 'ELOOP') return problem('it is a symbolic link in a circle of links')
    if (code !== 'ENOENT' && code !== 'ENOTDIR')
      return problem(`the target of the symbolic link cannot be looked at (${code})`)
    return (await isLink(path)) ? problem('it is a symbolic link to something that does not exist') : undefined
  }
}

/**
 * The path of a key's file, as bytes where it is behind a link. @param root a real path
 * @throws SkeinError failed_precondition (`object_unusable`) where the rule for links stops;
 *   not_found; errors of node:fs
 */
export async function resolveKey(root: string, key: string): Promise<string | Buffer> {
  const path = join(root, key)
  const real = await realBytes(path).catch((thrown: unknown) => {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(codeOf(thrown))) return undefined
    throw thrown
  })
  // Without a link on the way there is nothing to judge.
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
