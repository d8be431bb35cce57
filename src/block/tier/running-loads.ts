// Why: what a running load has brought is not deleted to make room, not even for another load. How: pure; one small object
// a load, which its blocks point to: a block costs one reference, and a load that ends lets go of all its blocks at once.
//
//   running --missing in a list, after it was in one, or `listsMax` lists after it was first heard of--> over
//
// A load writes its first blocks before the lists that come with heartbeats know it, hence the patience. Blocks of a load
// that is over stay unprotected; a load that comes again under the same name protects what it writes from then on.

/** Heartbeats, so about as many seconds. */
const listsMax = 10

export interface Load {
  readonly isRunning: boolean
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

  /** Undefined: it is not known which run. */
  setRunning(loadIds: Iterable<string> | undefined): void {
    if (loadIds === undefined || this.#running.size === 0) return
    const listed = new Set(loadIds)
    for (const [loadId, row] of this.#running) {
      if (listed.has(loadId)) row.wasListed = true
      else if (row.wasListed || (row.missed += 1) >= listsMax) {
        row.isRunning = false
        this.#running.delete(loadId)
      }
    }
  }
}
