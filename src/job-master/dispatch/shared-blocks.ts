// Why: two loads may need the same block at the same time, because their paths overlap or their
// options differ. Each block is read from the store only once, and the later load counts it too.
// How: in memory, and only for loads that run at the same time as a load of an overlapping path. A
// set waits while a set of another load in flight has one of its blocks. Blocks that another load
// wrote recently are remembered until the workers' reports have reached the master, which is asked
// for the others.
import type { Clock } from '../../base/clock.ts'
import { pathsOverlap } from '../../base/paths.ts'
import type { LoadRecord, Piece, SetRecord } from '../../load/load.ts'
import type { BlockFailure } from '../../load/plan/retry-policy.ts'
import type { Tables } from '../../load/state/load-tables.ts'
import { OutsByFile } from './outs-by-file.ts'
import type { OutSet, Outstanding } from './outstanding.ts'

export interface SharedBlocksDependencies {
  readonly tables: Pick<Tables, 'sets'>
  readonly outstanding: Outstanding
  readonly clock: Pick<Clock, 'monotonicMs'>
}

/** Block reports reach the master within about a second. */
const arrivedKeptMs = 15_000

interface Arrived {
  readonly untilMs: number
  readonly targets: readonly string[]
  readonly pieces: readonly Piece[]
  /** By file: block index -> workers that lack the block; '' means all of them. */
  readonly missing: ReadonlyMap<number, readonly BlockFailure[]>
}

type NamedSet = Pick<OutSet['set'], 'loadId' | 'set'>

export class SharedBlocks {
  readonly #deps: SharedBlocksDependencies
  readonly #running = new Map<number, string>()
  /** For each running load: the overlapping loads that run or ran at the same time. */
  readonly #beside = new Map<number, Set<number>>()
  /** Waiting sets -> the sets in flight that have some of their blocks. */
  readonly #waiting = new Map<string, { readonly loadId: number; readonly outs: readonly OutSet[] }>()
  /** Sets in flight of loads that overlap with another one. */
  readonly #outs: OutsByFile
  readonly #indexed = new Set<number>()
  readonly #arrived = new Map<number, Arrived[]>()
  /** In the order in which the sets ended. */
  readonly #arrivals: Arrived[] = []

  constructor(deps: SharedBlocksDependencies) {
    this.#deps = deps
    this.#outs = new OutsByFile(
      ({ set: { loadId, set } }) => deps.tables.sets.get([loadId, set]),
      (out) => this.#isOut(out),
    )
    deps.outstanding.whenPut((out) => {
      if (this.#indexed.has(out.set.loadId)) this.#outs.add(out)
    })
  }

  loadBegins({ loadId, path }: Pick<LoadRecord, 'loadId' | 'path'>): void {
    const beside = [...this.#running].filter(([, other]) => pathsOverlap(path, other)).map(([other]) => other)
    this.#running.set(loadId, path)
    this.#beside.set(loadId, new Set(beside))
    for (const other of beside) this.#beside.get(other)?.add(loadId)
  }

  loadEnds(loadId: number): void {
    this.#running.delete(loadId)
    this.#beside.delete(loadId)
    // Sets of a load that was cancelled may still be out.
    for (const id of this.#indexed) if (!this.#running.has(id) && !this.#isBesideAny(id)) this.#indexed.delete(id)
    if (this.#indexed.size === 0) this.#outs.clear()
    for (const [name, waiting] of this.#waiting) if (waiting.loadId === loadId) this.#waiting.delete(name)
  }

  /** Whether another load may have loaded blocks that are planned for this load. */
  isShared(loadId: number): boolean {
    return (this.#beside.get(loadId)?.size ?? 0) > 0
  }

  /** Whether a set was found waiting and must still wait. */
  isWaiting(set: NamedSet): boolean {
    if (this.#waiting.size === 0) return false
    const waiting = this.#waiting.get(nameOf(set))
    if (waiting === undefined) return false
    if (waiting.outs.some((out) => this.#isOut(out))) return true
    this.#waiting.delete(nameOf(set))
    return false
  }

  /** Whether a set must wait before it is dispatched. */
  mustWait(set: NamedSet): boolean {
    const beside = this.#beside.get(set.loadId)
    if (beside === undefined || beside.size === 0) return false
    const record = this.#deps.tables.sets.get([set.loadId, set.set])
    if (record === undefined || record.verify === true) return false
    for (const loadId of beside) this.#index(loadId)
    const outs = [...this.#outs.find(record.pieces)].filter((out) => beside.has(out.set.loadId))
    if (outs.length > 0) this.#waiting.set(nameOf(set), { loadId: set.loadId, outs })
    return outs.length > 0
  }

  /** Loads whose sets in flight have blocks that sets of this load wait for. */
  awaited(loadId: number): number[] {
    const waiting = [...this.#waiting.values()].filter((one) => one.loadId === loadId)
    const outs = waiting.flatMap((one) => one.outs.filter((out) => this.#isOut(out)))
    return [...new Set(outs.map(({ set }) => set.loadId))].toSorted((a, b) => a - b)
  }

  /** A set has ended: its blocks are cached. */
  completed(loadId: number, { pieces, targets, verify }: SetRecord, failures: readonly BlockFailure[]): void {
    this.#forgetArrived()
    if (!this.isShared(loadId) || verify === true) return
    const missing = Map.groupBy(failures, ({ fileId }) => fileId)
    const arrived = { untilMs: this.#deps.clock.monotonicMs() + arrivedKeptMs, targets, pieces, missing }
    this.#arrivals.push(arrived)
    for (const { fileId } of pieces) this.#arrived.set(fileId, [...(this.#arrived.get(fileId) ?? []), arrived])
  }

  /**
   * The master, which has received all reports by now, says that blocks of the file are missing:
   * they were evicted.
   */
  lost(fileId: number): void {
    this.#arrived.delete(fileId)
  }

  /** Workers that got a block recently from any load. */
  holdersOf(fileId: number, blockIndex: number): string[] {
    const holders = (this.#arrived.get(fileId) ?? []).flatMap(({ pieces, targets, missing }) => {
      if (!pieces.some((piece) => piece.fileId === fileId && has(piece, blockIndex))) return []
      const failures = missing.get(fileId)?.filter((failure) => failure.blockIndex === blockIndex) ?? []
      return targets.filter((target) => !failures.some(({ workerId }) => workerId === '' || workerId === target))
    })
    return [...new Set(holders)]
  }

  #isOut(out: OutSet): boolean {
    return this.#deps.outstanding.get(out.set.loadId, out.set.set) === out
  }

  #isBesideAny(loadId: number): boolean {
    return [...this.#beside.values()].some((beside) => beside.has(loadId))
  }

  #index(loadId: number): void {
    if (this.#indexed.has(loadId)) return
    this.#indexed.add(loadId)
    for (const out of this.#deps.outstanding.ofLoad(loadId)) this.#outs.add(out)
  }

  #forgetArrived(): void {
    const nowMs = this.#deps.clock.monotonicMs()
    for (let first = this.#arrivals[0]; first !== undefined && first.untilMs <= nowMs; first = this.#arrivals[0]) {
      this.#arrivals.shift()
      for (const { fileId } of first.pieces) {
        const left = this.#arrived.get(fileId)?.filter((arrived) => arrived !== first) ?? []
        if (left.length > 0) this.#arrived.set(fileId, left)
        else this.#arrived.delete(fileId)
      }
    }
  }
}

function nameOf({ loadId, set }: NamedSet): string {
  return `${loadId}/${set}`
}

function has({ firstBlock, blockCount }: Piece, blockIndex: number): boolean {
  return blockIndex >= firstBlock && blockIndex < firstBlock + blockCount
}
