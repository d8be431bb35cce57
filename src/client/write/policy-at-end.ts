// Why: a file is complete in the cache, and its write policy may want it at the store before its
// writer is told so. How:
//
//   MUST_CACHE     nothing: the file is only in the cache until it is persisted by a command
//   ASYNC_THROUGH  nothing here: the master persists the file soon
//   CACHE_THROUGH  the file is persisted
//   THROUGH        like CACHE_THROUGH, and then its blocks are freed
import { throwIfAborted } from '../../base/clock.ts'
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import type { LifecycleServiceDefinition } from '../../wire/generated/lifecycle.ts'
import type { MasterServiceDefinition } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'

/** Deadline of the call that persists a whole file. */
const persistMs = 24 * 3600 * 1000

export interface PolicyServices {
  readonly lifecycle: Pick<Service<LifecycleServiceDefinition>, 'persist'>
  readonly master: Pick<Service<MasterServiceDefinition>, 'free'>
}

/**
 * Waits as the write policy requires.
 * @returns whether the store has the file
 * @throws SkeinError unavailable with reason `not_persisted` when it must be in the store and
 *   persisting failed; the signal's reason
 */
export async function followPolicy(
  { lifecycle, master }: PolicyServices,
  { path, writePolicy }: { readonly path: string; readonly writePolicy: string },
  signal: AbortSignal,
): Promise<boolean> {
  if (writePolicy !== 'CACHE_THROUGH' && writePolicy !== 'THROUGH') return false
  try {
    const { failures } = await lifecycle.persist({ path }, { signal, deadlineMs: persistMs })
    if (failures.length > 0) throw new SkeinError('unavailable', failures[0] ?? '')
  } catch (thrown) {
    throwIfAborted(signal)
    const message = `${path} is complete in the cache, but not in the store: ${toSkeinError(thrown).message}`
    throw new SkeinError('unavailable', message, { reason: 'not_persisted', retryable: false, cause: thrown })
  }
  if (writePolicy !== 'THROUGH') return true
  try {
    await master.free({ path, force: false }, { signal })
  } catch (thrown) {
    // Somebody has overwritten, removed or pinned the file meanwhile.
    if (!isSkeinError(thrown, 'failed_precondition') && !isSkeinError(thrown, 'not_found')) throw thrown
  }
  return true
}
