// Why: whether a directory's disk is well must be known before its blocks are asked for, and before
// a disk that failed is taken back. How: the marker says that it is still this worker's directory
// and not, say, the empty folder that a lost mount leaves behind; a small file that is written,
// read back and deleted says that the disk takes and keeps bytes.
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { SkeinError } from '../../base/errors.ts'
import { directoryOwner, probePath } from './directory-layout.ts'
import { closeFile, hasErrno, newFileFlags, openFile, readFully, removeFile, writeFully } from './disk-calls.ts'

const probeBytes = 4096

/**
 * `gone`: it is not there, not this worker's, or not writable. `ill`: the disk fails. `unknown`:
 * this process could not tell.
 */
export type DirectoryFinding = 'well' | 'ill' | 'gone' | 'unknown'

/**
 * Looks at a directory that this worker took before. @param writing also writes to it. A full disk
 * is well. Does not throw.
 */
export async function examineDirectory(path: string, workerId: string, writing: boolean): Promise<DirectoryFinding> {
  try {
    if ((await directoryOwner(path)) !== workerId) return 'gone'
    await access(path, constants.W_OK)
    return !writing || (await keepsBytes(probePath(path))) ? 'well' : 'ill'
  } catch (thrown) {
    if (hasErrno(thrown, 'ENOSPC', 'EDQUOT')) return 'well'
    if (hasErrno(thrown, 'EMFILE', 'ENFILE', 'ENOMEM')) return 'unknown'
    const gone = hasErrno(thrown, 'ENOENT', 'ENOTDIR', 'EROFS', 'EACCES', 'EPERM', 'ESTALE', 'ENODEV', 'ENXIO')
    return gone || thrown instanceof SkeinError ? 'gone' : 'ill'
  }
}

async function keepsBytes(path: string): Promise<boolean> {
  await removeFile(path)
  const fd = await openFile(path, newFileFlags)
  try {
    const written = Buffer.alloc(probeBytes, 'skein probe;')
    await writeFully(fd, [written], 0)
    const read = Buffer.alloc(probeBytes)
    return (await readFully(fd, read, 0)) === probeBytes && read.equals(written)
  } finally {
    await closeFile(fd)
    await removeFile(path)
  }
}
