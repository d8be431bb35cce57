// Why: a block's id means something in its own cluster only, so a block directory says whose blocks
// it holds. How: the cluster's id and the incarnation of its master's state, in the directory's
// marker (directory-layout.ts), written when the worker registers; the marker is replaced whole. A
// directory that says nothing is new, or of the version before.
import { constants } from 'node:fs'
import { lstat, open, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { SkeinError } from '../../base/errors.ts'
import { markerName, markerText, readMarker } from './directory-layout.ts'
import { hasErrno, syncDirectory } from './disk-calls.ts'

export interface ClusterMark {
  readonly clusterId: string
  /** Of the master's state that the worker was registered with last. */
  readonly incarnation: string
}

/**
 * Whose blocks are in these directories; undefined when none of them says it. Changes nothing.
 * @throws SkeinError failed_precondition when two of them say two clusters
 */
export async function clusterOf(paths: readonly string[]): Promise<ClusterMark | undefined> {
  let found: { readonly mark: ClusterMark; readonly path: string } | undefined
  for (const path of paths) {
    const mark = (await readMarker(path))?.cluster
    if (mark === undefined) continue
    if (found !== undefined && found.mark.clusterId !== mark.clusterId) {
      const message =
        `block directory ${found.path} holds blocks of cluster ${found.mark.clusterId}, ` +
        `${path} of cluster ${mark.clusterId}: ` +
        'give a worker the directories of one cluster, or empty ones'
      throw new SkeinError('failed_precondition', message, { reason: 'directory_in_use' })
    }
    found ??= { mark, path }
  }
  return found?.mark
}

/**
 * Writes whose blocks the directory holds; durable when it resolves. A directory that is not there
 * or no worker's is passed over.
 */
export async function writeClusterMark(path: string, mark: ClusterMark): Promise<void> {
  const marker = await readMarker(path)
  if (marker === undefined) return
  if (marker.cluster?.clusterId === mark.clusterId && marker.cluster.incarnation === mark.incarnation) return
  const { path: target, part } = markerPaths(path)
  if (!(await lstat(target)).isFile()) throw new SkeinError('failed_precondition', `${target} is no file`)
  await unlink(part).catch((thrown: unknown) => {
    if (!hasErrno(thrown, 'ENOENT')) throw thrown
  })
  const file = await open(part, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600)
  try {
    await file.writeFile(markerText(marker.workerId, mark))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(part, target)
  await syncDirectory(path)
}

function markerPaths(path: string): { readonly path: string; readonly part: string } {
  const target = join(path, markerName)
  return { path: target, part: `${target}.part` }
}
