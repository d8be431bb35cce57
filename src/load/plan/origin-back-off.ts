// Why: if a store sends SlowDown to one job worker, all job workers must slow down. If they only
// pause and then continue at the old rate, the store sends it again. How: per namespace, like TCP.
// Each round of SlowDown pauses all reads for a while and halves the measured rate. Without
// SlowDown the rate grows slowly, until it is well above any rate ever used.
import type { Random } from '../../base/clock.ts'

export interface BackOff {
  /** Bytes per second that all job workers together may read from the namespace. */
  readonly bytesPerSecond: number
  /** No reads before this time; monotonic clock. */
  readonly pausedUntilMs: number
  /** Rounds of SlowDown that are not recovered yet. */
  readonly level: number
  /** Rate before the first round. A limit well above it has no effect. */
  readonly usedBefore: number
  readonly changedMs: number
}

const floorBytesPerSecond = 256 * 1024
const pauseInitialMs = 200
const pauseMaxMs = 20_000
const levelMax = 8
/** Growth factor per second: the rate doubles in about 7 seconds. */
const growthPerSecond = 1.1
const freeAbove = 2
/** Responses to requests that were in flight at the start of the pause belong to the same round. */
const echoMs = 500

/**
 * Returns the state after `slowDowns` reported responses (0: only time has passed).
 * @param measured recent bytes per second from the namespace
 * @returns undefined when there is no limit
 */
export function backOff(
  state: BackOff | undefined,
  slowDowns: number,
  measured: number,
  nowMs: number,
  random: Random,
): BackOff | undefined {
  if (slowDowns > 0) {
    if (state !== undefined && nowMs < state.pausedUntilMs + echoMs) return state
    const level = Math.min(levelMax, Math.ceil(state?.level ?? 0) + 1)
    const base = state === undefined ? measured : Math.min(measured, state.bytesPerSecond)
    const pauseMs = Math.min(pauseMaxMs, pauseInitialMs * 2 ** (level - 1)) * (0.5 + random() / 2)
    return {
      bytesPerSecond: Math.max(floorBytesPerSecond, base / 2),
      pausedUntilMs: nowMs + pauseMs,
      level,
      usedBefore: Math.max(state?.usedBefore ?? 0, measured, floorBytesPerSecond),
      changedMs: nowMs,
    }
  }
  if (state === undefined || nowMs <= state.pausedUntilMs) return state
  const seconds = (nowMs - Math.max(state.changedMs, state.pausedUntilMs)) / 1000
  const bytesPerSecond = state.bytesPerSecond * growthPerSecond ** seconds
  if (bytesPerSecond > state.usedBefore * freeAbove) return undefined
  return { ...state, bytesPerSecond, level: Math.max(0, state.level - seconds / 4), changedMs: nowMs }
}
