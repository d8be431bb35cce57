// Why: a number for each of ten million files must cost bytes, not objects, and no turn of the
// event loop may pay for a table that doubles. How: containers are handed out one after the other,
// so those in use lie close together: pages of a few neighbours, cut from slabs of typed arrays. A
// page whose numbers are all 0 goes back, an empty slab too.
import { assert } from '../base/assert.ts'

/**
 * A file alone in its page costs the whole page; full pages share the price of being found (a map's
 * entry).
 */
const pageSpan = 32
const pagesPerSlab = 256
/** About what an entry of a Map costs, with its share of the free room. */
const pageEntryBytes = 48

interface Slab {
  readonly numbers: Int32Array
  /** Pages of it that are free: a stack. */
  readonly free: Uint16Array
  freeCount: number
}

/** Containers -> whole numbers of 32 bits; 0 means none. */
export class ContainerNumbers {
  /** Page of containers -> slab and place in it. */
  readonly #pages = new Map<number, number>()
  readonly #slabs: (Slab | undefined)[] = []
  /** Slabs with a free page. */
  readonly #roomy = new Set<number>()
  /** Places in `#slabs` that are not used. */
  readonly #vacant: number[] = []
  #size = 0

  /** Containers with a number. */
  get size(): number {
    return this.#size
  }

  /** Memory that it takes. */
  get bytes(): number {
    return (
      (this.#slabs.length - this.#vacant.length) * pagesPerSlab * (pageSpan * 4 + 2) + this.#pages.size * pageEntryBytes
    )
  }

  get(container: number): number {
    const page = this.#pages.get(Math.floor(container / pageSpan))
    if (page === undefined) return 0
    return (
      this.#slabs[Math.floor(page / pagesPerSlab)]?.numbers[
        (page % pagesPerSlab) * pageSpan + (container % pageSpan)
      ] ?? 0
    )
  }

  /** 0 takes the container's number away. */
  set(container: number, number: number): void {
    const name = Math.floor(container / pageSpan)
    let page = this.#pages.get(name)
    if (page === undefined) {
      if (number === 0) return
      page = this.#takePage()
      this.#pages.set(name, page)
    }
    const slab = this.#slabs[Math.floor(page / pagesPerSlab)]
    assert(slab !== undefined, `page ${page} has no slab`)
    const first = (page % pagesPerSlab) * pageSpan
    const at = first + (container % pageSpan)
    const old = slab.numbers[at] ?? 0
    slab.numbers[at] = number
    if (old === 0 && number !== 0) this.#size += 1
    if (old === 0 || number !== 0) return
    this.#size -= 1
    for (let other = first; other < first + pageSpan; other += 1) if (slab.numbers[other] !== 0) return
    this.#pages.delete(name)
    this.#givePage(page)
  }

  /**
   * Those with a number. May be read on after changes: a container that has one all the time is met
   * once.
   */
  *keys(): Generator<number> {
    for (const name of this.#pages.keys()) {
      for (let container = name * pageSpan; container < (name + 1) * pageSpan; container += 1) {
        if (this.get(container) !== 0) yield container
      }
    }
  }

  #takePage(): number {
    for (const index of this.#roomy) {
      const slab = this.#slabs[index]
      assert(slab !== undefined, `slab ${index} is gone`)
      slab.freeCount -= 1
      if (slab.freeCount === 0) this.#roomy.delete(index)
      return index * pagesPerSlab + (slab.free[slab.freeCount] ?? 0)
    }
    const index = this.#vacant.pop() ?? this.#slabs.length
    const numbers = new Int32Array(pagesPerSlab * pageSpan)
    this.#slabs[index] = {
      numbers,
      free: Uint16Array.from({ length: pagesPerSlab }, (_, page) => page),
      freeCount: pagesPerSlab,
    }
    this.#roomy.add(index)
    return this.#takePage()
  }

  #givePage(page: number): void {
    const index = Math.floor(page / pagesPerSlab)
    const slab = this.#slabs[index]
    assert(slab !== undefined, `slab ${index} is gone`)
    slab.free[slab.freeCount] = page % pagesPerSlab
    slab.freeCount += 1
    if (slab.freeCount < pagesPerSlab) {
      this.#roomy.add(index)
      return
    }
    this.#slabs[index] = undefined
    this.#roomy.delete(index)
    this.#vacant.push(index)
  }
}
