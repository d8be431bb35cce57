// Why: decides how many tasks, and of which loads, may be added to the queue. How: the load with
// the smallest part of its share comes next, so a load of a million sets does not starve a load of
// ten. The limits are --active-jobs of the load, and the tasks and bytes of the lane.
import type { OpenSet } from '../load.ts'

export interface Lane {
  readonly lane: string
  readonly hostname: string
  /** Tasks that the job worker runs at once. */
  readonly activeTasksMax: number
  /** Queued and running tasks. */
  readonly tasks: number
  readonly bytes: number
}

export interface ReadySet extends OpenSet {
  readonly loadId: number
  readonly set: number
}

export interface LoadQueue {
  /**
   * How many more tasks of this load may be dispatched: --active-jobs minus the tasks in flight.
   */
  readonly room: number
  /** In dispatch order. */
  readonly sets: readonly ReadySet[]
  /** Weight of the load in the window. Default: 1. */
  readonly weight?: number
  /** Tasks of the load in flight, by lane. */
  readonly tasksIn?: ReadonlyMap<string, number>
  /**
   * The tasks are slowed down by a limit: in each lane the load keeps to its share of the active
   * tasks, at most a quarter.
   */
  readonly paced?: boolean
}

export interface WindowLimits {
  /** Tasks in a lane, as a multiple of its job worker's active tasks. */
  readonly laneTasksFactor: number
  /** Maximum of tasks in a lane, whatever its job worker runs at once. */
  readonly laneTasksMax: number
  readonly laneBytesMax: number
}

export interface Assignment {
  readonly set: ReadySet
  readonly lane: string
  /**
   * Position in the lane: a later task with a lower rank overtakes it. Loads below their share get
   * lower ranks.
   */
  readonly rank: number
}

interface LaneState {
  readonly lane: Lane
  readonly tasksMax: number
  tasks: number
  bytes: number
}

interface Cursor {
  readonly sets: readonly ReadySet[]
  readonly weight: number
  readonly paced: boolean
  /** Tasks in flight, by lane and in total. */
  readonly tasksIn: Map<string, number>
  out: number
  next: number
  room: number
}

const pacedShareMax = 0.25
/** Ranks are whole numbers. The queue accepts ranks up to 2^21. */
const rankScale = 1000
const rankMax = 2_000_000

/**
 * Chooses the sets to dispatch now. A set goes to a job worker on the host of its first target, so
 * that the bytes stay on the host; if there is none, to the job worker with the lowest load. An
 * idle job worker takes sets of busy hosts.
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
  const weightSum = loads.reduce((sum, { weight = 1 }) => sum + weight, 0)
  const cursors = loads.map((load) => {
    const { sets, room, weight = 1, tasksIn, paced = false } = load
    const out = [...(tasksIn?.values() ?? [])].reduce((sum, tasks) => sum + tasks, 0)
    return { sets, next: 0, room, weight, out, tasksIn: new Map(tasksIn), paced }
  })
  // A slow task occupies its slot for long, and a few of them use the whole rate: other slots are
  // left for later loads.
  const isShut = ({ tasksIn, weight }: Cursor, { lane: { lane, activeTasksMax } }: LaneState): boolean =>
    (tasksIn.get(lane) ?? 0) >= Math.max(1, Math.floor(activeTasksMax * Math.min(weight / weightSum, pacedShareMax)))
  const hasRoom = (state: LaneState, bytes: number): boolean =>
    state.tasks < state.tasksMax && (state.tasks === 0 || state.bytes + bytes <= limits.laneBytesMax)
  while (states.some((state) => state.tasks < state.tasksMax)) {
    const cursor = furthestBehind(cursors)
    if (cursor === undefined) break
    const set = cursor.sets[cursor.next]
    cursor.next += 1
    if (set === undefined) break
    const mayTake = cursor.paced ? states.filter((state) => !isShut(cursor, state)) : states
    if (mayTake.length === 0) {
      cursor.room = 0
      continue
    }
    const host = hostOf(set.targets[0] ?? '') ?? ''
    const local = byHost.has(host) ? mayTake.filter((state) => state.lane.hostname === host) : mayTake
    const open = local.filter((state) => hasRoom(state, set.bytes))
    const state = leastLoaded(open.length > 0 ? open : mayTake.filter((other) => other.tasks === 0))
    if (state === undefined) continue
    const { lane } = state.lane
    state.tasks += 1
    state.bytes += set.bytes
    cursor.room -= 1
    cursor.out += 1
    const inLane = (cursor.tasksIn.get(lane) ?? 0) + 1
    cursor.tasksIn.set(lane, inLane)
    assignments.push({ set, lane, rank: Math.min(rankMax, Math.ceil((inLane * rankScale) / cursor.weight)) })
  }
  return assignments
}

/** The load with the smallest part of its share, among the loads that can continue. */
function furthestBehind(cursors: readonly Cursor[]): Cursor | undefined {
  let best: Cursor | undefined
  for (const cursor of cursors) {
    if (cursor.room <= 0 || cursor.next >= cursor.sets.length) continue
    if (best === undefined || (cursor.out + 1) / cursor.weight < (best.out + 1) / best.weight) best = cursor
  }
  return best
}

function leastLoaded(states: readonly LaneState[]): LaneState | undefined {
  let best: LaneState | undefined
  for (const state of states)
    if (best === undefined || state.tasks / state.tasksMax < best.tasks / best.tasksMax) best = state
  return best
}
