// Why: a store that tells one job worker to slow down means all of them. How: what its stores and
// readers said goes with the heartbeat, by namespace; nothing said, nothing sent.
import type { Pressures } from '../../wire/generated/job.ts'

/**
 * Answers of SlowDown and reads on demand since the last heartbeat, by namespace; undefined when
 * there were none.
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
