// Why: a worker's answer names a file that a client on its host opens, and fills or reads with the
// client's own rights: any path would be taken. How: only a file in one of the directories that the
// master knows to be this worker's, at the place that its layout (directory-layout.ts) has for it:
// a reservation's temporary file, by its block's and its own name, still empty, with no other name;
// or a file of blocks. Links are followed nowhere.
import { constants } from 'node:fs'
import { type FileHandle, open, realpath } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import { SkeinError } from '../../base/errors.ts'

const blockFolderPattern = /^blocks\/[0-9a-f]{2}$/

export interface ReservedPlace {
  readonly path: string
  readonly blockId: number
  readonly reservation: string
}

/**
 * Opens a reservation's file for writing.
 * @throws SkeinError permission_denied (reason `foreign_place`) when it is none of this worker's
 *   reservations; the file system's error
 */
export async function openReserved(
  { path, blockId, reservation }: ReservedPlace,
  directories: readonly string[],
): Promise<FileHandle> {
  const name = `${blockId.toString(16).padStart(14, '0')}-${reservation}`
  if (basename(path) !== name || (await folderIn(path, directories)) !== 'temp') throw foreign(path)
  const file = await open(path, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const about = await file.stat()
    if (!about.isFile() || about.nlink !== 1 || about.size !== 0) throw foreign(path)
    return file
  } catch (thrown) {
    await file.close()
    throw thrown
  }
}

/**
 * Whether a file of blocks may be there. What is in it is for its head to say (located-block.ts).
 */
export async function isBlockPlace(path: string, directories: readonly string[]): Promise<boolean> {
  const folder = await folderIn(path, directories)
  return folder === 'segments' || (folder !== undefined && blockFolderPattern.test(folder))
}

/**
 * The file's folder below the directory that it is in; undefined when it is in none of them.
 * @throws the file system's error
 */
async function folderIn(path: string, directories: readonly string[]): Promise<string | undefined> {
  if (!path.startsWith(sep) || join(dirname(path), basename(path)) !== path) return undefined
  const folder = await realpath(dirname(path))
  // A folder that is a link would be one of the caller's choice.
  for (const directory of directories) {
    const root = await realpath(directory).catch(() => undefined)
    if (root !== undefined && folder.startsWith(`${root}${sep}`)) return folder.slice(root.length + 1)
  }
  return undefined
}

function foreign(path: string): SkeinError {
  const why = `${path} is no file of this reservation in a directory of the worker, so it is not written`
  return new SkeinError('permission_denied', why, { reason: 'foreign_place' })
}
