// Why: totals over many workers or pages may exceed 2^53, which a response cannot represent.

/** The sum, limited to the largest safe integer. Values that are not numbers count as 0. */
export function safeSum(...values: readonly number[]): number {
  let sum = 0
  for (const value of values) if (value > 0) sum += value
  return Math.min(sum, Number.MAX_SAFE_INTEGER)
}
