// Why: the default policy: the block that was touched longest ago is the coldest. How: a linked list in the order of
// touches, O(1) a touch. A block that comes from another tier with an older touch than the list's last would break that
// order: such newcomers wait in a heap until they are touched here, and the walk merges the two. (A Map alone keeps the
// order too, but finding its first key again and again walks over every key that was deleted before it.)
import type { BlockAnnotator, BlockMark, TouchClock } from './annotator.ts'
import { BlockHeap, type HeapNode } from './block-heap.ts'

interface LruNode extends HeapNode {
  touchedAt: number
  colder: LruNode | undefined
  hotter: LruNode | undefined
  /** In the heap, not in the list. */
  isNewcomer: boolean
}

export class LruAnnotator implements BlockAnnotator {
  readonly #clock: TouchClock
  readonly #nodes = new Map<number, LruNode>()
  readonly #newcomers = new BlockHeap<LruNode>((a, b) => a.touchedAt < b.touchedAt)
  #coldest: LruNode | undefined
  #hottest: LruNode | undefined

  constructor(clock: TouchClock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#nodes.size
  }

  add(blockId: number): void {
    if (this.#nodes.has(blockId)) {
      this.touch(blockId)
      return
    }
    this.adopt(blockId, { touchedAt: this.#clock.tick(), earlier: 0 })
  }

  touch(blockId: number): void {
    const node = this.#nodes.get(blockId)
    if (node === undefined) return
    node.touchedAt = this.#clock.tick()
    if (node === this.#hottest) return
    this.#unlink(node)
    this.#append(node)
  }

  remove(blockId: number): BlockMark | undefined {
    const node = this.#nodes.get(blockId)
    if (node === undefined) return undefined
    this.#nodes.delete(blockId)
    this.#unlink(node)
    return { touchedAt: node.touchedAt, earlier: 0 }
  }

  adopt(blockId: number, { touchedAt }: BlockMark): void {
    const node: LruNode = { blockId, touchedAt, colder: undefined, hotter: undefined, isNewcomer: false, heapIndex: 0 }
    this.#nodes.set(blockId, node)
    if (this.#hottest === undefined || this.#hottest.touchedAt <= touchedAt) {
      this.#append(node)
      return
    }
    node.isNewcomer = true
    this.#newcomers.push(node)
  }

  *coldestFirst(): IterableIterator<number> {
    const newcomers = this.#newcomers.ascending()
    let newcomer = newcomers.next()
    for (let node = this.#coldest; node !== undefined; node = node.hotter) {
      for (; newcomer.done !== true && newcomer.value.touchedAt < node.touchedAt; newcomer = newcomers.next()) {
        yield newcomer.value.blockId
      }
      yield node.blockId
    }
    for (; newcomer.done !== true; newcomer = newcomers.next()) yield newcomer.value.blockId
  }

  #append(node: LruNode): void {
    node.colder = this.#hottest
    if (this.#hottest === undefined) this.#coldest = node
    else this.#hottest.hotter = node
    this.#hottest = node
  }

  #unlink(node: LruNode): void {
    if (node.isNewcomer) {
      node.isNewcomer = false
      this.#newcomers.remove(node)
      return
    }
    if (node.colder === undefined) this.#coldest = node.hotter
    else node.colder.hotter = node.hotter
    if (node.hotter === undefined) this.#hottest = node.colder
    else node.hotter.colder = node.colder
    node.colder = undefined
    node.hotter = undefined
  }
}
