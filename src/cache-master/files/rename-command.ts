// Why: every move ends in one command, and what the tables refuse is told as a path. How: one place
// that submits it.
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import type { Rename } from '../../meta/commands/lifecycle-commands.ts'
import type { NamespaceRecord } from '../../meta/meta-tables.ts'
import { type MasterContext, pathOf } from '../master-context.ts'

/** Keys of one namespace. */
export interface Move {
  readonly record: NamespaceRecord
  readonly from: string
  readonly to: string
}

/**
 * @param replacing how the file at `to` gives way; none: there is nothing at `to`
 * @throws SkeinError already_exists (a file that was completed meanwhile), not_found
 */
export async function submitRename(
  { log, clock }: Pick<MasterContext, 'log' | 'clock'>,
  { record, from, to }: Move,
  replacing: Pick<Rename, 'overwrites' | 'stored' | 'replacesEtag'> = {},
): Promise<void> {
  try {
    await log.submit({
      ...{ type: 'rename', atMs: clock.nowMs(), namespaceId: record.id, from, to },
      ...replacing,
    })
  } catch (thrown) {
    if (!isRefused(thrown)) throw thrown
    throw new SkeinError(thrown.code, pathOf(record, thrown.message), { cause: thrown })
  }
}

/** Whether the command was refused by the tables, so that nothing has moved here. */
export function isRefused(thrown: unknown): thrown is SkeinError {
  return isSkeinError(thrown, 'already_exists') || isSkeinError(thrown, 'not_found')
}
