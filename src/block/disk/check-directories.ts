// Why: a worker that may not have all of its directories must not begin to take the first of them:
// whoever is refused has changed nothing on any disk. How: all that can be refused is looked at
// here, for all directories of all tiers, reading only.
import { constants } from 'node:fs'
import { access, lstat, statfs } from 'node:fs/promises'
import { sep } from 'node:path'
import { SkeinError } from '../../base/errors.ts'
import { type RealPath, realPathOf } from '../../base/files/real-path.ts'
import { clusterOf } from './directory-cluster.ts'
import { checkOwner } from './directory-layout.ts'
import { diskError } from './disk-calls.ts'

export interface DirectoryToCheck {
  readonly path: string
  readonly quotaBytes: number
}

/**
 * Whether a worker may have these directories. Changes nothing.
 * @param workerId undefined: of a worker that has no id yet
 * @throws SkeinError invalid_argument (one twice or inside another), failed_precondition (a quota
 *   above its disk's size), failed_precondition (another worker's, somebody else's, not writable)
 */
export async function checkDirectories(
  directories: readonly DirectoryToCheck[],
  workerId: string | undefined,
): Promise<void> {
  const taken: string[] = []
  const found = directories.map(({ path }) => {
    const real = whereIs(path)
    refuseOverlap(taken, real.path)
    taken.push(real.path)
    return real
  })
  for (const [index, real] of found.entries()) {
    const directory = directories[index]
    if (directory === undefined) continue
    try {
      await refuseUnusable(real)
      await refuseOverDisk(real, directory.quotaBytes)
      await checkOwner(real.path, workerId)
    } catch (thrown) {
      throw diskError(thrown, `block directory ${directory.path}`)
    }
  }
  await clusterOf(found.map(({ path }) => path))
}

function whereIs(path: string): RealPath {
  try {
    return realPathOf(path)
  } catch (thrown) {
    throw diskError(thrown, `block directory ${path}`)
  }
}

function refuseOverlap(taken: readonly string[], path: string): void {
  for (const other of taken) {
    if (other === path) throw new SkeinError('invalid_argument', `block directory ${path} is given twice`)
    if (`${path}${sep}`.startsWith(`${other}${sep}`) || `${other}${sep}`.startsWith(`${path}${sep}`)) {
      throw new SkeinError(
        'invalid_argument',
        `block directories ${other} and ${path} are one inside the other; use separate ones`,
      )
    }
  }
}

/** The directory, or the one that it would be made in. */
async function refuseUnusable({ existing }: RealPath): Promise<void> {
  if (!(await lstat(existing)).isDirectory())
    throw Object.assign(new Error(`${existing} is no directory`), { code: 'ENOTDIR' })
  await access(existing, constants.W_OK | constants.X_OK)
}

/** A quota that cannot be kept would be found out when the disk is full. */
async function refuseOverDisk({ path, existing }: RealPath, quotaBytes: number): Promise<void> {
  const { bsize, blocks } = await statfs(existing)
  // Some file systems do not say.
  if (blocks === 0 || quotaBytes <= bsize * blocks) return
  throw new SkeinError(
    'failed_precondition',
    `the quota of block directory ${path}, ${quotaBytes} bytes, is above the size of its disk, ` +
      `${bsize * blocks} bytes; lower goosefs.worker.tieredstore.level{x}.dirs.quota`,
  )
}
