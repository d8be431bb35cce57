// Why: of loads that compete, the one that has to be ready first goes first. How: a deadline
// multiplies a load's priority, the earliest one the most, so that the window and the bandwidth are
// dealt out by it and no load stands still.

export interface PrioritizedLoad {
  readonly loadId: number
  readonly priority: number
  /** When it should be in; 0 or undefined = no matter. */
  readonly readyByMs: number | undefined
}

const urgencyMax = 16

/**
 * The priority of each load among these: twice as much as the one with the next deadline, down to
 * its own.
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
