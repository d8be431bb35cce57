// Why: a schedule of a namespace that does not exist would say so at night, at its first run. How:
// the master is asked when the schedule is made. The namespace must be there; a path below it need
// not, since datasets come later, but it is said.
import { toSkeinError } from '../../base/errors.ts'
import { parsePath } from '../../base/paths.ts'
import type { MasterServiceDefinition } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'
import { planStaging } from '../plan/file-pages.ts'

/**
 * The store may be away or slow by day; that is no reason to hold up or refuse what runs at night.
 */
const lookDeadlineMs = 5000

/**
 * @returns what a person should know of the path; undefined when it is there. @throws SkeinError
 *   not_found (the namespace), unavailable
 */
export async function checkScheduledPath(
  master: Pick<Service<MasterServiceDefinition>, 'getNamespace' | 'syncPage'>,
  path: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { namespace, key } = parsePath(path)
  await master.getNamespace({ name: namespace }, { signal })
  if (key === '') return undefined
  try {
    // As a plan looks: nothing becomes known or visible by it.
    await master.syncPage({ path, cursor: '', limit: 1, ...planStaging }, { signal, deadlineMs: lookDeadlineMs })
    return undefined
  } catch (thrown) {
    const error = toSkeinError(thrown)
    if (signal.aborted) throw error
    if (error.code === 'not_found') return `${path} does not exist yet; runs are refused until it does`
    return `the check whether ${path} exists failed: ${error.message}`
  }
}
