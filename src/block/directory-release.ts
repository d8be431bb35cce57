// Why: a durable block whose bytes are somewhere else too by now is a usual one, also after a restart. How: its file's footer
// says so; it is written anew in place, at the same length. Not synced: without it the block is durable once more, and is
// released once more. A reader that meets half of it looks again (directory-store.ts).
import { constants } from 'node:fs'
import { decodeFooter, encodeFooter, sameHeader } from './block-file.ts'
import type { BlockHeader } from './block-store.ts'
import { closeFile, openFile, readFully, statFile, writeFully } from './disk-calls.ts'

/** @throws the file system's error; a file that is not the block's is left alone */
export async function releaseFile(path: string, header: BlockHeader): Promise<void> {
  const fd = await openFile(path, constants.O_RDWR | constants.O_NOFOLLOW)
  try {
    const { size } = await statFile(fd)
    const tail = Buffer.allocUnsafe(Math.max(0, size - header.length))
    const footer = decodeFooter(tail.subarray(0, await readFully(fd, tail, header.length)), size)
    if (footer === undefined || !sameHeader(footer.header, header)) return
    await writeFully(fd, [encodeFooter({ ...footer.header, durable: undefined }, footer.checksums)], header.length)
  } finally {
    await closeFile(fd)
  }
}
