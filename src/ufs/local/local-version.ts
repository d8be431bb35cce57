// Why: a file system has no versions, but each read, write and rename must name one. How: the
// version is the inode, size and modification time. A rename or a new hard link keeps them, and
// every write changes them.
import type { ObjectInfo } from '../under-file-system.ts'

interface BigStat {
  readonly ino: bigint
  readonly size: bigint
  readonly mtimeNs: bigint
}

/** Some file systems store times that are out of range for a Date. */
const timeMaxMs = 8_640_000_000_000_000

export function localEtag(about: BigStat): string {
  return `${about.ino.toString(16)}-${about.size.toString(16)}-${about.mtimeNs.toString(16)}`
}

export function localObject(key: string, about: BigStat): ObjectInfo {
  return {
    key,
    length: Number(about.size),
    etag: localEtag(about),
    modifiedMs: Math.min(Math.max(Number(about.mtimeNs / 1_000_000n), -timeMaxMs), timeMaxMs),
    storageClass: 'STANDARD',
  }
}
