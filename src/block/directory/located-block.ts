// Why: a process on the worker's own host reads a block's file itself, as safely as the worker
// does. How: the worker says where the block is (BlockReader.place); by the time that the file is
// opened here, something else may be there. So the head in the file must say that it is this very
// block, name, version and length, and has the page checksums, which every read is checked against.
// From then on the open descriptor is the block: it stays whole when the block is freed, moved or
// its segment compacted.
import { SkeinError } from '../../base/errors.ts'
import { decodeFooter, rottenPage, sameHeader } from '../disk/block-file.ts'
import type { BlockHeader, BlockPlace } from '../block-store.ts'
import { fileSource } from './directory-reader.ts'
import { closeFile, diskError, openFile, readFileFlags, readFully, statFile } from '../disk/disk-calls.ts'
import { PageReader } from '../disk/page-reader.ts'
import { type BlockRecord, decodeRecord, markBytes } from '../segment/segment-record.ts'

/**
 * Of a head: three names of 64 KiB and the checksums of a block of 64 GiB. What claims more is
 * none.
 */
const headBytesMax = 512 * 1024

/**
 * Opens the block at a place that its worker named. Reads throw data_loss for a page that does not
 * match its checksum.
 * @throws SkeinError data_loss when something else is there, or as diskError when the file cannot
 *   be opened for reading
 */
export async function openLocated(place: BlockPlace, header: BlockHeader): Promise<PageReader> {
  let fd: number
  try {
    fd = await openFile(place.path, readFileFlags)
  } catch (thrown) {
    throw diskError(thrown, `opening block ${header.blockId}`)
  }
  let held = false
  try {
    const found = await readHead(fd, place, header.length)
    if (found === undefined || !sameHeader(found.header, header)) {
      throw new SkeinError('data_loss', `block ${header.blockId} is not where it was said to be`, {
        reason: 'block_missing',
      })
    }
    const file = fileSource(fd)
    const source = {
      read: (into: Uint8Array, from: number) => file.read(into, place.dataOffset + from),
      release: () => file.release(),
    }
    held = true
    return new PageReader(found.header, place, found.checksums, source, () => Promise.resolve())
  } catch (thrown) {
    throw diskError(thrown, `opening block ${header.blockId}`)
  } finally {
    if (!held) await closeFile(fd)
  }
}

/**
 * The bytes of a block whose record in a segment was read as a whole; undefined when it is not this
 * block, or is torn or rotten.
 * @param bytes of the record, or fewer
 */
export function blockInRecord(
  bytes: Uint8Array,
  { headBytes }: Pick<BlockPlace, 'headBytes'>,
  header: BlockHeader,
): Uint8Array | undefined {
  if (headBytes > headBytesMax || bytes.length < headBytes || headBytes < markBytes) return undefined
  const record = recordIn(Buffer.from(bytes.buffer, bytes.byteOffset, headBytes), headBytes)
  const data = bytes.subarray(headBytes)
  if (record === undefined || !sameHeader(record.header, header) || data.length !== header.length) return undefined
  return rottenPage(data, 0, record.checksums) === undefined ? data : undefined
}

/** What the file says is there; undefined when it is no block of this length there. */
async function readHead(
  fd: number,
  { dataOffset, headOffset, headBytes }: BlockPlace,
  length: number,
): Promise<{ readonly header: BlockHeader; readonly checksums: readonly number[] } | undefined> {
  if (headBytes > headBytesMax || !(await statFile(fd)).isFile()) return undefined
  // One byte more, so that a longer file is seen.
  const into = Buffer.alloc(headBytes + 1)
  const head = into.subarray(0, await readFully(fd, into, headOffset))
  if (headOffset === dataOffset + length) return dataOffset === 0 ? decodeFooter(head, length + head.length) : undefined
  if (headOffset + headBytes !== dataOffset || head.length < markBytes) return undefined
  return recordIn(head, headBytes)
}

function recordIn(head: Buffer, headBytes: number): BlockRecord | undefined {
  // The mark is the segment's own affair; the head has a checksum of its own.
  const record = decodeRecord(head, 0, head.subarray(0, markBytes))
  return typeof record === 'object' && record.kind === 'block' && record.headBytes === headBytes ? record : undefined
}
