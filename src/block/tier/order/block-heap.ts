// Why: the coldest block of a million, with scores that change at each touch. How: a binary heap
// whose nodes know their index, so that any node can be moved or taken out in O(log n); the order
// is walked lazily, without changing the heap, by a second small heap of the nodes that may come
// next: k blocks cost O(k log k).

export interface HeapNode {
  readonly blockId: number
  /** The heap's own. */
  heapIndex: number
}

export class BlockHeap<Node extends HeapNode> {
  readonly #isColder: (a: Node, b: Node) => boolean
  readonly #nodes: Node[] = []

  constructor(isColder: (a: Node, b: Node) => boolean) {
    this.#isColder = isColder
  }

  get size(): number {
    return this.#nodes.length
  }

  push(node: Node): void {
    this.#put(node, this.#nodes.length)
    this.#up(node)
  }

  /** The node has become hotter. */
  warmed(node: Node): void {
    this.#down(node)
  }

  remove(node: Node): void {
    const last = this.#nodes.pop()
    if (last === undefined || last === node) return
    this.#put(last, node.heapIndex)
    this.#down(last)
    this.#up(last)
  }

  /** Coldest first. The heap must not change meanwhile. */
  *ascending(): IterableIterator<Node> {
    const next = new BlockHeap<Reached<Node>>((a, b) => this.#isColder(a.node, b.node))
    const reach = (index: number): void => {
      const node = this.#nodes[index]
      if (node !== undefined) next.push({ node, blockId: node.blockId, heapIndex: 0 })
    }
    reach(0)
    for (let first = next.#nodes[0]; first !== undefined; first = next.#nodes[0]) {
      next.remove(first)
      const { node } = first
      yield node
      reach(2 * node.heapIndex + 1)
      reach(2 * node.heapIndex + 2)
    }
  }

  #put(node: Node, index: number): void {
    this.#nodes[index] = node
    node.heapIndex = index
  }

  #up(node: Node): void {
    let index = node.heapIndex
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = this.#nodes[parentIndex]
      if (parent === undefined || !this.#isColder(node, parent)) break
      this.#put(parent, index)
      index = parentIndex
    }
    this.#put(node, index)
  }

  #down(node: Node): void {
    const nodes = this.#nodes
    let index = node.heapIndex
    for (;;) {
      let childIndex = 2 * index + 1
      let child = nodes[childIndex]
      if (child === undefined) break
      const right = nodes[childIndex + 1]
      if (right !== undefined && this.#isColder(right, child)) {
        child = right
        childIndex += 1
      }
      if (!this.#isColder(child, node)) break
      this.#put(child, index)
      index = childIndex
    }
    this.#put(node, index)
  }
}

interface Reached<Node> extends HeapNode {
  readonly node: Node
}
