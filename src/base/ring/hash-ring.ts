// Why: GooseFS's clients ask for a block, or write it, at the worker that a consistent hash names;
// a placement that agrees with it spares them a way. How: each worker has points on a ring of 2^64;
// a block belongs to the worker of the first point at or above its own hash. The points of a worker
// are sorted once and do not depend on other workers: who comes or goes changes nothing for the
// others, and a look-up searches the points of each worker. Source: src/block/router.rs of the Rust
// client, 0.2.2.
import { Murmur3 } from './murmur3.ts'

/** Points of a worker whose entry in the list says nothing else. */
export const pointsPerWorker = 5000

/** Points of one worker: signed numbers of 64 bits, ascending, in two halves each. */
export type RingPoints = Int32Array

/** Where the halves of a number lie: big-endian machines have the upper one first. */
const lowAt = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 0 : 1
const highAt = 1 - lowAt

const murmur3 = new Murmur3()

/**
 * 40 KB and one to two milliseconds for 5000 points.
 * @param workerId as clients know it: see native-worker-id.ts
 */
export function ringPoints(workerId: bigint, count = pointsPerWorker): RingPoints {
  const points = new BigInt64Array(count)
  const halves = new Int32Array(points.buffer)
  const high = Number(BigInt.asIntN(32, workerId >> 32n))
  const low = Number(BigInt.asUintN(32, workerId))
  for (let index = 0; index < count; index += 1) {
    murmur3.hash(high, low, index)
    halves[2 * index + highAt] = murmur3.high
    halves[2 * index + lowAt] = murmur3.low
  }
  points.sort()
  return halves
}

/** Halves of a number of 64 bits. */
export interface RingKey {
  readonly high: number
  readonly low: number
}

/**
 * Which of the workers a block belongs to; -1: no worker has a point.
 * @param points one entry a worker
 * @param block the id of the block as clients know it
 * @param attempt 0 for the worker that clients ask first, 1 for the next, and so on; the same
 *   worker may come again
 */
export function ringOwner(points: readonly RingPoints[], block: RingKey, attempt: number): number {
  murmur3.hash(block.high, block.low, attempt)
  const { high, low } = murmur3
  let owner = -1
  let ownerAt = 0
  // The lowest of all points, for a hash above all of them.
  let first = -1
  for (let index = 0; index < points.length; index += 1) {
    const halves = points[index] ?? none
    if (halves.length === 0) continue
    const at = ceilingOf(halves, high, low)
    if (2 * at < halves.length && (owner < 0 || isBelow(halves, at, points[owner] ?? none, ownerAt))) {
      owner = index
      ownerAt = at
    }
    if (first < 0 || isBelow(halves, 0, points[first] ?? none, 0)) first = index
  }
  return owner < 0 ? first : owner
}

const none: RingPoints = new Int32Array(0)

/** Hashes are spread evenly, so that a point is near where its share of the range puts it. */
const reachMin = 32

/** The index of the first point that is not below the number. */
function ceilingOf(halves: RingPoints, high: number, low: number): number {
  const count = halves.length / 2
  const guess = Math.floor(((high + 2 ** 31) / 2 ** 32) * count)
  let from = guess
  let to = guess
  for (let reach = reachMin; from > 0 && !isPointBelow(halves, from - 1, high, low); reach *= 2)
    from = Math.max(0, from - reach)
  for (let reach = reachMin; to < count && isPointBelow(halves, to, high, low); reach *= 2)
    to = Math.min(count, to + reach)
  while (from < to) {
    const middle = (from + to) >>> 1
    if (isPointBelow(halves, middle, high, low)) from = middle + 1
    else to = middle
  }
  return from
}

function isPointBelow(halves: RingPoints, at: number, high: number, low: number): boolean {
  const pointHigh = halves[2 * at + highAt] ?? 0
  return pointHigh < high || (pointHigh === high && (halves[2 * at + lowAt] ?? 0) >>> 0 < low)
}

function isBelow(one: RingPoints, oneAt: number, other: RingPoints, otherAt: number): boolean {
  const difference = (one[2 * oneAt + highAt] ?? 0) - (other[2 * otherAt + highAt] ?? 0)
  if (difference !== 0) return difference < 0
  return (one[2 * oneAt + lowAt] ?? 0) >>> 0 < (other[2 * otherAt + lowAt] ?? 0) >>> 0
}
