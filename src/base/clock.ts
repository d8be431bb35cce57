// Why: only this file uses Date.now, timers and Math.random, so that tests can control time and
// randomness.
import { SkeinError, toSkeinError } from './errors.ts'

export interface Clock {
  /** Wall clock, milliseconds since 1970. For display and TTLs, never for leases or rates. */
  nowMs(): number
  /** Milliseconds from an arbitrary start; never goes back. For timeouts, rates and leases. */
  monotonicMs(): number
  /**
   * Resolves after `ms`. @throws the signal's reason as a SkeinError (`cancelled`) when it aborts
   */
  sleep(ms: number, signal: AbortSignal): Promise<void>
  /**
   * Runs `task` once after `ms`, unless the returned function is called first. The timer does not
   * keep the process alive.
   */
  schedule(ms: number, task: () => void): () => void
}

/** Numbers in [0, 1). */
export type Random = () => number

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(abortReason(signal))
        return
      }
      const onAbort = (): void => {
        clearTimeout(timer)
        reject(abortReason(signal))
      }
      const timer = setTimeout(() => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      }, wholeMs(ms))
      signal.addEventListener('abort', onAbort, { once: true })
    }),
  schedule: (ms, task) => {
    const timer = setTimeout(task, wholeMs(ms))
    timer.unref()
    return () => clearTimeout(timer)
  },
}

/** A timer cuts fractions: what waits for a moment would wake before it. */
function wholeMs(ms: number): number {
  return Math.ceil(ms)
}

export const systemRandom: Random = () => Math.random()

/** A repeatable Random (mulberry32, public domain) from a 32-bit seed. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** For a call whose caller gives no signal. */
export function neverAborted(): AbortSignal {
  return new AbortController().signal
}

/**
 * The reason of an aborted signal as a SkeinError. Its code is `cancelled`, unless the reason is a
 * SkeinError itself.
 */
export function abortReason(signal: AbortSignal): SkeinError {
  return toSkeinError(signal.reason ?? new SkeinError('cancelled', 'the operation was cancelled'))
}

/** The result of the promise, unless the signal aborts first. @throws the signal's reason */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  throwIfAborted(signal)
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(abortReason(signal))
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** @throws the signal's reason (see abortReason) when it is aborted */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw abortReason(signal)
}
