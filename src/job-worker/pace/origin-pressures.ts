// Why: if a store tells one job worker to slow down, all job workers must slow down. How:
// heartbeats carry the load signals of stores and readers, by namespace. Without signals nothing is
// sent.
import type { Pressures } from '../../wire/generated/job.ts'

/**
 * SlowDown responses and on-demand reads since the last heartbeat, by namespace. Undefined: there
 * were none.
 */
export function originPressures(
  slowDowns: ReadonlyMap<string, number>,
  demandReads: ReadonlyMap<string, number>,
): Pressures | undefined {
  const names = new Set([...slowDowns.keys(), ...demandReads.keys()])
  if (names.size === 0) return undefined
  return {
    namespaces: [...names].map((namespaceId) => ({
      namespaceId,
      slowDowns: slowDowns.get(namespaceId) ?? 0,
      demandReads: demandReads.get(namespaceId) ?? 0,
    })),
  }
}
