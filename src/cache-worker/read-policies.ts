// Why: whether what is read from a store stays in the cache is an attribute of the namespace (`readPolicy`), which only the
// master knows and a user may change. How: asked when it is first needed and again when the answer is old; while the master
// does not answer, the last word holds, and without one nothing is kept.
import type { Clock } from '../base/clock.ts'
import { SingleFlight } from '../base/single-flight.ts'
import { namespacePolicy, type NamespacePolicy } from '../ufs/store-options.ts'
import type { MasterServiceDefinition } from '../wire/generated/master.ts'
import type { Service } from '../wire/service.ts'

export type ReadPolicy = NamespacePolicy['readPolicy']
export type ReadPolicyOf = (namespaceId: string, signal: AbortSignal) => Promise<ReadPolicy>

const maxAgeMs = 10_000
const askDeadlineMs = 2000

/** Does not throw. */
export function createReadPolicies(master: Pick<Service<MasterServiceDefinition>, 'getNamespaceAccess'>, clock: Clock): ReadPolicyOf {
  const known = new Map<string, { readonly policy: ReadPolicy; readonly untilMs: number }>()
  const asking = new SingleFlight<string, ReadPolicy>()
  const ask = async (namespaceId: string): Promise<ReadPolicy> => {
    const untilMs = clock.monotonicMs() + maxAgeMs
    try {
      // Not the reader's signal: others may wait for the same answer.
      const options = { signal: new AbortController().signal, deadlineMs: askDeadlineMs }
      const { attributes } = await master.getNamespaceAccess({ namespaceId }, options)
      const policy = namespacePolicy(attributes).readPolicy
      known.set(namespaceId, { policy, untilMs })
      return policy
    } catch {
      const last = known.get(namespaceId)
      if (last !== undefined) known.set(namespaceId, { policy: last.policy, untilMs })
      return last?.policy ?? 'NO_CACHE'
    }
  }
  return async (namespaceId) => {
    const last = known.get(namespaceId)
    if (last !== undefined && clock.monotonicMs() < last.untilMs) return last.policy
    return await asking.run(namespaceId, () => ask(namespaceId))
  }
}
