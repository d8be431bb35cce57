// Why: which segments there are, what in them is dead, and which tombstones may be forgotten. How:
// pure bookkeeping.
//
// A tombstone is needed as long as a dead record of its block is on disk in another segment:
// without it a restart would take that record for the block. So the dead records are counted by
// block until their segment is deleted.
//
// Space: of a sealed segment at most `deadShareMax` is dead once compaction has come by. The
// segment that is appended to is sealed as soon as so much of it is dead. Compaction is behind when
// the dead bytes exceed the live ones by more than two segments. `wastedBytes` is what is dead, for
// who asks with every block: added up as records die, and made exact by `recount`, which looks at
// all segments.
import { assert } from '../../base/assert.ts'
import type { Segment, SegmentPlace } from './segment-file.ts'
import type { TombstoneRecord } from './segment-record.ts'

/** Below one half, so that a segment of which every second block was freed is surely compacted. */
const deadShareMax = 0.4
/** The open segment is not sealed for less than this, or an eighth of a segment if that is less. */
const deadBytesMin = 8 * 1024 * 1024

interface DeadBlock {
  records: number
  /** The newest tombstone's. */
  sequence: number
}

export class SegmentTable {
  readonly #segmentBytes: number
  readonly #segments = new Set<Segment>()
  readonly #dead = new Map<number, DeadBlock>()
  #lastNumber = 0
  #lastSequence = 0
  #wastedBytes = 0

  constructor(segmentBytes: number) {
    this.#segmentBytes = segmentBytes
  }

  get segments(): Iterable<Segment> {
    return this.#segments
  }

  get diskBytes(): number {
    return total(this.#segments, (segment) => segment.size)
  }

  get deadBytes(): number {
    return total(this.#segments, (segment) => segment.deadBytes)
  }

  /** Dead bytes, as of the last recount and the records that died since. */
  get wastedBytes(): number {
    return this.#wastedBytes
  }

  recount(): void {
    this.#wastedBytes = this.deadBytes
  }

  nextNumber(): number {
    return (this.#lastNumber += 1)
  }

  nextSequence(): number {
    return (this.#lastSequence += 1)
  }

  /** A sequence number that is on disk already. */
  sawSequence(sequence: number): void {
    this.#lastSequence = Math.max(this.#lastSequence, sequence)
  }

  add(segment: Segment): void {
    this.#segments.add(segment)
    this.#lastNumber = Math.max(this.#lastNumber, segment.number)
  }

  /** The segment's file is gone, and its dead records with it. */
  delete(segment: Segment): void {
    this.#segments.delete(segment)
    this.#wastedBytes -= segment.deadBytes
    for (const blockId of segment.deadIds) {
      const dead = this.#dead.get(blockId)
      if (dead !== undefined && (dead.records -= 1) === 0) this.#dead.delete(blockId)
    }
    if (segment.deadIds.length === 0) return
    // Tombstones that were kept for those records may be of no use now; a segment that holds
    // nothing else is looked at anew.
    for (const other of this.#segments) if (other.liveBlocks === 0) other.keptBytes = 0
  }

  addLive({ segment, bytes }: SegmentPlace): void {
    segment.liveBytes += bytes
    segment.liveBlocks += 1
  }

  /** A record that was live, or never was. */
  addDead({ segment, bytes }: SegmentPlace, blockId: number, wasLive: boolean): void {
    if (wasLive) {
      assert(segment.liveBlocks > 0, `segment ${segment.number} has no live block that could die`)
      segment.liveBytes -= bytes
      segment.liveBlocks -= 1
    }
    this.#wastedBytes += bytes
    segment.deadIds.push(blockId)
    const dead = this.#dead.get(blockId)
    if (dead === undefined) this.#dead.set(blockId, { records: 1, sequence: 0 })
    else dead.records += 1
  }

  addTombstone(segment: Segment, blockId: number, sequence: number, carried: boolean, bytes: number): void {
    segment.tombstones += 1
    if (carried) segment.keptBytes += bytes
    else this.#wastedBytes += bytes
    const dead = this.#dead.get(blockId)
    if (dead !== undefined) dead.sequence = Math.max(dead.sequence, sequence)
  }

  /** Those of the segment's tombstones that are still needed once it is deleted. */
  neededWithout(segment: Segment, tombstones: readonly TombstoneRecord[]): TombstoneRecord[] {
    const newest = tombstones.filter(({ blockId, sequence }) => this.#dead.get(blockId)?.sequence === sequence)
    if (newest.length === 0) return []
    const own = new Map<number, number>()
    for (const blockId of segment.deadIds) own.set(blockId, (own.get(blockId) ?? 0) + 1)
    return newest.filter(({ blockId }) => (this.#dead.get(blockId)?.records ?? 0) > (own.get(blockId) ?? 0))
  }

  /** Whether the open segment should be sealed, so that it can be compacted. */
  isWasteful(segment: Segment): boolean {
    const least = Math.min(deadBytesMin, this.#segmentBytes / 8)
    return segment.deadBytes >= least && segment.deadBytes >= deadShareMax * segment.size
  }

  /**
   * The sealed segment that gives back the most; before all others one without blocks, for that
   * needs no room on a full disk.
   */
  worst(): Segment | undefined {
    let worst: Segment | undefined
    for (const segment of this.#segments) {
      if (segment.sealed && segment.liveBlocks === 0 && segment.deadBytes > 0) return segment
      const wasteful = segment.sealed && segment.deadBytes > 0 && segment.deadBytes >= deadShareMax * segment.size
      if (wasteful && (worst === undefined || segment.deadBytes > worst.deadBytes)) worst = segment
    }
    return worst
  }

  /** The sealed segment with the most dead bytes, however few. */
  mostDead(): Segment | undefined {
    let most: Segment | undefined
    for (const segment of this.#segments) {
      if (segment.sealed && segment.deadBytes > (most?.deadBytes ?? 0)) most = segment
    }
    return most
  }

  /** Whether compaction must not rest: see the header. */
  isBehind(): boolean {
    return this.deadBytes > total(this.#segments, (segment) => segment.liveBytes) + 2 * this.#segmentBytes
  }
}

function total(segments: Iterable<Segment>, of: (segment: Segment) => number): number {
  let sum = 0
  for (const segment of segments) sum += of(segment)
  return sum
}
