// Why: more requests at once make reads faster up to a point, the knee; beyond it they only wait
// for each other, and stores refuse them. How: 1, 2, 4, ... requests in flight, until one more step
// brings less than 10 % or the time to the first byte has doubled. A step that seems to end the
// ladder is made again, and the better of the two counts: one pause of the machine must not decide.
// What may be spent (time, bytes,
// requests) is divided among the steps that are left, more for those with more connections. Pure.

/** A store far away has a few milliseconds of noise, one nearby a few of this machine's. */
const latencyNoiseMs = 5
const gainMin = 0.1
/** Ranges that each connection of a step should read, and the least of a step. */
const rangesPerConnection = 4
const rangesMin = 64
/** Requests of a step beside its ranges. */
const spareRequests = 16

/** What may be spent, or is left. */
export interface ProbeBounds {
  readonly ms: number
  readonly bytes: number
  readonly requests: number
}

export interface LadderStep extends ProbeBounds {
  readonly connections: number
}

/** What one step measured. */
export interface Rung {
  readonly connections: number
  readonly bytesPerSecond: number
  /** Ranges a second. */
  readonly requestsPerSecond: number
  /** Median. Undefined: no range was answered. */
  readonly firstByteMs: number | undefined
  readonly slowDowns: number
  readonly failed: number
  /** As the worker says; `slow_down` and `failures` end the ladder. */
  readonly endedBy: string
}

/**
 * `gain` and `latency`: the knee was found. `slow_down`, `failures`: the store allowed no more.
 * `bounds`, `connections`: the knee may be higher.
 */
export type LadderEnd = 'gain' | 'latency' | 'slow_down' | 'failures' | 'bounds' | 'connections'

/** 1, 2, 4, ... and at last `most` itself. */
export function ladderOf(most: number): number[] {
  const steps: number[] = []
  for (let connections = 1; connections < most; connections *= 2) steps.push(connections)
  return [...steps, most]
}

export interface LadderSize {
  /** Requests in flight at most. */
  readonly connectionsMax: number
  /** Of one request. */
  readonly requestBytes: number
}

/** The next step, or why there is none. */
export function nextStep(
  rungs: readonly Rung[],
  left: ProbeBounds,
  { connectionsMax, requestBytes }: LadderSize,
): LadderStep | LadderEnd {
  const best = bestRungs(rungs)
  const end = endOf(best)
  const last = rungs.at(-1)?.connections
  const isSure = rungs.filter(({ connections }) => connections === last).length > 1
  const isAgain = (end === 'gain' || end === 'latency') && !isSure
  if (end !== undefined && !isAgain) return end
  const rest = ladderOf(connectionsMax).slice(best.length - (isAgain ? 1 : 0))
  const [connections] = rest
  if (connections === undefined) return 'connections'
  const weight = (count: number): number => Math.max(rangesMin, rangesPerConnection * count)
  const share = weight(connections) / rest.reduce((sum, count) => sum + weight(count), 0)
  // Where the bounds are low, few steps with some figures are better than many without.
  const least = rangesPerConnection * connections
  const step = {
    connections,
    ms: Math.floor(left.ms / rest.length),
    bytes: Math.max(Math.floor(left.bytes * share), Math.min(left.bytes, least * requestBytes)),
    requests: Math.max(Math.floor(left.requests * share), Math.min(left.requests, spareRequests + least)),
  }
  // A connection is opened with a request of its own, and reads at least one range.
  const isEnough = step.ms >= 1 && step.bytes >= connections * requestBytes && step.requests >= 2 * connections
  if (isEnough) return step
  return end ?? 'bounds'
}

/** Of each number of connections the faster one; the last one where the store refused it. */
function bestRungs(rungs: readonly Rung[]): Rung[] {
  const best = new Map<number, Rung>()
  for (const rung of rungs) {
    const known = best.get(rung.connections)
    const isRefused = rung.endedBy === 'slow_down' || rung.endedBy === 'failures'
    if (known === undefined || isRefused || rung.requestsPerSecond > known.requestsPerSecond)
      best.set(rung.connections, rung)
  }
  return [...best.values()]
}

function endOf(rungs: readonly Rung[]): Exclude<LadderEnd, 'connections'> | undefined {
  const [first, last, before] = [rungs[0], rungs.at(-1), rungs.at(-2)]
  if (first === undefined || last === undefined) return undefined
  if (last.endedBy === 'slow_down' || last.endedBy === 'failures') return last.endedBy
  if (last.firstByteMs === undefined) return last.endedBy === 'time' ? 'bounds' : 'failures'
  if (before === undefined) return undefined
  if (gainOf(last, before) < gainMin) return 'gain'
  const firstMs = first.firstByteMs ?? last.firstByteMs
  return last.firstByteMs > Math.max(2 * firstMs, firstMs + latencyNoiseMs) ? 'latency' : undefined
}

/**
 * The step to stay at: the last one that was worth its connections. Undefined: nothing was read
 * without trouble.
 */
export function kneeOf(rungs: readonly Rung[]): Rung | undefined {
  const best = bestRungs(rungs)
  const end = endOf(best)
  const isLastGood = end === undefined || end === 'latency'
  return isLastGood ? best.at(-1) : best.at(-2)
}

function gainOf(rung: Rung, before: Rung): number {
  return before.requestsPerSecond === 0 ? 0 : rung.requestsPerSecond / before.requestsPerSecond - 1
}

/** The middle one, of an even number the mean of the two. Undefined without numbers. */
export function medianOf(numbers: readonly number[]): number | undefined {
  const sorted = numbers.toSorted((one, other) => one - other)
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]]
  return low === undefined || high === undefined ? undefined : (low + high) / 2
}
