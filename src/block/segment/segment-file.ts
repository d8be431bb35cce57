// Why: one segment: a file that many small blocks are appended to. How: one descriptor a segment,
// shared by all readers and counted, so that a reader goes on after its block was freed, moved by
// compaction, or the file deleted. The file is named by its number and by the mark of its records
// (segment-record.ts):
//
//   <path>/segments/<number, 10 digits>-<mark, 16 hexadecimal digits>.seg
//
// One descriptor for each 256 MiB: a TiB of small blocks needs 4096 of them.
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { closeFile, newFileFlags, openFile, removeFile, statFile } from '../disk/disk-calls.ts'
import { markBytes } from './segment-record.ts'

const namePattern = /^(\d{10})-([0-9a-f]{16})\.seg$/
const headsSuffix = '.heads'
const headsPattern = /^\d{10}-[0-9a-f]{16}\.heads$/

/** Where a block's record lies. */
export interface SegmentPlace {
  readonly segment: Segment
  readonly position: number
  /** Of the whole record. */
  readonly bytes: number
}

export class Segment {
  readonly number: number
  readonly path: string
  readonly fd: number
  readonly mark: Buffer
  /** Up to the end of the last whole record. */
  size = 0
  /** Of the records of blocks that can be read. */
  liveBytes = 0
  liveBlocks = 0
  tombstones = 0
  /** Of tombstones that compaction carried here because they are still needed; see SegmentTable. */
  keptBytes = 0
  /** No more is appended. */
  sealed = false
  /** Ids of the dead records, one each. */
  readonly deadIds: number[] = []
  #holders = 0
  #retired = false

  constructor(path: string, number: number, mark: Buffer, fd: number) {
    this.path = path
    this.number = number
    this.mark = mark
    this.fd = fd
  }

  /** The file beside it; see segment-heads.ts. */
  get headsPath(): string {
    return this.path.replace(/\.seg$/, headsSuffix)
  }

  get isRetired(): boolean {
    return this.#retired
  }

  get deadBytes(): number {
    return this.size - this.liveBytes - this.keptBytes
  }

  /** Keeps the descriptor open until `release`. */
  retain(): void {
    this.#holders += 1
  }

  release(): void {
    this.#holders -= 1
    this.#closeIfIdle()
  }

  /**
   * The store has no more use of it: closes the descriptor when the last holder has released it.
   * Call once.
   */
  retire(): void {
    this.#retired = true
    this.#closeIfIdle()
  }

  #closeIfIdle(): void {
    // Nothing hangs on the close: what was written was written, and who reads holds the segment.
    if (this.#retired && this.#holders === 0) closeFile(this.fd).catch(() => undefined)
  }
}

/** Makes the file of a new, empty segment. @throws the file system's error */
export async function createSegment(folder: string, number: number): Promise<Segment> {
  const mark = randomBytes(markBytes)
  const path = `${folder}/${number.toString().padStart(10, '0')}-${mark.toString('hex')}.seg`
  return new Segment(path, number, mark, await openFile(path, newFileFlags))
}

/**
 * Opens the segment of this name, as long as its file.
 * @returns undefined when the name is not a segment's. @throws the file system's error
 */
export async function openSegment(folder: string, name: string): Promise<Segment | undefined> {
  const match = namePattern.exec(name)
  if (match === null) return undefined
  const path = `${folder}/${name}`
  const fd = await openFile(path, constants.O_RDWR | constants.O_NOFOLLOW)
  const segment = new Segment(path, Number(match[1]), Buffer.from(match[2] ?? '', 'hex'), fd)
  try {
    segment.size = (await statFile(fd)).size
    return segment
  } catch (thrown) {
    segment.retire()
    throw thrown
  }
}

/** Whether a file of this name is the heads of some segment. */
export function isHeadsName(name: string): boolean {
  return headsPattern.test(name)
}

export async function deleteSegment(segment: Segment): Promise<void> {
  await removeFile(segment.path)
  segment.retire()
  await removeFile(segment.headsPath)
}
