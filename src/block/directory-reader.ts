// Why: a block's file is opened and its footer checked before anything of it is read (page-reader.ts). How: a small
// block's file is read whole at once and closed; a large one's descriptor stays open, so that it can be read on after the
// block was freed.
import { decodeFooter, encodeFooter, pageCount, sameHeader } from './block-file.ts'
import type { BlockHeader, BlockReader } from './block-store.ts'
import { closeFile, diskError, hasErrno, openFile, readFileFlags, readFully } from './disk-calls.ts'
import { brokenBlock, PageReader, type PageSource, wholeBlockBytesMax } from './page-reader.ts'

/**
 * Opens a block's file and checks its footer against `header`.
 * @param broken drops the block; called and waited for before a later read throws data_loss
 * @throws SkeinError data_loss (see brokenBlock; the caller drops the block), unavailable when the disk fails
 */
export async function openReader(path: string, header: BlockHeader, broken: () => Promise<void>): Promise<BlockReader> {
  const fd = await openBlockFile(path, header)
  let held = false
  try {
    const fileBytes = header.length + expectedFooterBytes(header)
    const whole = fileBytes <= wholeBlockBytesMax
    const from = whole ? 0 : header.length
    // One byte more than there should be, so that a longer file is seen.
    const tail = Buffer.allocUnsafe(fileBytes - from + 1)
    const count = await readFully(fd, tail, from)
    const footer = decodeFooter(tail.subarray(0, count), from + count)
    if (footer === undefined || !sameHeader(footer.header, header)) throw brokenBlock('block_corrupt', header, 'has a torn or foreign file')
    held = !whole
    const place = { path, dataOffset: 0, headOffset: header.length, headBytes: footer.footerBytes }
    return new PageReader(footer.header, place, footer.checksums, whole ? tail.subarray(0, header.length) : fileSource(fd), broken)
  } catch (thrown) {
    throw diskError(thrown, `opening block ${header.blockId}`)
  } finally {
    if (!held) await closeFile(fd)
  }
}

export function fileSource(fd: number): PageSource {
  return {
    read: (into, from) => readFully(fd, into, from),
    // An error at closing a file that was only read says nothing to anybody.
    release: () => closeFile(fd).catch(() => undefined),
  }
}

async function openBlockFile(path: string, header: BlockHeader): Promise<number> {
  try {
    return await openFile(path, readFileFlags)
  } catch (thrown) {
    if (hasErrno(thrown, 'ENOENT')) throw brokenBlock('block_missing', header, 'has no file any more')
    if (hasErrno(thrown, 'ELOOP')) throw brokenBlock('block_corrupt', header, 'has a symbolic link for a file')
    throw diskError(thrown, `opening block ${header.blockId}`)
  }
}

function expectedFooterBytes(header: BlockHeader): number {
  return encodeFooter(header, []).length + 4 * pageCount(header.length)
}
