// Why: damage in the state shows as a value that does not match its checksum or as an error of
// LMDB's; it is told by one error.
import { SkeinError } from '../../base/errors.ts'

/**
 * MDB_PAGE_NOTFOUND, CORRUPTED, VERSION_MISMATCH, INVALID, CURSOR_FULL, PAGE_FULL: the tree is not
 * one.
 */
const damageCodes: ReadonlySet<number> = new Set([-30797, -30796, -30794, -30793, -30787, -30786])

export function damagedError(what: string, cause?: unknown): SkeinError {
  const why = `${what} in the state is damaged: the master ends, and its next start brings the state back from the snapshot and the journal`
  return new SkeinError('data_loss', why, { reason: 'state_damaged', cause })
}

/** Whether LMDB says that its file is no whole tree. */
export function isDamage(thrown: unknown): boolean {
  return thrown instanceof Error && damageCodes.has(Number((thrown as { code?: unknown }).code))
}
