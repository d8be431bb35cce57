// Why: when a written file gets to the store is said by its namespace, or by whoever writes it.
// How: the same words for both.

export const writePolicies = ['MUST_CACHE', 'CACHE_THROUGH', 'ASYNC_THROUGH', 'THROUGH'] as const
export type WritePolicy = (typeof writePolicies)[number]

/** The policy of this name; undefined: there is none. */
export function writePolicyNamed(word: string): WritePolicy | undefined {
  return writePolicies.find((policy) => policy === word)
}
