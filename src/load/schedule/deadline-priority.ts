// Why: among competing loads, the one with the earliest deadline goes first. How: deadlines
// multiply the priorities of loads, the earliest one the most. The window and the bandwidth are
// shared by these priorities, so no load stops completely.

export interface PrioritizedLoad {
  readonly loadId: number
  readonly priority: number
  /** When the load should be complete. 0 or undefined: no deadline. */
  readonly readyByMs: number | undefined
}

const urgencyMax = 16

/**
 * Returns the priority of each load. It is at least twice that of the load with the next deadline,
 * down to its own priority.
 */
export function prioritiesOf(loads: readonly PrioritizedLoad[]): Map<number, number> {
  const timed = loads.filter(({ readyByMs = 0 }) => readyByMs > 0)
  const deadlines = [...new Set(timed.map(({ readyByMs = 0 }) => readyByMs))].toSorted((a, b) => a - b)
  return new Map(
    loads.map(({ loadId, priority, readyByMs = 0 }) => {
      const rank = deadlines.indexOf(readyByMs)
      return [loadId, rank < 0 ? priority : priority * Math.max(1, urgencyMax / 2 ** rank)]
    }),
  )
}
