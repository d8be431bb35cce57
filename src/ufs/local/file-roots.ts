// Why: a `file://` namespace reaches whatever the role's user may read, so its writer must not
// choose freely. How: the real path of its directory must lie in the real path of a directory of
// skein.ufs.file.roots; both are looked at anew whenever the directory is used, by each role with
// its own list, since links may be changed after a namespace was made.
import { SkeinError } from '../../base/errors.ts'
import { isInside, realBytes } from './local-names.ts'

/**
 * The real path of a namespace's directory. The whole disk is never one, whatever is allowed.
 * @throws SkeinError permission_denied (`endpoint_not_allowed`), failed_precondition; errors of
 *   node:fs
 */
export async function realRoot(directory: string, roots: readonly string[]): Promise<string> {
  // Nothing is said of what is there before it is known that it may be.
  if (roots.length === 0) throw refusal(directory, 'skein.ufs.file.roots names no directory')
  const real = await realBytes(directory).catch((thrown: unknown) => {
    if (roots.some((root) => isInside(root, directory))) throw thrown
    throw refusal(directory, `it is not in ${roots.join(', ')}`)
  })
  if (real === '/') throw refusal(directory, 'it is the root of the file system')
  if (!(await isAllowed(real, roots))) throw refusal(directory, `it is not in ${roots.join(', ')}`)
  const path = Buffer.from(real, 'latin1').toString('utf8')
  if (Buffer.from(path, 'utf8').toString('latin1') === real) return path
  throw new SkeinError('failed_precondition', `${directory} leads to a directory whose name is not UTF-8`)
}

async function isAllowed(real: string, roots: readonly string[]): Promise<boolean> {
  for (const root of roots) {
    if (root === '/') return true
    // One that is not there (yet) allows nothing.
    const realOfRoot = await realBytes(root).catch(() => undefined)
    if (realOfRoot !== undefined && isInside(realOfRoot, real)) return true
  }
  return false
}

function refusal(directory: string, why: string): SkeinError {
  const message =
    `file://${directory} may not be used: ${why}; ` +
    'name the directories of file:// namespaces in skein.ufs.file.roots, for every role'
  return new SkeinError('permission_denied', message, { reason: 'endpoint_not_allowed' })
}
