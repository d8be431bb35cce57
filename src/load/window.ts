// Why: how many tasks may be in the queue now, and whose. How: one set of each load in turn (a load of a million sets
// does not starve one of ten), as long as the load's --active-jobs and the lane's bounds in tasks and bytes allow it.
import type { OpenSet } from './load.ts'

export interface Lane {
  readonly lane: string
  readonly hostname: string
  /** Tasks the job worker runs at once. */
  readonly activeTasksMax: number
  /** Queued and running now. */
  readonly tasks: number
  readonly bytes: number
}

export interface ReadySet extends OpenSet {
  readonly loadId: number
  readonly set: number
}

export interface LoadQueue {
  /** How many more tasks of this load may go out: --active-jobs less those that are out. */
  readonly room: number
  /** In the order in which they shall go. */
  readonly sets: readonly ReadySet[]
}

export interface WindowLimits {
  /** Tasks in a lane, as a multiple of what its job worker runs at once. */
  readonly laneTasksFactor: number
  /** Tasks in a lane, however many its job worker runs at once. */
  readonly laneTasksMax: number
  readonly laneBytesMax: number
}

export interface Assignment {
  readonly set: ReadySet
  readonly lane: string
}

interface LaneState {
  readonly lane: Lane
  readonly tasksMax: number
  tasks: number
  bytes: number
}

/**
 * What may go out now. A set goes to a job worker on the host of its first target (the bytes stay on the host), or, where
 * that host has none, to the least loaded one. An idle job worker takes sets of busy hosts.
 */
export function fillWindow(
  loads: readonly LoadQueue[],
  lanes: readonly Lane[],
  hostOf: (workerId: string) => string | undefined,
  limits: WindowLimits,
): Assignment[] {
  const states = lanes.map((lane) => ({
    lane,
    tasksMax: Math.min(lane.activeTasksMax * limits.laneTasksFactor, limits.laneTasksMax),
    tasks: lane.tasks,
    bytes: lane.bytes,
  }))
  const byHost = Map.groupBy(states, (state) => state.lane.hostname)
  const assignments: Assignment[] = []
  const cursors = loads.map((load) => ({ sets: load.sets, next: 0, room: load.room }))
  const hasRoom = (state: LaneState, bytes: number): boolean =>
    state.tasks < state.tasksMax && (state.tasks === 0 || state.bytes + bytes <= limits.laneBytesMax)
  for (let moved = true; moved && states.some((state) => state.tasks < state.tasksMax);) {
    moved = false
    for (const cursor of cursors) {
      while (cursor.room > 0 && cursor.next < cursor.sets.length) {
        const set = cursor.sets[cursor.next]
        cursor.next += 1
        if (set === undefined) break
        const local = byHost.get(hostOf(set.targets[0] ?? '') ?? '')
        const open = (local ?? states).filter((state) => hasRoom(state, set.bytes))
        const state = leastLoaded(open.length > 0 ? open : states.filter((other) => other.tasks === 0))
        if (state === undefined) continue
        state.tasks += 1
        state.bytes += set.bytes
        cursor.room -= 1
        assignments.push({ set, lane: state.lane.lane })
        moved = true
        break
      }
    }
  }
  return assignments
}

function leastLoaded(states: readonly LaneState[]): LaneState | undefined {
  let best: LaneState | undefined
  for (const state of states) if (best === undefined || state.tasks / state.tasksMax < best.tasks / best.tasksMax) best = state
  return best
}
