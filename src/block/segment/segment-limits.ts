// Why: a directory's disk must not hold much more than its quota, which counts the blocks' own
// bytes alone. How: what comes on top is bounded, by shares of the quota and not less than 4 MiB
// (with smaller segments, than one of them). With segments of 1/32, beyond the quota:
//
//   2/32   dead records and tombstones. From 1/32 on compaction does not rest and takes segments
//          with few dead bytes too; at 2/32 writers wait for it. They delete nothing: the dead
//          bytes are always enough.
//   1/32   the segment that is being compacted, which is on the disk twice until it is deleted; 256
//          MiB at most
//   1/32   heads of the blocks' records, about 150 bytes each, and again beside a sealed segment;
//          what is above that is charged to the quota
//
// Why shares: with d of n bytes dead, and the dead anywhere, n / d bytes are copied for each that
// is given back. Beyond all of that: files that were deleted and that readers hold open, and dead
// records while the disk fails, for then writers do not wait.
const defaultSegmentBytes = 256 * 1024 * 1024
const leastBytes = 4 * 1024 * 1024

export interface SegmentLimits {
  /** A segment is not appended to beyond this. */
  readonly segmentBytes: number
  /** With more than this above the quota compaction is urgent; with twice as much, writers wait. */
  readonly excessBytes: number
  /** Heads up to this are not charged to the quota. */
  readonly freeHeadBytes: number
}

export function segmentLimits(quotaBytes: number, wantedBytes = defaultSegmentBytes): SegmentLimits {
  const share = Math.floor(quotaBytes / 32)
  const freeHeadBytes = Math.max(leastBytes, share)
  const segmentBytes = Math.min(wantedBytes, freeHeadBytes)
  return { segmentBytes, excessBytes: Math.max(segmentBytes, share), freeHeadBytes }
}
