// Why: the two ways a command ends, spelled once.
import type { ErrorCode } from '../../base/errors.ts'
import type { Applied, Effect } from './commands.ts'

/** @param changed inodes that were made, changed or removed */
export function done(changed: number, effects: readonly Effect[] = [], fileIds: readonly number[] = []): Applied {
  return { outcome: { fileIds, changed }, effects }
}

/** The command could not hold and has changed nothing. */
export function refused(code: ErrorCode, message: string): Applied {
  return { outcome: { refused: { code, message } }, effects: [] }
}
