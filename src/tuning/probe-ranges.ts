// Why: a store and what is before it answer repeated reads from memory, so each step of a probe
// reads ranges that no step before has read. How: the ranges of all objects have numbers, in order;
// a step begins where the one before ended, and at the first object again behind the last. Pure.

/** Of one request to a worker. */
const entriesMax = 1000

export interface ProbedObject {
  readonly key: string
  readonly etag: string
  /** Above 0. */
  readonly length: number
}

export interface ProbeRanges {
  readonly objects: readonly ProbedObject[]
  /** Ranges of the first object to leave out. */
  readonly firstRange: number
}

/** About `most` of them, evenly spread. */
export function spread<T>(all: readonly T[], most: number): T[] {
  const step = Math.max(1, all.length / most)
  return Array.from({ length: Math.min(all.length, most) }, (_, index) => all[Math.floor(index * step)]).filter(
    (one) => one !== undefined,
  )
}

/**
 * Objects from the range with number `done` on, enough for `bytes` where the request may name as
 * many objects.
 */
export function rangesFrom(
  objects: readonly ProbedObject[],
  rangeBytes: number,
  done: number,
  bytes: number,
): ProbeRanges {
  const counts = objects.map(({ length }) => Math.ceil(length / rangeBytes))
  const total = counts.reduce((sum, ranges) => sum + ranges, 0)
  let left = total === 0 ? 0 : done % total
  let at = 0
  for (; left >= (counts[at] ?? Number.POSITIVE_INFINITY); at += 1) left -= counts[at] ?? 0
  const chosen: ProbedObject[] = []
  for (let wanted = bytes + left * rangeBytes; wanted > 0 && chosen.length < entriesMax; at += 1) {
    const object = objects[at % objects.length]
    if (object === undefined) break
    chosen.push(object)
    wanted -= object.length
  }
  return { objects: chosen, firstRange: left }
}
