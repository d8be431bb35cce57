// Why: only the master knows which namespace a path is in, and doors must know whether two paths
// are in one before they change anything. How: what is at the path's first name says so.
import { isSkeinError } from '../../base/errors.ts'
import { firstNameOf } from '../../base/paths.ts'
import type { CallSignal, FileStatus, FileSystem } from '../file-system.ts'

type Looks = Pick<FileSystem, 'stat'>

/**
 * The name of the namespace that a path is in, or would be; empty: the root mount, or `/`. @throws
 * SkeinError the errors of FileSystem.stat but not_found
 */
export async function namespaceOf(fileSystem: Looks, path: string, options: CallSignal): Promise<string> {
  const name = firstNameOf(path)
  if (name === '' || (await statusOf(fileSystem, `/${name}`, options))?.isMountPoint === true) return name
  return (await hasRootMount(fileSystem, options)) ? '' : name
}

/** Whether both are in one namespace. @throws as namespaceOf */
export async function areInOneNamespace(
  fileSystem: Looks,
  paths: readonly [string, string],
  options: CallSignal,
): Promise<boolean> {
  const [one, other] = paths
  if (firstNameOf(one) === firstNameOf(other)) return true
  return (await namespaceOf(fileSystem, one, options)) === (await namespaceOf(fileSystem, other, options))
}

/** Whether files may be directly below `/`. */
export async function hasRootMount(fileSystem: Looks, options: CallSignal): Promise<boolean> {
  return (await fileSystem.stat('/', options)).isMountPoint
}

async function statusOf(fileSystem: Looks, path: string, options: CallSignal): Promise<FileStatus | undefined> {
  try {
    return await fileSystem.stat(path, options)
  } catch (thrown) {
    if (isSkeinError(thrown, 'not_found') || isSkeinError(thrown, 'invalid_argument')) return undefined
    throw thrown
  }
}
