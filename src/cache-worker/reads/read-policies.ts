// Why: whether what is read from a store stays in the cache is an attribute of the namespace
// (`readPolicy`), which only the master knows and a user may change. How: by the definition that
// the store is read by; while the master does not say it, the last word holds, and without one
// nothing is kept.
import { namespacePolicy, type NamespacePolicy } from '../../ufs/store-options.ts'

export type ReadPolicy = NamespacePolicy['readPolicy']
export type ReadPolicyOf = (namespaceId: string, signal: AbortSignal) => Promise<ReadPolicy>

/** Does not throw. @param attributesOf the namespace's, as they are now */
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
