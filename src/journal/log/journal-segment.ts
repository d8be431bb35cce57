// Why: one file of the journal: its name, creation, recovery and reading. How: a segment is
// complete once a later one exists, because its last entry was synced before the next file was
// created. Only the last segment may have a torn tail.
import { join } from 'node:path'
import { SkeinError } from '../../base/errors.ts'
import {
  type Checksum,
  decodeEntry,
  decodeSegmentHeader,
  encodeSegmentHeader,
  segmentHeaderBytes,
  type SegmentHeader,
  wasDurable,
} from './entry-codec.ts'
import type { JournalFile, JournalFileSystem } from '../disk/journal-files.ts'
import type { JournalEntry } from '../journal.ts'

const namePattern = /^segment-(\d{20})\.journal$/

/** The file name of a segment: its first seq in 20 digits, so that names sort like seqs. */
export function segmentName(firstSeq: bigint): string {
  return `segment-${firstSeq.toString().padStart(20, '0')}.journal`
}

/** The first seqs of the segments in a directory, in order. */
export function segmentFirstSeqs(names: readonly string[]): bigint[] {
  return names
    .map((name) => namePattern.exec(name)?.[1])
    .filter((digits) => digits !== undefined)
    .sort()
    .map((digits) => BigInt(digits))
}

/** The segment that is being written. */
export interface OpenSegment {
  readonly firstSeq: bigint
  readonly nonce: number
  readonly file: JournalFile
  /** The offset of the next entry. */
  sizeBytes: number
}

/** Creates an empty segment. The file and its name are durable. */
export async function createSegment(
  fileSystem: JournalFileSystem,
  directory: string,
  header: SegmentHeader,
): Promise<OpenSegment> {
  const file = await fileSystem.create(join(directory, segmentName(header.firstSeq)))
  try {
    await file.write(encodeSegmentHeader(header), 0)
    await file.sync()
    await fileSystem.syncDirectory(directory)
  } catch (thrown) {
    await file.close()
    throw thrown
  }
  return { ...header, file, sizeBytes: segmentHeaderBytes }
}

export interface ReopenedSegment {
  readonly segment: OpenSegment
  /** The seq of the last valid entry; firstSeq - 1 if there is none. */
  readonly lastSeq: bigint
  readonly lastEpoch: bigint
  /** Bytes of a torn tail that were cut off. */
  readonly cutBytes: number
}

/**
 * Opens the last segment for further writes: cuts off a torn tail and makes the rest durable. The
 * last group may be only in the page cache, and marked clean there if its sync failed (the kernel
 * drops the dirty mark), so it is written again. Undefined when the power failed while the segment
 * was created: it never had an entry, and its file is removed.
 * @throws SkeinError data_loss when a durable entry is damaged
 */
export async function reopenSegment(
  fileSystem: JournalFileSystem,
  directory: string,
  firstSeq: bigint,
  checksum: Checksum,
): Promise<ReopenedSegment | undefined> {
  const name = segmentName(firstSeq)
  const path = join(directory, name)
  const file = await fileSystem.open(path)
  try {
    const bytes = asBuffer(await file.readAll())
    const header = decodeSegmentHeader(bytes)
    if (header === undefined && bytes.length <= segmentHeaderBytes) {
      await file.close()
      await fileSystem.remove(path)
      await fileSystem.syncDirectory(directory)
      return undefined
    }
    const nonce = checkHeader(header, firstSeq, directory).nonce
    let end = segmentHeaderBytes
    let lastSeq = firstSeq - 1n
    let lastEpoch = 0n
    let durableSeq = 0n
    let durableEnd = segmentHeaderBytes
    for (;;) {
      const entry = decodeEntry(bytes, end, nonce, checksum)
      if (entry === undefined || entry.seq !== lastSeq + 1n) break
      if (entry.durableSeq > durableSeq) durableEnd = end
      durableSeq = entry.durableSeq
      end = entry.end
      lastSeq = entry.seq
      lastEpoch = entry.epoch
    }
    if (wasDurable(bytes, end, lastSeq + 1n, nonce, checksum)) throw rot(directory, name, lastSeq + 1n)
    if (end < bytes.length) await file.truncate(end)
    await file.write(bytes.subarray(durableEnd, end), durableEnd)
    await file.sync()
    return { segment: { firstSeq, nonce, file, sizeBytes: end }, lastSeq, lastEpoch, cutBytes: bytes.length - end }
  } catch (thrown) {
    await file.close().catch(() => undefined)
    throw thrown
  }
}

/**
 * The entries of a segment up to `lastSeq`, which were all durable.
 * @throws SkeinError data_loss, which names segment and seq
 */
export async function* readSegment(
  fileSystem: JournalFileSystem,
  directory: string,
  firstSeq: bigint,
  lastSeq: bigint,
  checksum: Checksum,
): AsyncIterable<JournalEntry> {
  const name = segmentName(firstSeq)
  const bytes = await readWhole(fileSystem, directory, firstSeq)
  const { nonce } = checkHeader(decodeSegmentHeader(bytes), firstSeq, directory)
  let at = segmentHeaderBytes
  for (let seq = firstSeq; seq <= lastSeq; seq += 1n) {
    const entry = decodeEntry(bytes, at, nonce, checksum)
    if (entry === undefined || entry.seq !== seq) throw rot(directory, name, seq)
    yield { seq, epoch: entry.epoch, bytes: entry.bytes }
    at = entry.end
  }
}

async function readWhole(fileSystem: JournalFileSystem, directory: string, firstSeq: bigint): Promise<Buffer> {
  const name = segmentName(firstSeq)
  const file = await fileSystem.open(join(directory, name)).catch((thrown: unknown) => {
    throw new SkeinError(
      'data_loss',
      `the journal in ${directory} has lost ${name}, from seq ${firstSeq} on: restore it from a backup`,
      {
        cause: thrown,
      },
    )
  })
  try {
    return asBuffer(await file.readAll())
  } finally {
    await file.close()
  }
}

function checkHeader(header: SegmentHeader | undefined, firstSeq: bigint, directory: string): SegmentHeader {
  if (header === undefined || header.firstSeq !== firstSeq) throw rot(directory, segmentName(firstSeq), firstSeq)
  return header
}

function rot(directory: string, name: string, seq: bigint): SkeinError {
  return new SkeinError(
    'data_loss',
    `the journal in ${directory} is damaged: ${name} at seq ${seq}; restore it from a backup`,
    {
      reason: 'journal_damaged',
    },
  )
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
