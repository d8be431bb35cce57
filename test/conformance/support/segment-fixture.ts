// Why: tests look into segments behind the store's back. How: the records are read as a restart
// reads them.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { openSegment } from '../../../src/block/segment/segment-file.ts'
import type { SegmentRecord } from '../../../src/block/segment/segment-record.ts'
import { readWindows } from '../../../src/block/segment/segment-scan.ts'
import { never } from './block-store-fixture.ts'

export interface BytesOnDisk {
  readonly path: string
  readonly from: number
  readonly length: number
  /** All of the file, or a record in it. */
  readonly isFile: boolean
}

export interface RecordOnDisk extends BytesOnDisk {
  readonly record: SegmentRecord
}

export function blockIdOf(record: SegmentRecord): number {
  return record.kind === 'block' ? record.header.blockId : record.blockId
}

/** All whole records in the segments of a block directory, in the order of segments. */
export async function recordsIn(directory: string): Promise<RecordOnDisk[]> {
  const folder = join(directory, 'segments')
  const found: RecordOnDisk[] = []
  for (const name of (await readdir(folder)).toSorted()) {
    const segment = await openSegment(folder, name)
    if (segment === undefined) continue
    for await (const { records } of readWindows(segment, 64 * 1024, never)) {
      for (const { position, record } of records) {
        found.push({ path: segment.path, from: position, length: record.bytes, isFile: false, record })
      }
    }
    segment.retire()
  }
  return found
}

/** The newest record of this kind of a block. */
export async function findRecord(
  directory: string,
  blockId: number,
  kind: SegmentRecord['kind'],
): Promise<RecordOnDisk | undefined> {
  let newest: RecordOnDisk | undefined
  for (const found of await recordsIn(directory)) {
    const wanted = found.record.kind === kind && blockIdOf(found.record) === blockId
    if (wanted && (newest === undefined || found.record.sequence >= newest.record.sequence)) newest = found
  }
  return newest
}
