// Why: clients read the fields of a file by Hadoop's names, and stop at one that is missing. How:
// a pure function from the status of the file system. What this tree does not have has the value
// that HDFS gives where a feature is off.
import type { FileStatus } from '../../../client/file-system.ts'

export interface StatusJson {
  readonly accessTime: number
  readonly blockSize: number
  readonly childrenNum: number
  readonly fileId: number
  readonly group: string
  readonly length: number
  readonly modificationTime: number
  readonly owner: string
  readonly pathSuffix: string
  /** Octal. */
  readonly permission: string
  readonly replication: number
  readonly storagePolicy: number
  readonly type: 'FILE' | 'DIRECTORY'
}

/** @param pathSuffix the name in a listing; empty for what the path of the request names */
export function statusJson(status: FileStatus, pathSuffix: string): StatusJson {
  const isFile = status.kind === 'file'
  return {
    // As where HDFS keeps no access times; the children of a directory are not counted.
    accessTime: status.times?.accessed?.ms ?? 0,
    blockSize: isFile ? status.blockSizeBytes : 0,
    childrenNum: 0,
    fileId: status.fileId,
    group: status.group,
    length: status.length,
    modificationTime: status.times?.modified?.ms ?? Math.floor(status.modifiedMs),
    owner: status.owner,
    pathSuffix,
    permission: permissionText(status.mode),
    replication: isFile ? replicationOf(status) : 0,
    storagePolicy: 0,
    type: isFile ? 'FILE' : 'DIRECTORY',
  }
}

export function permissionText(mode: number): string {
  return (mode & 0o1777).toString(8)
}

/** A file that needs no replica is at the store. */
function replicationOf({ replicationMin }: FileStatus): number {
  return Math.max(1, replicationMin)
}
