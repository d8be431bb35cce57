// Why: the default policy: the block that was touched longest ago is the coldest. How: a linked
// list in the order of touches, O(1) a touch. A block that comes from another tier with an older
// touch than the list's last would break that order: such newcomers wait in a heap until they are
// touched here, and the walk merges the two. (A Map alone keeps the order too, but finding its
// first key again and again walks over every key that was deleted before it.)
//
// A worker has millions of blocks: the list is numbered places (place-table.ts) in typed arrays, 16
// bytes a block, instead of an object each.
import type { BlockAnnotator, BlockMark, TouchClock } from './annotator.ts'
import { BlockHeap, type HeapNode } from './block-heap.ts'
import { grown, none, PlaceTable } from './place-table.ts'

interface Newcomer extends HeapNode {
  readonly place: number
  readonly touchedAt: number
}

export class LruAnnotator implements BlockAnnotator {
  readonly #clock: TouchClock
  readonly #places = new PlaceTable()
  readonly #newcomers = new BlockHeap<Newcomer>((a, b) => a.touchedAt < b.touchedAt)
  /** By place; those in the heap, not in the list. */
  readonly #newcomerAt = new Map<number, Newcomer>()
  /** By place: */
  #touchedAt = new Float64Array(this.#places.capacity)
  /** The neighbours in the list. */
  #colder = new Int32Array(this.#places.capacity)
  #hotter = new Int32Array(this.#places.capacity)
  #coldest = none
  #hottest = none

  constructor(clock: TouchClock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#places.size
  }

  add(blockId: number): void {
    if (this.#places.find(blockId) !== none) {
      this.touch(blockId)
      return
    }
    this.adopt(blockId, { touchedAt: this.#clock.tick(), earlier: 0 })
  }

  touch(blockId: number): void {
    const place = this.#places.find(blockId)
    if (place === none) return
    this.#touchedAt[place] = this.#clock.tick()
    if (place === this.#hottest) return
    this.#unlink(place)
    this.#append(place)
  }

  remove(blockId: number): BlockMark | undefined {
    const place = this.#places.remove(blockId)
    if (place === none) return undefined
    this.#unlink(place)
    return { touchedAt: at(this.#touchedAt, place), earlier: 0 }
  }

  adopt(blockId: number, { touchedAt }: BlockMark): void {
    const place = this.#places.add(blockId)
    if (this.#touchedAt.length < this.#places.capacity) this.#grow(this.#places.capacity)
    this.#touchedAt[place] = touchedAt
    if (this.#hottest === none || at(this.#touchedAt, this.#hottest) <= touchedAt) {
      this.#append(place)
      return
    }
    const newcomer: Newcomer = { blockId, place, touchedAt, heapIndex: 0 }
    this.#newcomerAt.set(place, newcomer)
    this.#newcomers.push(newcomer)
  }

  *coldestFirst(): IterableIterator<number> {
    const newcomers = this.#newcomers.ascending()
    let newcomer = newcomers.next()
    for (let place = this.#coldest; place !== none; place = at(this.#hotter, place)) {
      const touchedAt = at(this.#touchedAt, place)
      for (; newcomer.done !== true && newcomer.value.touchedAt < touchedAt; newcomer = newcomers.next())
        yield newcomer.value.blockId
      yield this.#places.blockIdAt(place)
    }
    for (; newcomer.done !== true; newcomer = newcomers.next()) yield newcomer.value.blockId
  }

  #grow(capacity: number): void {
    this.#touchedAt = grown(this.#touchedAt, new Float64Array(capacity))
    this.#colder = grown(this.#colder, new Int32Array(capacity))
    this.#hotter = grown(this.#hotter, new Int32Array(capacity))
  }

  #append(place: number): void {
    this.#colder[place] = this.#hottest
    this.#hotter[place] = none
    if (this.#hottest === none) this.#coldest = place
    else this.#hotter[this.#hottest] = place
    this.#hottest = place
  }

  #unlink(place: number): void {
    const newcomer = this.#newcomerAt.get(place)
    if (newcomer !== undefined) {
      this.#newcomerAt.delete(place)
      this.#newcomers.remove(newcomer)
      return
    }
    const [colder, hotter] = [at(this.#colder, place), at(this.#hotter, place)]
    if (colder === none) this.#coldest = hotter
    else this.#hotter[colder] = hotter
    if (hotter === none) this.#hottest = colder
    else this.#colder[hotter] = colder
  }
}

function at(values: Float64Array | Int32Array, place: number): number {
  return values[place] ?? none
}
