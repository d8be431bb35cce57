// Why: whether a worker still lives is a rule, not a timer. How: a pure function of when it was
// last heard of.

/** The workers that were silent for `lostMs` or longer. Times are monotonic milliseconds. */
export function lostWorkers<T extends { readonly heardMonotonicMs: number }>(
  workers: readonly T[],
  nowMonotonicMs: number,
  lostMs: number,
): T[] {
  return workers.filter((worker) => nowMonotonicMs - worker.heardMonotonicMs >= lostMs)
}
