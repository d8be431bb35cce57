// Why: what a running load has brought, or has found here, is not deleted to make room, not even
// for another load. How: pure; one small object a load, which its blocks point to: a block costs
// one reference, and a load that ends lets go of all at once.
//
//   running --missing in a list that speaks of it--> over
//   running --`listsMax` lists that do not speak of it--> over
//
// Loads are numbered in the order of their submission, and a list says up to which number it knows:
// a load may write its first blocks before a list knows it, and one that has ended is over with the
// next list, however short it was. Blocks of a load that is over stay unprotected; a load that
// comes again under the same name protects what it writes from then on.

/** Heartbeats, so about as many seconds. */
const listsMax = 10

export interface Load {
  readonly isRunning: boolean
}

/** Several loads that count on one block. */
class Loads implements Load {
  readonly all: readonly Load[]

  constructor(all: readonly Load[]) {
    this.all = all
  }

  get isRunning(): boolean {
    return this.all.some((load) => load.isRunning)
  }
}

/** What a block points to that these loads count on; those that are over are left out. */
export function withLoad(before: Load | undefined, load: Load): Load {
  const all = before instanceof Loads ? before.all : before === undefined ? [] : [before]
  const running = all.filter((one) => one.isRunning && one !== load)
  return running.length === 0 ? load : new Loads([...running, load])
}

interface Row {
  isRunning: boolean
  wasListed: boolean
  /** Lists that did not name it. */
  missed: number
}

export class RunningLoads {
  readonly #running = new Map<string, Row>()

  /** The load of this name; taken to run. */
  of(loadId: string): Load {
    const known = this.#running.get(loadId)
    if (known !== undefined) return known
    const row: Row = { isRunning: true, wasListed: false, missed: 0 }
    this.#running.set(loadId, row)
    return row
  }

  /**
   * Undefined: it is not known which run. `before`: of loads with this number or a higher one
   * nothing is said.
   */
  setRunning(loadIds: Iterable<string> | undefined, before = 0): void {
    if (loadIds === undefined || this.#running.size === 0) return
    const listed = new Set(loadIds)
    for (const [loadId, row] of this.#running) {
      if (listed.has(loadId)) {
        row.wasListed = true
        row.missed = 0
      } else if (this.#isOver(loadId, row, before)) {
        row.isRunning = false
        this.#running.delete(loadId)
      }
    }
  }
  #isOver(loadId: string, row: Row, before: number): boolean {
    if (before > 0 && numberOf(loadId) < before) return true
    row.missed += 1
    return row.missed >= listsMax || (row.wasListed && before === 0)
  }
}

/** `L42` -> 42. Other names are in no order. */
function numberOf(loadId: string): number {
  return /^L\d{1,15}$/.test(loadId) ? Number(loadId.slice(1)) : Number.POSITIVE_INFINITY
}
