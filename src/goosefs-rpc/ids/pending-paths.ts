// Why: clients of GooseFS name a file that they write by its path, or by the path at the store that
// the answer of CreateFile gave them. How: its request key at the master follows from the path, so
// that it is found after a start, too; the path at the store that they are given has the file's id.
import { createHash } from 'node:crypto'
import { SkeinError } from '../../base/errors.ts'
import { fileIdOfNative, nativeFileId } from './native-ids.ts'

/** Of the file that is being written at a path: one for each path. */
export function requestKeyOfPath(path: string): string {
  return `goosefs:${createHash('sha256').update(path).digest('hex')}`
}

/** What CreateFile says of the path at the store; clients send it with the bytes of the object. */
export function ufsPathOfPending(path: string, fileId: number): string {
  return `goosefs://${path}#${nativeFileId(fileId)}`
}

/** The file id here. @throws SkeinError invalid_argument: CreateFile never said so */
export function fileIdOfUfsPath(ufsPath: string): number {
  const id = /^goosefs:\/\/\/.*#(\d{1,19})$/s.exec(ufsPath)?.[1]
  if (id === undefined)
    throw new SkeinError('invalid_argument', 'the ufs_path is none that CreateFile gave: create the file first')
  return fileIdOfNative(BigInt(id))
}
