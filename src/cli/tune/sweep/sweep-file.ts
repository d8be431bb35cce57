// Why: a sweep that was stopped, or whose machine was, goes on where it was. How: its file is
// replaced after each load; one of another sweep is refused, not overwritten.
import { rename, writeFile } from 'node:fs/promises'
import { readText } from '../../../base/files/text-file.ts'
import { isSkeinError, SkeinError } from '../../../base/errors.ts'
import { otherSweep, parseSweep, type SweepIdentity, type SweepState } from '../../../tuning/sweep-state.ts'
import { usageError } from '../../frame/exit-codes.ts'

const bytesMax = 16 * 1024 ** 2

/**
 * The state of this sweep in the file; a new one where there is no file, or it is to be replaced.
 * @throws SkeinError invalid_argument and failed_precondition naming the file
 */
export async function openSweep(
  path: string,
  identity: SweepIdentity,
  { restart, startedAt }: { readonly restart: boolean; readonly startedAt: string },
): Promise<SweepState> {
  const fresh: SweepState = { kind: 'skein-sweep', version: 1, ...identity, startedAt, runs: [] }
  if (restart) return fresh
  let text: string
  try {
    text = await readText({ file: path, name: path, isPipeAllowed: false }, bytesMax, usageError)
  } catch (thrown) {
    if (isSkeinError(thrown, 'not_found')) return fresh
    throw thrown
  }
  const state = parseSweep(text, path)
  const other = otherSweep(state, identity)
  if (other === undefined) return state
  const message = `${path} is of another sweep (${other} differs): name another file with --state, or use --restart`
  throw new SkeinError('failed_precondition', message)
}

export async function keepSweep(path: string, state: SweepState, unique: string): Promise<void> {
  const fresh = `${path}.${unique}.tmp`
  await writeFile(fresh, `${JSON.stringify(state, undefined, 1)}\n`)
  await rename(fresh, path)
}
