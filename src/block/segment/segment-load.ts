// Why: after a restart the segments are the only record of what is in them. How: all heads are
// read, of a sealed segment from the file beside it (segment-heads.ts); of the records of one block
// the one with the highest sequence number is the truth. The last segment is cut after its last
// whole record and appended to again.
import { diskError, hasErrno, removeFile, truncateFile } from '../disk/disk-calls.ts'
import { namesInFolder } from '../disk/directory-layout.ts'
import { type StoredBlock, storedBlock } from '../disk/block-file.ts'
import { deleteSegment, isHeadsName, openSegment, type Segment, type SegmentPlace } from './segment-file.ts'
import { readHeads } from './segment-heads.ts'
import type { SegmentRecord } from './segment-record.ts'
import { readWindows } from './segment-scan.ts'
import type { SegmentTable } from './segment-table.ts'

const windowBytes = 128 * 1024

export interface FoundBlock {
  readonly header: StoredBlock
  readonly place: SegmentPlace
}

export interface LoadedSegments {
  readonly blocks: readonly FoundBlock[]
  /** To go on with. */
  readonly open: Segment | undefined
  /** Sealed segments that had to be read themselves. */
  readonly withoutHeads: readonly Segment[]
  /** Bytes at the end of the last segment that were no whole record. */
  readonly cutBytes: number
  /** Files with other names; left alone. */
  readonly foreignFiles: number
}

interface Newest extends FoundBlock {
  readonly sequence: number
}

interface Loading {
  readonly table: SegmentTable
  readonly newest: Map<number, Newest>
  readonly tombstones: {
    readonly segment: Segment
    readonly blockId: number
    readonly sequence: number
    readonly bytes: number
  }[]
}

/**
 * Fills `table`, except for what is live.
 * @throws SkeinError unavailable when the disk fails, or the signal's reason; the segments are
 *   closed then
 */
export async function loadSegments(
  folder: string,
  table: SegmentTable,
  limits: { readonly segmentBytes: number; readonly signal: AbortSignal },
): Promise<LoadedSegments> {
  const { segments, foreignFiles } = await openAll(folder)
  const loading: Loading = { table, newest: new Map(), tombstones: [] }
  const withoutHeads: Segment[] = []
  let cutBytes = 0
  try {
    for (const [index, segment] of segments.entries()) {
      table.add(segment)
      if (index < segments.length - 1) {
        segment.sealed = true
        if (!(await readSealed(segment, loading, limits.signal))) withoutHeads.push(segment)
      } else {
        const end = await readSegment(segment, loading, limits.signal)
        await removeFile(segment.headsPath)
        cutBytes = segment.size - end
        if (cutBytes > 0) await truncateFile(segment.fd, end)
        segment.size = end
        segment.sealed = end >= limits.segmentBytes
      }
    }
    for (const segment of segments) {
      if (segment.size > 0) continue
      await deleteSegment(segment)
      table.delete(segment)
    }
  } catch (thrown) {
    for (const segment of segments) segment.retire()
    throw diskError(thrown, `scanning segments ${folder}`)
  }
  const last = segments.at(-1)
  const open = last !== undefined && last.size > 0 && !last.sealed ? last : undefined
  return { blocks: resolve(loading), open, withoutHeads, cutBytes, foreignFiles }
}

async function openAll(folder: string): Promise<{ segments: Segment[]; foreignFiles: number }> {
  const segments: Segment[] = []
  const heads: string[] = []
  let foreignFiles = 0
  try {
    for (const name of (await namesInFolder(folder)).toSorted()) {
      const segment = await openOurs(folder, name)
      if (segment !== undefined) segments.push(segment)
      else if (isHeadsName(name)) heads.push(`${folder}/${name}`)
      else foreignFiles += 1
    }
    const known = new Set(segments.map((segment) => segment.headsPath))
    for (const path of heads) if (!known.has(path)) await removeFile(path)
    return { segments, foreignFiles }
  } catch (thrown) {
    for (const segment of segments) segment.retire()
    throw diskError(thrown, `opening segments ${folder}`)
  }
}

/** A symbolic link or a folder of a segment's name is not ours. */
async function openOurs(folder: string, name: string): Promise<Segment | undefined> {
  try {
    return await openSegment(folder, name)
  } catch (thrown) {
    if (hasErrno(thrown, 'ELOOP', 'EISDIR')) return undefined
    throw thrown
  }
}

/** @returns whether the file of heads was enough */
async function readSealed(segment: Segment, loading: Loading, signal: AbortSignal): Promise<boolean> {
  const heads = segment.size === 0 ? [] : await readHeads(segment)
  if (heads === undefined) await readSegment(segment, loading, signal)
  else for (const { position, record } of heads) take(segment, position, record, loading)
  return heads !== undefined
}

/** @returns where the last whole record ends */
async function readSegment(segment: Segment, loading: Loading, signal: AbortSignal): Promise<number> {
  let end = 0
  for await (const window of readWindows(segment, windowBytes, signal)) {
    for (const { position, record } of window.records) {
      take(segment, position, record, loading)
      end = position + record.bytes
    }
  }
  return end
}

function take(segment: Segment, position: number, record: SegmentRecord, { table, newest, tombstones }: Loading): void {
  table.sawSequence(record.sequence)
  if (record.kind === 'tombstone') {
    tombstones.push({ segment, blockId: record.blockId, sequence: record.sequence, bytes: record.bytes })
    return
  }
  const { blockId } = record.header
  const found: Newest = {
    header: storedBlock(record.header),
    place: { segment, position, bytes: record.bytes },
    sequence: record.sequence,
  }
  const other = newest.get(blockId)
  // Of a copy that compaction made and its original, which have one number, the copy is kept.
  const wins = other === undefined || other.sequence <= found.sequence
  if (wins) newest.set(blockId, found)
  const loser = wins ? other : found
  if (loser !== undefined) table.addDead(loser.place, blockId, false)
}

function resolve({ table, newest, tombstones }: Loading): FoundBlock[] {
  for (const { blockId, sequence } of tombstones) {
    const found = newest.get(blockId)
    if (found === undefined || found.sequence > sequence) continue
    newest.delete(blockId)
    table.addDead(found.place, blockId, false)
  }
  for (const { segment, blockId, sequence, bytes } of tombstones)
    table.addTombstone(segment, blockId, sequence, false, bytes)
  return [...newest.values()]
}
