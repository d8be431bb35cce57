// Why: a durable block whose bytes are somewhere else too by now is a usual one, also after a
// restart. How: its file's footer says so; it is written anew in place, at the same length. Not
// synced: without it the block is durable once more, and is released once more. A reader that meets
// half of it looks again (directory-store.ts).
import { constants } from 'node:fs'
import { decodeFooter, encodeFooter, isOf, type StoredBlock } from '../disk/block-file.ts'
import { closeFile, openFile, readFully, statFile, writeFully } from '../disk/disk-calls.ts'

/** @throws the file system's error; a file that is not the block's is left alone */
export async function releaseFile(path: string, kept: StoredBlock): Promise<void> {
  const fd = await openFile(path, constants.O_RDWR | constants.O_NOFOLLOW)
  try {
    const { size } = await statFile(fd)
    const tail = Buffer.allocUnsafe(Math.max(0, size - kept.length))
    const footer = decodeFooter(tail.subarray(0, await readFully(fd, tail, kept.length)), size)
    if (footer === undefined || !isOf(footer.header, kept)) return
    await writeFully(fd, [encodeFooter({ ...footer.header, durable: undefined }, footer.checksums)], kept.length)
  } finally {
    await closeFile(fd)
  }
}
