// Why: figures of many workers or many pages are added up, and a sum beyond 2^53 is a number that
// no answer can carry.

/** The sum, or the largest whole number that can be told. What is no number counts as nothing. */
export function safeSum(...values: readonly number[]): number {
  let sum = 0
  for (const value of values) if (value > 0) sum += value
  return Math.min(sum, Number.MAX_SAFE_INTEGER)
}
