// Why: every door is measured in the same manner: its speed beside that of a peer on the same
// bytes, in one run, and what both cost. How: a case has several ways to do the same work. The ways
// take turns; a result is a median, a ratio is one of medians. Processor time counts this process,
// its children and the servers of the way. A new door adds a file with its cases, and its name to
// the list in doors.ts.
import { systemClock } from '../../../src/base/clock.ts'
import { childrenSeconds, processorSeconds } from '../process-figures.ts'

export interface Way {
  readonly name: string
  /** Processes that work for it, beside this one and its children. */
  readonly pids: readonly number[]
  /** Does the work once. */
  readonly run: () => Promise<void>
}

export interface DoorCase {
  readonly name: string
  /** What one run comes to, in `unit`. */
  readonly amount: number
  readonly unit: 'GiB' | 'requests'
  /** The first way is the measured one; the others are peers and limits. */
  readonly ways: readonly Way[]
  /** Least ratio of the speed of the first way to that of this other one. */
  readonly goal?: { readonly way: string; readonly ratio: number }
  /** Most milliseconds for a request. */
  readonly goalMs?: number
}

export interface WayResult {
  readonly case: string
  readonly way: string
  readonly unit: string
  /** Per second. */
  readonly rate: number
  /** Seconds of processor time for one of `unit`. */
  readonly processorSeconds: number
  /** To the first way of the case. */
  readonly ratio: number
}

/** What a door needs for its cases. */
export interface DoorSetup {
  /** An empty folder for this run. */
  readonly folder: string
  /** The folder with the objects, as plain files. */
  readonly plain: string
  /** Objects in `plain`, in the cache, and below /data: names and lengths. */
  readonly large: readonly string[]
  readonly largeBytes: number
  readonly small: readonly string[]
  readonly smallBytes: number
  /** Addresses by door, from the ready line of `skein local`. */
  readonly addresses: Readonly<Record<string, string>>
  readonly home: string
  /** The process of `skein local`. */
  readonly pid: number
  /** Undefined: nginx is not installed. */
  readonly nginx: { readonly url: string; readonly pids: readonly number[] } | undefined
  /** Called in reverse order at the end. */
  readonly onEnd: (undo: () => Promise<void> | void) => void
}

export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
}

/** Runs the ways of a case in turn; the first round warms up. */
export async function measured(one: DoorCase, rounds: number): Promise<WayResult[]> {
  const seconds = new Map<string, number[]>()
  const processor = new Map<string, number[]>()
  for (let round = -1; round < rounds; round += 1) {
    for (const way of one.ways) {
      const before = processorOf(way)
      const beganMs = systemClock.monotonicMs()
      await way.run()
      const took = (systemClock.monotonicMs() - beganMs) / 1000
      if (round < 0) continue
      seconds.set(way.name, [...(seconds.get(way.name) ?? []), took])
      processor.set(way.name, [...(processor.get(way.name) ?? []), processorOf(way) - before])
    }
  }
  const first = median(seconds.get(one.ways[0]?.name ?? '') ?? [])
  return one.ways.map(({ name }) => {
    const took = median(seconds.get(name) ?? [])
    const cost = median(processor.get(name) ?? []) / one.amount
    return {
      ...{ case: one.name, way: name, unit: one.unit, rate: one.amount / took },
      ...{ processorSeconds: cost, ratio: took / first },
    }
  })
}

function processorOf({ pids }: Way): number {
  return [process.pid, ...pids].reduce((sum, pid) => sum + processorSeconds(pid), childrenSeconds())
}
