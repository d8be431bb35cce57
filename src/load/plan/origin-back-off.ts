// Why: a store that says SlowDown to one job worker means all of them, and a fleet that pauses and
// then pushes on as before is told again. How: per namespace, as TCP does: each round of SlowDown
// closes the store for all for a while and cuts the rate to half of what was measured; without one
// the rate grows again slowly, until it is well above what was ever used.
import type { Random } from '../../base/clock.ts'

export interface BackOff {
  /** Bytes a second that all job workers together may read of the namespace. */
  readonly bytesPerSecond: number
  /** Nobody reads before it; monotonic clock. */
  readonly pausedUntilMs: number
  /** Rounds of SlowDown that were not worked off. */
  readonly level: number
  /** What was read when the first round came; a limit well above it is none. */
  readonly usedBefore: number
  readonly changedMs: number
}

const floorBytesPerSecond = 256 * 1024
const pauseInitialMs = 200
const pauseMaxMs = 20_000
const levelMax = 8
/** Growth in a second: about 7 seconds to twice the rate. */
const growthPerSecond = 1.1
const freeAbove = 2
/** Answers to requests that were under way when the pause began are of the same round. */
const echoMs = 500

/**
 * The state after `slowDowns` answers were reported (0: none, time goes on). `measured`: bytes a
 * second read of the namespace of late. Undefined: nothing is held back.
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
