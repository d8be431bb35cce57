// Why: a `file://` namespace can reach every file that the user of the role may read, so whoever
// creates a namespace must not choose its directory freely. How: the real path of the directory
// must lie below the real path of a directory in skein.ufs.file.roots. Each role checks this
// against its own list, on every use, because links may change after the namespace was created.
import { SkeinError } from '../../base/errors.ts'
import { isInside, realBytes } from './local-names.ts'

/**
 * The real path of a namespace's directory. `/` is always refused.
 * @throws SkeinError permission_denied (`endpoint_not_allowed`), failed_precondition; errors of
 *   node:fs
 */
export async function realRoot(directory: string, roots: readonly string[]): Promise<string> {
  // Check the path first. The message must not reveal what exists outside the roots.
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
    // A root that does not exist (yet) allows nothing.
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
