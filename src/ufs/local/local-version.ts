// Why: a file system has no versions, and each read, write and rename must name one. How: inode,
// size and time of change together; a rename or another hard link keeps them, any write makes
// others.
import type { ObjectInfo } from '../under-file-system.ts'

interface BigStat {
  readonly ino: bigint
  readonly size: bigint
  readonly mtimeNs: bigint
}

/** Some file systems keep times that no calendar has. */
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
