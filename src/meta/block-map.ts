// Why: which live workers hold which block; in memory only, rebuilt from the workers' reports.
// How: a block costs one small number. The sets of workers that occur are few, so they are kept once each ("holders") and
// a block names its set: a file of one block as a number in the map, a longer one as an array of them. A worker that is
// lost costs one flag: the sets are read without it, and its traces in the blocks go as they are touched or compacted.
import { blockIndexOf, blocksPerFileMax, containerOf, fileIdOf } from '../base/block-id.ts'
import { assert } from '../base/assert.ts'

interface Holders {
  /** Worker ordinals, ascending; dead ones may be among them. */
  readonly all: readonly number[]
  live: readonly number[]
}

const none = 0
/** Of a file that is still being written. */
export const unknownBlockCount = blocksPerFileMax
/** Sets there may be before traces of dead workers are cleared. */
const holdersBeforeCompacting = 4096

export class BlockMap {
  /** Container -> set of block 0, or of each block. */
  readonly #files = new Map<number, number | Int32Array>()
  #holders: Holders[] = [{ all: [], live: [] }]
  #indexOf = new Map<string, number>([['', none]])
  readonly #workers: (string | undefined)[] = []
  readonly #blocksOf: number[] = []
  #compactAt = holdersBeforeCompacting

  /** Files that have, or had since their last change, a replica. */
  get files(): number {
    return this.#files.size
  }

  /** An ordinal for a worker's session: what is added under it counts until `dropWorker`. Ordinals are not used again. */
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
      if (holders.all.includes(ordinal)) holders.live = holders.live.filter((other) => other !== ordinal)
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

  /** How many blocks the file has, if any of them is or was here; undefined when the map does not know the file. */
  blockCountOf(blockId: number): number | undefined {
    const entry = this.#files.get(containerOf(blockId))
    return entry === undefined ? undefined : typeof entry === 'number' ? 1 : entry.length
  }

  /** Idempotent. `blockCount` is the file's, or `unknownBlockCount`. */
  add(blockId: number, blockCount: number, ordinal: number): void {
    assert(this.#workers[ordinal] !== undefined, `worker ordinal ${ordinal} is not live`)
    const old = this.#get(blockId)
    const live = this.#liveAt(old)
    if (live.includes(ordinal)) return
    this.#set(blockId, blockCount, this.#intern([...live, ordinal].sort((a, b) => a - b)))
    this.#blocksOf[ordinal] = this.blocksOf(ordinal) + 1
    if (this.#holders.length > this.#compactAt) this.compact()
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
    const entry = this.#files.get(containerOf(fileId))
    if (entry === undefined) return []
    this.#files.delete(containerOf(fileId))
    const dropped: { index: number; ordinals: readonly number[] }[] = []
    const sets = typeof entry === 'number' ? [entry] : entry
    for (let index = 0; index < sets.length; index += 1) {
      const ordinals = this.#liveAt(sets[index] ?? none)
      if (ordinals.length === 0) continue
      dropped.push({ index, ordinals })
      for (const ordinal of ordinals) this.#blocksOf[ordinal] = this.blocksOf(ordinal) - 1
    }
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

  /** Ids of the files that have, or had, a replica. May be read on after changes: a file that stays meanwhile is met. */
  *fileIds(): Generator<number> {
    for (const container of this.#files.keys()) yield fileIdOf(container)
  }

  /** Whether any block of the file may have a replica. */
  hasFile(fileId: number): boolean {
    return this.#files.has(containerOf(fileId))
  }

  /** Clears the traces of dead workers and forgets files without a replica. Time: one step a block. */
  compact(): void {
    const old = this.#holders
    this.#holders = [{ all: [], live: [] }]
    this.#indexOf = new Map([['', none]])
    const moved = (set: number): number => this.#intern(old[set]?.live ?? [])
    for (const [container, entry] of this.#files) {
      if (typeof entry === 'number') {
        const set = moved(entry)
        if (set === none) this.#files.delete(container)
        else this.#files.set(container, set)
        continue
      }
      for (let i = 0; i < entry.length; i += 1) entry[i] = moved(entry[i] ?? none)
      if (entry.every((set) => set === none)) this.#files.delete(container)
    }
    this.#compactAt = Math.max(holdersBeforeCompacting, this.#holders.length * 2)
  }

  #get(blockId: number): number {
    const entry = this.#files.get(containerOf(blockId))
    if (entry === undefined) return none
    const index = blockIndexOf(blockId)
    return typeof entry === 'number' ? (index === 0 ? entry : none) : (entry[index] ?? none)
  }

  #set(blockId: number, blockCount: number, set: number): void {
    const container = containerOf(blockId)
    const index = blockIndexOf(blockId)
    const entry = this.#files.get(container)
    if (entry === undefined ? blockCount === 1 : typeof entry === 'number') {
      assert(index === 0, `block index ${index} of a file of one block`)
      if (set === none) this.#files.delete(container)
      else this.#files.set(container, set)
      return
    }
    let sets = entry instanceof Int32Array ? entry : new Int32Array(blockCount === unknownBlockCount ? 0 : blockCount)
    if (index >= sets.length) {
      assert(blockCount === unknownBlockCount, `block index ${index} of a file of ${sets.length} blocks`)
      const longer = new Int32Array(Math.max(index + 1, sets.length * 2))
      longer.set(sets)
      sets = longer
    }
    sets[index] = set
    if (entry !== sets) this.#files.set(container, sets)
    else if (set === none && sets.every((other) => other === none)) this.#files.delete(container)
  }

  #intern(ordinals: readonly number[]): number {
    const name = ordinals.join()
    const known = this.#indexOf.get(name)
    if (known !== undefined) return known
    this.#holders.push({ all: ordinals, live: ordinals })
    this.#indexOf.set(name, this.#holders.length - 1)
    return this.#holders.length - 1
  }

  #liveAt(set: number): readonly number[] {
    return this.#holders[set]?.live ?? []
  }
}
