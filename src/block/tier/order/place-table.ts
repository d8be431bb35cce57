// Why: a Map costs 60 bytes a block to find a number by a block's id; a worker has millions of
// blocks. How: a hash table of places in typed arrays, chained: 4 bytes for each bucket and 12 for
// each place. Places are small numbers, given out here and used again; who keeps columns by place
// grows them to `capacity`.
import { assert } from '../../../base/assert.ts'

const capacityMin = 64
/** No place. */
export const none = -1

export class PlaceTable {
  #blockIds = new Float64Array(capacityMin)
  /** By place: the next of its chain; of a free place, the next free one. */
  #next = new Int32Array(capacityMin)
  /** The first place of each chain. */
  #buckets = new Int32Array(capacityMin).fill(none)
  #firstFree = none
  #used = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Places are below this. */
  get capacity(): number {
    return this.#next.length
  }

  /** The block's place, or none. */
  find(blockId: number): number {
    let place = number(this.#buckets, this.#bucketOf(blockId))
    while (place !== none && this.#blockIds[place] !== blockId) place = number(this.#next, place)
    return place
  }

  blockIdAt(place: number): number {
    return number(this.#blockIds, place)
  }

  /** Gives a block, which must not be known, a place. */
  add(blockId: number): number {
    assert(this.find(blockId) === none, `block ${blockId} has a place already`)
    const place = this.#takePlace()
    this.#blockIds[place] = blockId
    this.#link(place)
    this.#size += 1
    return place
  }

  /**
   * The place may be another block's from now on. @returns the place that the block had, or none
   */
  remove(blockId: number): number {
    const place = this.find(blockId)
    if (place === none) return none
    const bucket = this.#bucketOf(blockId)
    const next = number(this.#next, place)
    if (this.#buckets[bucket] === place) this.#buckets[bucket] = next
    else {
      let before = number(this.#buckets, bucket)
      while (this.#next[before] !== place) before = number(this.#next, before)
      this.#next[before] = next
    }
    this.#next[place] = this.#firstFree
    this.#firstFree = place
    this.#size -= 1
    return place
  }

  #takePlace(): number {
    const free = this.#firstFree
    if (free !== none) {
      this.#firstFree = number(this.#next, free)
      return free
    }
    if (this.#used === this.capacity) this.#grow()
    this.#used += 1
    return this.#used - 1
  }

  /** By a half: a place that is not used yet is memory, too. Called when none is free. */
  #grow(): void {
    const capacity = Math.ceil(this.capacity * 1.5)
    this.#blockIds = grown(this.#blockIds, new Float64Array(capacity))
    this.#next = new Int32Array(capacity)
    this.#buckets = new Int32Array(2 ** Math.ceil(Math.log2(capacity))).fill(none)
    for (let place = 0; place < this.#used; place += 1) this.#link(place)
  }

  #link(place: number): void {
    const bucket = this.#bucketOf(number(this.#blockIds, place))
    this.#next[place] = number(this.#buckets, bucket)
    this.#buckets[bucket] = place
  }

  /**
   * Container and index both count (base/block-id.ts), and all bits of each; the constants are
   * those of Murmur3's end.
   */
  #bucketOf(blockId: number): number {
    let hash = Math.imul(Math.floor(blockId / 2 ** 20) ^ Math.imul(blockId % 2 ** 20, 0x9e3779b1), 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
    return (hash ^ (hash >>> 16)) & (this.#buckets.length - 1)
  }
}

/** What `into` is, with the values of `from` at its beginning. */
export function grown<T extends Float64Array | Int32Array>(from: T, into: T): T {
  into.set(from)
  return into
}

function number(values: Float64Array | Int32Array, place: number): number {
  return values[place] ?? none
}
