// Why: what a block directory looks like on disk, and that it is this worker's and nobody else's.
// How:
//
//   <path>/skein-directory.json   the marker: whose directory this is
//   <path>/blocks/<2 hex>/<id>    committed blocks; the name is the block id in 14 hexadecimal
//                                 digits, nothing else; the 256 folders are made when they are
//                                 first needed
//   <path>/segments/              small blocks, many a file (segment-file.ts)
//   <path>/temp/<id>-<uuid>       blocks being written; deleted at every start
//   <path>/set-aside/             durable blocks of another cluster; no part of the store
//                                 (set-aside.ts)
//
// A folder `blocks`, `segments` or `temp` without the marker is somebody else's: the directory is
// refused, nothing in it is touched.
import { constants } from 'node:fs'
import { chmod, lstat, mkdir, open, readdir, realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { makeDirectories } from '../../base/files/make-directories.ts'
import { SkeinError } from '../../base/errors.ts'
import { diskError, hasErrno, removeFile, syncDirectory } from './disk-calls.ts'

export const markerName = 'skein-directory.json'
const markerBytesMax = 4096
const folderNames = ['blocks', 'segments', 'temp']
const folderMode = 0o700
const fanOut = 256
const blockNamePattern = /^[0-9a-f]{14}$/
const probeName = 'probe'
const tempNamePattern = /^(?:[0-9a-f]{14}-[0-9a-f-]{36}|probe)$/

export interface DirectoryLayout {
  /** Resolved: no symbolic links. */
  readonly path: string
  /** The 256 folders of blocks, by index. */
  readonly folders: readonly string[]
  readonly segmentsPath: string
  readonly tempPath: string
}

/**
 * The folder's index: container and index both count, so that files of one block and blocks of one
 * file both spread.
 */
function folderIndexOf(blockId: number): number {
  return (Math.floor(blockId / 2 ** 20) + blockId) % fanOut
}

function blockName(blockId: number): string {
  return blockId.toString(16).padStart(14, '0')
}

export function blockPath(layout: DirectoryLayout, blockId: number): string {
  return `${layout.folders[folderIndexOf(blockId)] ?? ''}/${blockName(blockId)}`
}

export function tempPath(layout: DirectoryLayout, blockId: number, reservation: string): string {
  return `${layout.tempPath}/${blockName(blockId)}-${reservation}`
}

/**
 * A file that comes and goes, to see whether the disk takes it; deleted at the start if it is left
 * behind.
 */
export function probePath(path: string): string {
  return join(path, 'temp', probeName)
}

/** A file whose writing is measured; deleted at the start if it is left behind. */
export function speedProbePath(path: string, unique: string): string {
  return join(path, 'temp', `${blockName(0)}-${unique}`)
}

/**
 * The block that a file of this name in this folder holds; undefined for a file that is none of
 * ours.
 */
export function blockIdOfFile(folderIndex: number, name: string): number | undefined {
  if (!blockNamePattern.test(name)) return undefined
  const blockId = Number.parseInt(name, 16)
  return Number.isSafeInteger(blockId) && folderIndexOf(blockId) === folderIndex ? blockId : undefined
}

/**
 * Runs an operation that makes a file in the block's folder; makes the folder when that is what was
 * missing.
 */
export async function inBlockFolder<T>(
  layout: DirectoryLayout,
  blockId: number,
  operation: () => Promise<T>,
): Promise<T> {
  try {
    return await operation()
  } catch (thrown) {
    if (!hasErrno(thrown, 'ENOENT')) throw thrown
    await ensureFolder(layout.folders[folderIndexOf(blockId)] ?? '')
    return await operation()
  }
}

/** Makes the name of a block's file last over a power failure, and the folders above it. */
export async function syncBlockName(layout: DirectoryLayout, blockId: number): Promise<void> {
  const folder = layout.folders[folderIndexOf(blockId)] ?? ''
  for (const path of [folder, dirname(folder), layout.path]) await syncDirectory(path)
}

/**
 * The folders of blocks that are there, each with its index: one look at their parent in place of
 * 256, of which a young directory has few. @throws what namesInFolder throws
 */
export async function foldersPresent(layout: DirectoryLayout): Promise<[index: number, folder: string][]> {
  const names = new Set(await namesInFolder(dirname(layout.folders[0] ?? '')))
  return [...layout.folders.entries()].filter(([, folder]) => names.has(basename(folder)))
}

/**
 * The names in a folder of blocks; none when it was never needed. @throws when it is something else
 * than a folder
 */
export async function namesInFolder(folder: string): Promise<string[]> {
  try {
    if ((await lstat(folder)).isSymbolicLink())
      throw new SkeinError('failed_precondition', `${folder} is a symbolic link; delete it`, {
        reason: 'directory_in_use',
      })
    return await readdir(folder)
  } catch (thrown) {
    if (hasErrno(thrown, 'ENOENT')) return []
    throw thrown
  }
}

/**
 * Makes or checks the directory for this worker and deletes the temporary files.
 * @returns the layout and how many temporary files there were
 * @throws SkeinError failed_precondition when it is another worker's, somebody else's or not
 *   writable
 */
export async function prepareDirectory(
  path: string,
  workerId: string,
): Promise<{ layout: DirectoryLayout; tempFiles: number }> {
  try {
    await makeDirectories(path, folderMode)
    const real = await realpath(path)
    await claim(real, workerId)
    const blocks = join(real, 'blocks')
    const segments = join(real, 'segments')
    const temp = join(real, 'temp')
    const folders = Array.from({ length: fanOut }, (_, index) => `${blocks}/${index.toString(16).padStart(2, '0')}`)
    await ensureFolder(blocks)
    await ensureFolder(segments)
    await ensureFolder(temp)
    return {
      layout: { path: real, folders, segmentsPath: segments, tempPath: temp },
      tempFiles: await deleteTempFiles(temp),
    }
  } catch (thrown) {
    throw diskError(thrown, `block directory ${path}`)
  }
}

async function claim(path: string, workerId: string): Promise<void> {
  if (!(await checkOwner(path, workerId))) await writeMarker(path, workerId)
}

/**
 * Whether the directory is this worker's; false: nobody's. Changes nothing.
 * @param workerId undefined: of a worker that has no id yet
 * @throws SkeinError failed_precondition when it is another worker's or somebody else's, or the
 *   file system's error
 */
export async function checkOwner(path: string, workerId: string | undefined): Promise<boolean> {
  const owner = await directoryOwner(path)
  if (owner === undefined) {
    for (const name of folderNames) {
      if (!(await exists(join(path, name)))) continue
      throw inUse(`block directory ${path} holds a folder '${name}' that is not Skein's; use an empty directory`)
    }
    return false
  }
  if (owner === workerId) return true
  const not = workerId === undefined ? 'not to this new one' : `not to ${workerId}`
  throw inUse(`block directory ${path} belongs to worker ${owner}, ${not}; use another directory or delete it`)
}

function inUse(message: string): SkeinError {
  return new SkeinError('failed_precondition', message, { reason: 'directory_in_use' })
}

/**
 * The worker id in the marker; undefined when there is none. @throws SkeinError when it cannot be
 * read as one, or the file system's error
 */
export async function directoryOwner(path: string): Promise<string | undefined> {
  return (await readMarker(path))?.workerId
}

export interface DirectoryMarker {
  readonly workerId: string
  /** Whose blocks it holds (directory-cluster.ts); undefined until a master has said so. */
  readonly cluster?: { readonly clusterId: string; readonly incarnation: string } | undefined
}

/**
 * What the marker says; undefined when there is none. @throws SkeinError when it cannot be read as
 * one, or the file system's error
 */
export async function readMarker(path: string): Promise<DirectoryMarker | undefined> {
  try {
    const file = await open(join(path, markerName), constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(markerBytesMax), 0, markerBytesMax, 0)
      // A crash right after the marker was made leaves it empty; nothing else was made by then.
      return bytesRead === 0 ? undefined : parseMarker(path, buffer.toString('utf8', 0, bytesRead))
    } finally {
      await file.close()
    }
  } catch (thrown) {
    if (hasErrno(thrown, 'ENOENT')) return undefined
    throw thrown
  }
}

function parseMarker(path: string, text: string): DirectoryMarker {
  let marker: { format?: unknown; workerId?: unknown; clusterId?: unknown; incarnation?: unknown } = {}
  try {
    marker = JSON.parse(text) as typeof marker
  } catch {
    // Falls through to the refusal: a marker that cannot be read may be anybody's.
  }
  if (marker.format === 1 && typeof marker.workerId === 'string') {
    const { workerId, clusterId, incarnation } = marker
    if (clusterId === undefined) return { workerId }
    if (typeof clusterId === 'string' && typeof incarnation === 'string')
      return { workerId, cluster: { clusterId, incarnation } }
  }
  throw new SkeinError(
    'failed_precondition',
    `the marker ${join(path, markerName)} cannot be read; use another directory or delete this one`,
    { reason: 'directory_in_use' },
  )
}

export function markerText(workerId: string, cluster?: DirectoryMarker['cluster']): string {
  return `${JSON.stringify({ format: 1, workerId, ...cluster })}\n`
}

async function writeMarker(path: string, workerId: string): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW
  const file = await open(join(path, markerName), flags, 0o600)
  try {
    await file.writeFile(markerText(workerId))
    await file.sync()
  } finally {
    await file.close()
  }
}

async function ensureFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: folderMode })
  } catch (thrown) {
    if (!hasErrno(thrown, 'EEXIST')) throw thrown
    const stats = await lstat(path)
    if (!stats.isDirectory()) {
      throw new SkeinError('failed_precondition', `${path} is no folder; delete it or use another block directory`, {
        reason: 'directory_in_use',
      })
    }
    if ((stats.mode & 0o777) !== folderMode) await chmod(path, folderMode)
  }
}

async function deleteTempFiles(path: string): Promise<number> {
  const names = (await readdir(path)).filter((name) => tempNamePattern.test(name))
  for (const name of names) await removeFile(`${path}/${name}`)
  return names.length
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (thrown) {
    if (hasErrno(thrown, 'ENOENT')) return false
    throw thrown
  }
}
