// Why: a block in a segment is read as safely as one in a file. How: its record's head is read and
// compared each time a reader is opened; a small block comes with the same read, a larger one page
// by page. The segment is held meanwhile, so that neither a free nor compaction takes the bytes
// away from under a reader.
import { isOf, type StoredBlock } from '../disk/block-file.ts'
import type { BlockHeader, BlockReader } from '../block-store.ts'
import { diskError, readFully } from '../disk/disk-calls.ts'
import { brokenBlock, PageReader, type PageSource, wholeBlockBytesMax } from '../disk/page-reader.ts'
import type { SegmentPlace } from './segment-file.ts'
import { decodeRecord } from './segment-record.ts'

/**
 * @param broken drops the block; called and waited for before a later read throws data_loss
 * @throws SkeinError data_loss (the caller drops the block), unavailable when the disk fails
 */
export async function openSegmentReader(
  place: SegmentPlace,
  kept: StoredBlock,
  broken: (header: BlockHeader) => Promise<void>,
): Promise<BlockReader> {
  const { segment, position, bytes } = place
  segment.retain()
  let held = false
  try {
    const headBytes = bytes - kept.length
    const whole = bytes <= wholeBlockBytesMax
    const start = Buffer.allocUnsafe(whole ? bytes : headBytes)
    const count = await readFully(segment.fd, start, position)
    const record = count === start.length ? decodeRecord(start, 0, segment.mark) : undefined
    if (typeof record !== 'object' || record.kind !== 'block' || record.bytes !== bytes || !isOf(record.header, kept)) {
      throw brokenBlock('block_corrupt', kept, 'has a torn or foreign record')
    }
    held = !whole
    const onDisk = { path: segment.path, dataOffset: position + headBytes, headOffset: position, headBytes }
    return new PageReader(
      record.header,
      onDisk,
      record.checksums,
      whole ? start.subarray(headBytes) : sourceOf(place, headBytes),
      broken,
    )
  } catch (thrown) {
    throw diskError(thrown, `opening block ${kept.blockId}`)
  } finally {
    if (!held) segment.release()
  }
}

function sourceOf({ segment, position }: SegmentPlace, headBytes: number): PageSource {
  return {
    // Never beyond the record: PageReader asks for the block's own bytes only.
    read: (into, from) => readFully(segment.fd, into, position + headBytes + from),
    release: () => {
      segment.release()
      return Promise.resolve()
    },
  }
}
