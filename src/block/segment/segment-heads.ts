// Why: a restart must not read every byte of every segment to find the heads. How: beside a sealed
// segment lies a file of all its heads, <number>-<mark>.heads, all integers little-endian:
//
//   for each record: u64 position | head (segment-record.ts)
//   u64 bytes of the segment | u32 CRC-32 of all before
//
// It is written once the segment is sealed, and believed only if it is whole and speaks of a
// segment of this length; else the segment itself is read. It is never the truth about a block's
// bytes: those are checked against the segment.
import { readFile } from 'node:fs/promises'
import { crc32 } from '../../base/checksum/crc32.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { closeFile, newFileFlags, openFile, removeFile, writeFully } from '../disk/disk-calls.ts'
import type { Segment } from './segment-file.ts'
import { decodeRecord, type SegmentRecord } from './segment-record.ts'
import { readWindows } from './segment-scan.ts'
import { readSafeInteger, writeSafeInteger } from '../disk/safe-integer.ts'

const windowBytes = 1024 * 1024
const positionBytes = 8
const trailerBytes = 12

export interface RecordAt {
  readonly position: number
  readonly record: SegmentRecord
}

/**
 * Writes the heads of a sealed segment; nothing stays when the segment is deleted meanwhile.
 * @throws the file system's error
 */
export async function writeHeads(segment: Segment, signal: AbortSignal): Promise<void> {
  segment.retain()
  try {
    const parts = await headsOf(segment, signal)
    await removeFile(segment.headsPath)
    const fd = await openFile(segment.headsPath, newFileFlags)
    try {
      await writeFully(fd, parts, 0)
    } catch (thrown) {
      // A part of it would only take up room.
      await removeFile(segment.headsPath)
      throw thrown
    } finally {
      await closeFile(fd)
    }
    if (segment.isRetired) await removeFile(segment.headsPath)
  } finally {
    segment.release()
  }
}

/** Writes heads in the background, one segment after the other. A restart does without them. */
export class HeadsQueue {
  readonly #logger: Pick<Logger, 'debug'>
  readonly #stopping = new AbortController()
  #written: Promise<void> = Promise.resolve()

  constructor(logger: Pick<Logger, 'debug'>) {
    this.#logger = logger
  }

  add(segment: Segment): void {
    const { signal } = this.#stopping
    this.#written = this.#written.then(async () => {
      if (signal.aborted || segment.isRetired) return
      try {
        await writeHeads(segment, signal)
      } catch (thrown) {
        if (!signal.aborted) this.#logger.debug('the heads of a segment could not be written', { error: thrown })
      }
    })
  }

  /** Ends what is under way; resolves when nothing is written any more. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#written
  }
}

/**
 * The records of a segment, or undefined when the file of heads is not there or not to be believed.
 */
export async function readHeads(segment: Segment): Promise<RecordAt[] | undefined> {
  let bytes: Buffer
  try {
    bytes = await readFile(segment.headsPath)
  } catch {
    // The segment is the truth.
    return undefined
  }
  const end = bytes.length - trailerBytes
  if (end < 0 || bytes.readUInt32LE(end + 8) !== crc32(bytes.subarray(0, end + 8))) return undefined
  if (readSafeInteger(bytes, end) !== segment.size) return undefined
  const found: RecordAt[] = []
  for (let at = 0; at < end;) {
    const position = readSafeInteger(bytes, at)
    const record = decodeRecord(bytes.subarray(0, end), at + positionBytes, segment.mark)
    if (typeof record !== 'object' || position + record.bytes > segment.size) return undefined
    found.push({ position, record })
    at += positionBytes + record.headBytes
  }
  return found
}

async function headsOf(segment: Segment, signal: AbortSignal): Promise<Buffer[]> {
  const parts: Buffer[] = []
  let crc = 0
  const add = (part: Buffer): void => {
    parts.push(part)
    crc = crc32(part, crc)
  }
  for await (const window of readWindows(segment, windowBytes, signal)) {
    const size = window.records.reduce((total, { record }) => total + positionBytes + record.headBytes, 0)
    const part = Buffer.allocUnsafeSlow(size)
    let at = 0
    for (const { position, record } of window.records) {
      writeSafeInteger(part, position, at)
      const from = position - window.position
      window.bytes.copy(part, at + positionBytes, from, from + record.headBytes)
      at += positionBytes + record.headBytes
    }
    add(part)
  }
  const length = Buffer.alloc(8)
  writeSafeInteger(length, segment.size, 0)
  add(length)
  const trailer = Buffer.alloc(4)
  trailer.writeUInt32LE(crc, 0)
  parts.push(trailer)
  return parts
}
