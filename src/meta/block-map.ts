// Why: which live workers hold which block; in memory only, rebuilt from the workers' reports. How:
// a block costs one small number. The sets of workers that occur are few, so they are kept once
// each ("holders") and a block names its set: a file of one block as its number
// (container-numbers.ts), a longer one as an array of them. A worker that is lost costs one flag:
// the sets are read without it, and its traces in the blocks go as these are touched; a set that no
// block names goes.
import { blockIndexOf, blocksPerFileMax, containerOf, fileIdOf } from '../base/block-id.ts'
import { assert } from '../base/assert.ts'
import { ContainerNumbers } from './container-numbers.ts'

interface Holders {
  /** Worker ordinals, ascending; dead ones may be among them. */
  readonly all: readonly number[]
  live: readonly number[]
  /** How many blocks name it. */
  blocks: number
}

const none = 0
/** Of a file that is still being written. */
export const unknownBlockCount = blocksPerFileMax
/** About what a set, and an array of a longer file, take beside their numbers. */
const holdersBytes = 320
const longFileBytes = 120

export class BlockMap {
  /**
   * Container -> set of block 0 of a file of one block, or where a longer file is: -1 for the first
   * of `#longFiles`.
   */
  readonly #files = new ContainerNumbers()
  /** Set of each block. */
  readonly #longFiles: (Int32Array | undefined)[] = []
  readonly #vacantLongFiles: number[] = []
  #longFileBlocks = 0
  readonly #holders: (Holders | undefined)[] = [{ all: [], live: [], blocks: 0 }]
  readonly #vacantHolders: number[] = []
  readonly #indexOf = new Map<string, number>([['', none]])
  readonly #workers: (string | undefined)[] = []
  readonly #blocksOf: number[] = []

  /** Files that have, or had since their last change, a replica. */
  get files(): number {
    return this.#files.size
  }

  /** Memory that it takes, about. */
  get bytes(): number {
    const longFiles = this.#longFiles.length - this.#vacantLongFiles.length
    return (
      this.#files.bytes + longFiles * longFileBytes + this.#longFileBlocks * 4 + (this.#indexOf.size - 1) * holdersBytes
    )
  }

  /**
   * An ordinal for a worker's session: what is added under it counts until `dropWorker`. Ordinals
   * are not used again.
   */
  addWorker(workerId: string): number {
    this.#workers.push(workerId)
    this.#blocksOf.push(0)
    return this.#workers.length - 1
  }

  /** All locations of this ordinal are gone, whatever their number. */
  dropWorker(ordinal: number): void {
    this.#workers[ordinal] = undefined
    this.#blocksOf[ordinal] = 0
    for (const holders of this.#holders) {
      if (holders?.all.includes(ordinal) === true) holders.live = holders.live.filter((other) => other !== ordinal)
    }
  }

  workerId(ordinal: number): string {
    const id = this.#workers[ordinal]
    assert(id !== undefined, `worker ordinal ${ordinal} is not live`)
    return id
  }

  /** Blocks of this ordinal. */
  blocksOf(ordinal: number): number {
    return this.#blocksOf[ordinal] ?? 0
  }

  /**
   * How many blocks the file has, if any of them is or was here; undefined when the map does not
   * know the file.
   */
  blockCountOf(blockId: number): number | undefined {
    const entry = this.#files.get(containerOf(blockId))
    return entry === none ? undefined : (this.#longFileAt(entry)?.length ?? 1)
  }

  /** Idempotent. `blockCount` is the file's, or `unknownBlockCount`. */
  add(blockId: number, blockCount: number, ordinal: number): void {
    assert(this.#workers[ordinal] !== undefined, `worker ordinal ${ordinal} is not live`)
    const old = this.#get(blockId)
    const live = this.#liveAt(old)
    if (live.includes(ordinal)) return
    this.#set(blockId, blockCount, this.#intern([...live, ordinal].sort((a, b) => a - b)))
    this.#blocksOf[ordinal] = this.blocksOf(ordinal) + 1
  }

  /** Idempotent. */
  remove(blockId: number, ordinal: number): void {
    const live = this.#liveAt(this.#get(blockId))
    if (!live.includes(ordinal)) return
    this.#set(blockId, 1, this.#intern(live.filter((other) => other !== ordinal)))
    this.#blocksOf[ordinal] = this.blocksOf(ordinal) - 1
  }

  /** Forgets a whole file. @returns what its live locations were: block index and ordinals */
  dropFile(fileId: number): { readonly index: number; readonly ordinals: readonly number[] }[] {
    const container = containerOf(fileId)
    const entry = this.#files.get(container)
    if (entry === none) return []
    const dropped: { index: number; ordinals: readonly number[] }[] = []
    const sets = this.#longFileAt(entry) ?? [entry]
    for (let index = 0; index < sets.length; index += 1) {
      const set = sets[index] ?? none
      const ordinals = this.#liveAt(set)
      this.#exchange(set, none)
      if (ordinals.length === 0) continue
      dropped.push({ index, ordinals })
      for (const ordinal of ordinals) this.#blocksOf[ordinal] = this.blocksOf(ordinal) - 1
    }
    this.#forget(container, entry)
    return dropped
  }

  /** Ordinals of the live workers that hold the block. */
  locations(blockId: number): readonly number[] {
    return this.#liveAt(this.#get(blockId))
  }

  /** Ordinals that held the block when they were dropped, as far as that is still known. */
  gone(blockId: number): readonly number[] {
    const holders = this.#holders[this.#get(blockId)]
    if (holders === undefined || holders.all.length === holders.live.length) return []
    return holders.all.filter((ordinal) => !holders.live.includes(ordinal))
  }

  /**
   * Ids of the files that have, or had, a replica. May be read on after changes: a file that stays
   * meanwhile is met.
   */
  *fileIds(): Generator<number> {
    for (const container of this.#files.keys()) yield fileIdOf(container)
  }

  /** Whether any block of the file may have a replica. */
  hasFile(fileId: number): boolean {
    return this.#files.get(containerOf(fileId)) !== none
  }

  #longFileAt(entry: number): Int32Array | undefined {
    return entry < 0 ? this.#longFiles[-1 - entry] : undefined
  }

  #get(blockId: number): number {
    const entry = this.#files.get(containerOf(blockId))
    const index = blockIndexOf(blockId)
    return entry < 0 ? (this.#longFileAt(entry)?.[index] ?? none) : index === 0 ? entry : none
  }

  #set(blockId: number, blockCount: number, set: number): void {
    const container = containerOf(blockId)
    const index = blockIndexOf(blockId)
    const entry = this.#files.get(container)
    if (entry === none ? blockCount === 1 : entry > 0) {
      assert(index === 0, `block index ${index} of a file of one block`)
      this.#exchange(entry, set)
      this.#files.set(container, set)
      return
    }
    const sets = this.#longFile(container, entry, index, blockCount)
    this.#exchange(sets[index] ?? none, set)
    sets[index] = set
    if (set === none && sets.every((other) => other === none)) this.#forget(container, this.#files.get(container))
  }

  /** The sets of a file of several blocks, with room for this index. */
  #longFile(container: number, entry: number, index: number, blockCount: number): Int32Array {
    const known = this.#longFileAt(entry)
    if (known !== undefined && index < known.length) return known
    // One that was still being written when it was first heard of has only the room that it needed
    // then.
    const length = blockCount === unknownBlockCount ? Math.max(index + 1, (known?.length ?? 0) * 2) : blockCount
    assert(index < length, `block index ${index} of a file of ${length} blocks`)
    const longer = new Int32Array(length)
    if (known !== undefined) longer.set(known)
    this.#longFileBlocks += length - (known?.length ?? 0)
    const place = entry < 0 ? -1 - entry : (this.#vacantLongFiles.pop() ?? this.#longFiles.length)
    this.#longFiles[place] = longer
    this.#files.set(container, -1 - place)
    return longer
  }

  #forget(container: number, entry: number): void {
    this.#files.set(container, none)
    if (entry >= 0) return
    this.#longFileBlocks -= this.#longFileAt(entry)?.length ?? 0
    this.#longFiles[-1 - entry] = undefined
    this.#vacantLongFiles.push(-1 - entry)
  }

  /** One block goes from a set to another one; a set that no block names goes. */
  #exchange(from: number, to: number): void {
    const next = this.#holders[to]
    assert(next !== undefined, `set ${to} is gone`)
    next.blocks += 1
    const old = this.#holders[from]
    assert(old !== undefined, `set ${from} is gone`)
    old.blocks -= 1
    if (from === none || old.blocks > 0) return
    this.#indexOf.delete(old.all.join())
    this.#holders[from] = undefined
    this.#vacantHolders.push(from)
  }

  #intern(ordinals: readonly number[]): number {
    const name = ordinals.join()
    const known = this.#indexOf.get(name)
    if (known !== undefined) return known
    const index = this.#vacantHolders.pop() ?? this.#holders.length
    this.#holders[index] = { all: ordinals, live: ordinals, blocks: 0 }
    this.#indexOf.set(name, index)
    return index
  }

  #liveAt(set: number): readonly number[] {
    return this.#holders[set]?.live ?? []
  }
}
