// Why: one back-off rule for all of Skein. How: the delay is a pure function, and one loop applies
// it.
import { type Clock, type Random, throwIfAborted } from '../clock.ts'
import { type SkeinError, toSkeinError } from '../errors.ts'

export interface RetryPolicy {
  /** Maximum attempts, including the first one. */
  readonly attemptsMax: number
  readonly initialMs: number
  readonly maxMs: number
}

/**
 * Full jitter (AWS Architecture Blog, "Exponential Backoff and Jitter"): random in [0, min(maxMs,
 * initialMs * 2^(attempt-1))].
 */
export function backoffMs(policy: RetryPolicy, attempt: number, random: Random): number {
  return random() * Math.min(policy.maxMs, policy.initialMs * 2 ** Math.min(attempt - 1, 30))
}

export interface RetryOptions {
  readonly policy: RetryPolicy
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
  /** Called before each wait. */
  readonly onRetry?: (error: SkeinError, attempt: number) => void
}

/**
 * Runs `operation(attempt)` until it succeeds, fails with an error that is not retryable, or has
 * used all attempts.
 * @throws the last error
 */
export async function retry<T>(operation: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    throwIfAborted(options.signal)
    try {
      return await operation(attempt)
    } catch (thrown) {
      const error = toSkeinError(thrown)
      if (!error.retryable || attempt >= options.policy.attemptsMax || options.signal.aborted) throw error
      options.onRetry?.(error, attempt)
      await options.clock.sleep(backoffMs(options.policy, attempt, options.random), options.signal)
    }
  }
}
