// Why: the records of a segment are read in order at a restart and by compaction. How: windows of
// the file; a record's data is skipped when it reaches beyond its window. Where a head is rotten,
// the next mark that begins a sound head is looked for, so that one bad bit costs one block and not
// the rest of the segment. All windows use the same memory: after each load every segment is read
// for its heads, and a window of its own for each MiB was up to 64 MiB of garbage at a time [M].
import { throwIfAborted } from '../../base/clock.ts'
import { freeAtOnce } from '../../base/flow/free-memory.ts'
import { readFully } from '../disk/disk-calls.ts'
import type { Segment } from './segment-file.ts'
import { decodeRecord, headStartBytes, markBytes, type SegmentRecord } from './segment-record.ts'

/** The records whose heads lie in one window. The bytes are the reader's until the next window. */
export interface RecordWindow {
  /** Of the window in the segment. */
  readonly position: number
  /** The file's bytes there. */
  readonly bytes: Buffer
  readonly records: readonly { readonly position: number; readonly record: SegmentRecord }[]
}

/**
 * All whole records of a segment, up to its size as it is now.
 * @throws the file system's error, or the signal's reason
 */
export async function* readWindows(
  segment: Segment,
  windowBytes: number,
  signal: AbortSignal,
): AsyncGenerator<RecordWindow> {
  const end = segment.size
  let wanted = windowBytes
  let memory = Buffer.alloc(0)
  for (let at = 0; at < end;) {
    throwIfAborted(signal)
    const length = Math.min(wanted, end - at)
    if (length > memory.length) {
      freeAtOnce(memory)
      memory = Buffer.allocUnsafeSlow(length)
    }
    const bytes = memory.subarray(0, await readFully(segment.fd, memory.subarray(0, length), at))
    const window = parse(bytes, at, end, segment.mark)
    if (window.records.length > 0) yield { position: at, bytes, records: window.records }
    // A window that ends inside a head begins there the next time, and is large enough for the
    // head.
    if (window.next === at && bytes.length < wanted) break
    wanted = Math.max(windowBytes, window.needed)
    at = window.next
  }
  // Not after an error: whoever reads, or the disk, may still use the memory.
  freeAtOnce(memory)
}

/** The records in the window, where to go on, and how many bytes are needed from there. */
function parse(bytes: Buffer, position: number, end: number, mark: Buffer) {
  const records: { position: number; record: SegmentRecord }[] = []
  let at = 0
  while (at < bytes.length) {
    const found = decodeRecord(bytes, at, mark)
    if (typeof found === 'object' && position + at + found.bytes <= end) {
      records.push({ position: position + at, record: found })
      at += found.bytes
    } else if (typeof found === 'number' && position + at + found <= end) {
      return { records, next: position + at, needed: found }
    } else {
      // Rot, or a tail that is cut.
      const next = bytes.indexOf(mark, at + 1)
      if (next < 0) return { records, next: position + afterRot(bytes, at), needed: headStartBytes }
      at = next
    }
  }
  return { records, next: position + at, needed: headStartBytes }
}

/** A mark may begin in the last bytes of the window. */
function afterRot(bytes: Buffer, at: number): number {
  return Math.max(at + 1, bytes.length - markBytes + 1)
}
