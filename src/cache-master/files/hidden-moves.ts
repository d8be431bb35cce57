// Why: a door builds a file below `.skein/`, where nobody sees it, and moves it to its name: from
// then on it is a file like those that were written there. How: what may be moved, and what the
// write policy of the namespace requires once the file has its name.
import { SkeinError } from '../../base/errors.ts'
import { internalKeyPrefix, isHiddenKey } from '../../base/paths.ts'
import type { NamespaceRecord } from '../../meta/meta-tables.ts'
import { fileAt } from '../../meta/resolve-path.ts'
import { namespacePolicy } from '../../ufs/store-options.ts'
import type { CallOptions } from '../../wire/service.ts'
import { type MasterContext, pathOf } from '../master-context.ts'
import type { PersistService } from '../written/persisting.ts'

/**
 * Only a file leaves `.skein/`, and nothing enters it: a whole tree would have to be persisted in
 * one step, and what is at the store would have to be removed there. @param from of a directory, as
 * `to`: ends in `/`
 * @throws SkeinError failed_precondition
 */
export function checkHiddenMove(record: NamespaceRecord, from: string, to: string): void {
  if (isHiddenKey(from) === isHiddenKey(to)) return
  const [what, way] = isHiddenKey(to) ? ['', 'into'] : ['a directory ', 'out of']
  if (!isHiddenKey(to) && !from.endsWith('/')) return
  const path = pathOf(record, from.replace(/\/$/, ''))
  throw new SkeinError(
    'failed_precondition',
    `${path} cannot be moved: ${what}is not moved ${way} ${internalKeyPrefix}`,
  )
}

/**
 * Writes a file that has left `.skein/` to the store, where the policy does not leave that to the
 * background. @throws SkeinError unavailable (`not_persisted`): it is moved, but not at the store
 */
export async function persistAppeared(
  { tables, log, clock }: Pick<MasterContext, 'tables' | 'log' | 'clock'>,
  persisting: Pick<PersistService, 'persist'>,
  { record, from, to }: { readonly record: NamespaceRecord; readonly from: string; readonly to: string },
  options: CallOptions,
): Promise<void> {
  const { writePolicy } = namespacePolicy(record.attributes)
  if (!isHiddenKey(from) || isHiddenKey(to) || (writePolicy !== 'CACHE_THROUGH' && writePolicy !== 'THROUGH')) return
  const path = pathOf(record, to)
  const { failures } = await persisting.persist(path, options)
  const [failure] = failures
  if (failure !== undefined) {
    const message = `${path} was moved, and is not in the store: ${failure}`
    throw new SkeinError('unavailable', message, { reason: 'not_persisted', retryable: false })
  }
  const file = fileAt(tables, record.rootId, to)
  if (writePolicy === 'THROUGH' && file?.persisted === true)
    await log.submit({ type: 'renew_files', atMs: clock.nowMs(), fileIds: [file.id] })
}
