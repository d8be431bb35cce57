// Why: blocks that are read often should outlive those that were read once, lately. LRFU (Lee et
// al., "LRFU: a spectrum of policies that subsumes the LRU and LFU policies", IEEE Trans. Computers
// 50(12), 2001): a block's worth is
//
//   C(now) = sum over its touches of (1/a)^((now - touch) x s)
//
//   a: attenuation factor, s: step factor
//
// and the smallest goes first. s = 0: every touch counts 1, which is LFU. s = 1 and a >= 2: the
// last touch outweighs all touches before it together, which is LRU.
//
// How: with w = s x ln a, C(now) = e^(-w now) x sum e^(w touch). The first factor is the same for
// all blocks, so the order of two blocks never changes while neither is touched, and a heap keyed
// by the sum is always in order. The sum itself overflows, so a block is kept as its last touch t
// and what its earlier touches are worth on top:
//
//   ln(sum e^(w touch)) = w t + e        e = 0 after the first touch
//   touched again at t':  e' = ln(1 + e^(e - w (t' - t)))
//
// Two blocks are compared by w (t1 - t2) + (e1 - e2): differences only, exact however long the
// worker lives. Equal: the one that was touched longer ago is the colder.
import { SkeinError } from '../../../base/errors.ts'
import type { BlockAnnotator, BlockMark, TouchClock } from './annotator.ts'
import { BlockHeap, type HeapNode } from './block-heap.ts'

export interface LrfuWeights {
  /** s, 0 to 1. */
  readonly stepFactor: number
  /** a, 1 or more. */
  readonly attenuationFactor: number
}

interface LrfuNode extends HeapNode {
  touchedAt: number
  earlier: number
}

export class LrfuAnnotator implements BlockAnnotator {
  readonly #clock: TouchClock
  readonly #weight: number
  readonly #nodes = new Map<number, LrfuNode>()
  readonly #heap: BlockHeap<LrfuNode>

  /** @throws SkeinError invalid_argument for a factor out of its range */
  constructor(clock: TouchClock, { stepFactor, attenuationFactor }: LrfuWeights) {
    if (!(stepFactor >= 0 && stepFactor <= 1))
      throw new SkeinError('invalid_argument', `LRFU step factor ${stepFactor} is not 0 to 1`)
    if (!(attenuationFactor >= 1 && Number.isFinite(attenuationFactor))) {
      throw new SkeinError('invalid_argument', `LRFU attenuation factor ${attenuationFactor} is not 1 or more`)
    }
    this.#clock = clock
    const weight = stepFactor * Math.log(attenuationFactor)
    this.#weight = weight
    this.#heap = new BlockHeap((a, b) => {
      const age = a.touchedAt - b.touchedAt
      const difference = weight * age + (a.earlier - b.earlier)
      return difference === 0 ? age < 0 : difference < 0
    })
  }

  get size(): number {
    return this.#nodes.size
  }

  add(blockId: number): void {
    if (this.#nodes.has(blockId)) this.touch(blockId)
    else this.adopt(blockId, { touchedAt: this.#clock.tick(), earlier: 0 })
  }

  touch(blockId: number): void {
    const node = this.#nodes.get(blockId)
    if (node === undefined) return
    const now = this.#clock.tick()
    node.earlier = Math.log1p(Math.exp(node.earlier - this.#weight * (now - node.touchedAt)))
    node.touchedAt = now
    this.#heap.warmed(node)
  }

  remove(blockId: number): BlockMark | undefined {
    const node = this.#nodes.get(blockId)
    if (node === undefined) return undefined
    this.#nodes.delete(blockId)
    this.#heap.remove(node)
    return { touchedAt: node.touchedAt, earlier: node.earlier }
  }

  adopt(blockId: number, { touchedAt, earlier }: BlockMark): void {
    const node: LrfuNode = { blockId, touchedAt, earlier, heapIndex: 0 }
    this.#nodes.set(blockId, node)
    this.#heap.push(node)
  }

  *coldestFirst(): IterableIterator<number> {
    for (const node of this.#heap.ascending()) yield node.blockId
  }
}
