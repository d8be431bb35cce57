// Why: the attribute `readPolicy` of a namespace decides whether bytes that are read from its store
// are cached. Only the master knows it, and users can change it. How: the policy is taken from the
// namespace definition that the store uses. If the master does not answer, the last known policy
// applies; without one nothing is cached.
import { namespacePolicy, type NamespacePolicy } from '../../ufs/store-options.ts'

export type ReadPolicy = NamespacePolicy['readPolicy']
export type ReadPolicyOf = (namespaceId: string, signal: AbortSignal) => Promise<ReadPolicy>

/**
 * Does not throw.
 * @param attributesOf current attributes of a namespace
 */
export function createReadPolicies(
  attributesOf: (namespaceId: string) => Promise<Readonly<Record<string, string>>>,
): ReadPolicyOf {
  const known = new Map<string, ReadPolicy>()
  return async (namespaceId) => {
    try {
      const { readPolicy } = namespacePolicy(await attributesOf(namespaceId))
      known.set(namespaceId, readPolicy)
      return readPolicy
    } catch {
      return known.get(namespaceId) ?? 'NO_CACHE'
    }
  }
}
