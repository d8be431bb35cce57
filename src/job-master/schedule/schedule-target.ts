// Why: a schedule for a namespace that does not exist would fail only at its first run, perhaps at
// night. How: the master is asked when the schedule is created. The namespace must exist. A path
// below it may be created later, so a missing path causes only a warning.
import { toSkeinError } from '../../base/errors.ts'
import { placeWithin } from '../../base/paths.ts'
import type { MasterServiceDefinition } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'
import { planStaging } from '../plan/file-pages.ts'

/**
 * The store may be slow or down during the day. That must not delay or refuse a schedule that runs
 * at night.
 */
const lookDeadlineMs = 5000

/**
 * @returns a warning about the path; undefined when it exists
 * @throws SkeinError not_found (the namespace), unavailable
 */
export async function checkScheduledPath(
  master: Pick<Service<MasterServiceDefinition>, 'getNamespace' | 'syncPage'>,
  path: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { name } = await master.getNamespace({ name: '', path }, { signal })
  if (placeWithin(name, path).key === '') return undefined
  try {
    // Uses the staging of plans: no files become known or visible.
    await master.syncPage(
      { path, inRoot: name === '', cursor: '', limit: 1, ...planStaging },
      { signal, deadlineMs: lookDeadlineMs },
    )
    return undefined
  } catch (thrown) {
    const error = toSkeinError(thrown)
    if (signal.aborted) throw error
    if (error.code === 'not_found') return `${path} does not exist yet; runs are refused until it does`
    return `the check whether ${path} exists failed: ${error.message}`
  }
}
