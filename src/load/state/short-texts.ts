// Why: error texts from stores, workers and the master are stored with the load and shown in lists.
// They can have any length. How: before a command is journaled, its texts are cut to a readable
// length. Pure.
import type { LoadCommand, Replacement } from './load-commands.ts'
import type { FileFailure } from '../load.ts'

const charactersMax = 2000

/** Cuts a text to a number of characters; the result is well-formed. */
export function shortText(text: string, max = charactersMax): string {
  const wellFormed = text.isWellFormed() ? text : text.toWellFormed()
  return wellFormed.length <= max ? wellFormed : `${wellFormed.slice(0, max - 3).toWellFormed()}...`
}

/** Returns the command with its texts cut. */
export function withShortTexts(command: LoadCommand): LoadCommand {
  const { type } = command
  if (
    type === 'ListingStopped' ||
    type === 'StateChanged' ||
    type === 'ScheduleRunStarted' ||
    type === 'ScheduleRunEnded'
  )
    return { ...command, reason: shortText(command.reason) }
  if (type === 'PagePlanned') return { ...command, failed: shortFailures(command.failed) }
  if (type === 'SetCompleted' || type === 'RepairPlanned')
    return { ...command, failed: shortFailures(command.failed), replaced: shortReplacements(command.replaced) }
  return command
}

function shortFailures(failures: readonly FileFailure[]): readonly FileFailure[] {
  return failures.map(shortFailure)
}

function shortFailure(failure: FileFailure): FileFailure {
  const [code, reason, workerId] = [
    shortText(failure.code, 100),
    shortText(failure.reason),
    shortText(failure.workerId, 200),
  ]
  return { ...failure, code, reason, workerId }
}

/** Returns the same objects if nothing was cut, because the sender looks for them in the answer. */
function shortReplacements(replaced: readonly Replacement[]): readonly Replacement[] {
  return replaced.map((one) => (one.failure === undefined ? one : { ...one, failure: shortFailure(one.failure) }))
}
