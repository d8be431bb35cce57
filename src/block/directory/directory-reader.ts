// Why: a block's file is opened and its footer checked before anything of it is read
// (page-reader.ts). How: a small block's file is read whole at once and closed; a large one's
// descriptor stays open, so that it can be read on after the block was freed.
import { decodeFooter, isOf, namesBytesMax, pageCount, type StoredBlock } from '../disk/block-file.ts'
import type { BlockHeader, BlockReader } from '../block-store.ts'
import {
  closeFile,
  closeReadFile,
  diskError,
  hasErrno,
  openFile,
  readFileFlags,
  readFully,
  statFile,
} from '../disk/disk-calls.ts'
import { brokenBlock, PageReader, type PageSource, wholeBlockBytesMax } from '../disk/page-reader.ts'

/** More than a footer with usual names takes, beside its checksums. */
const usualNamesBytesMax = 1024

/**
 * Opens a block's file and checks its footer against what is kept of the block.
 * @param broken drops the block; called and waited for before a later read throws data_loss
 * @throws SkeinError data_loss (see brokenBlock; the caller drops the block), unavailable when the
 *   disk fails
 */
export async function openReader(
  path: string,
  kept: StoredBlock,
  broken: (header: BlockHeader) => Promise<void>,
): Promise<BlockReader> {
  const fd = await openBlockFile(path, kept)
  let held = false
  try {
    const whole = kept.length <= wholeBlockBytesMax
    const from = whole ? 0 : kept.length
    const { tail, fileBytes } = await readToEnd(
      fd,
      from,
      kept.length - from + 4 * pageCount(kept.length) + usualNamesBytesMax,
    )
    const footer = decodeFooter(tail, fileBytes)
    if (footer === undefined || !isOf(footer.header, kept))
      throw brokenBlock('block_corrupt', kept, 'has a torn or foreign file')
    held = !whole
    const place = { path, dataOffset: 0, headOffset: kept.length, headBytes: footer.footerBytes }
    return new PageReader(
      footer.header,
      place,
      footer.checksums,
      whole ? tail.subarray(0, kept.length) : fileSource(fd),
      broken,
    )
  } catch (thrown) {
    throw diskError(thrown, `opening block ${kept.blockId}`)
  } finally {
    if (!held) closeReadFile(fd)
  }
}

/**
 * The file from `from` on. One read for as much as is expected, and another for more, which may be
 * long names.
 */
async function readToEnd(
  fd: number,
  from: number,
  expectedBytes: number,
): Promise<{ tail: Buffer; fileBytes: number }> {
  const tail = Buffer.allocUnsafe(expectedBytes + 1)
  const count = await readFully(fd, tail, from)
  if (count <= expectedBytes) return { tail: tail.subarray(0, count), fileBytes: from + count }
  const { size } = await statFile(fd)
  // What is still longer is no block's file, and is found out by its end.
  const all = Buffer.allocUnsafe(Math.min(size - from, expectedBytes + namesBytesMax))
  return { tail: all.subarray(0, await readFully(fd, all, from)), fileBytes: size }
}

export function fileSource(fd: number): PageSource {
  return {
    read: (into, from) => readFully(fd, into, from),
    // An error at closing a file that was only read says nothing to anybody.
    release: () => closeFile(fd).catch(() => undefined),
  }
}

async function openBlockFile(path: string, header: StoredBlock): Promise<number> {
  try {
    return await openFile(path, readFileFlags)
  } catch (thrown) {
    if (hasErrno(thrown, 'ENOENT')) throw brokenBlock('block_missing', header, 'has no file any more')
    if (hasErrno(thrown, 'ELOOP')) throw brokenBlock('block_corrupt', header, 'has a symbolic link for a file')
    throw diskError(thrown, `opening block ${header.blockId}`)
  }
}
