// Why: whoever saw a load to its end is told the same: the counts, the files that are not there,
// and why, and the exit code.
import { toSkeinError } from '../../base/errors.ts'
import type { JobServiceDefinition, LoadStatus } from '../../wire/generated/job.ts'
import type { Service } from '../../wire/service.ts'
import { type CommandContext, writeResult } from '../frame/context.ts'
import { exitCodeOfLoad, foundNothing } from '../frame/exit-codes.ts'
import { collectFailedFiles, type FailedFiles } from './failed-list.ts'
import { loadCountsText, loadProblemText, loadResultText } from '../format/format-load.ts'
import { printable } from '../frame/printable.ts'

/**
 * Writes the result of a load that has ended and sets the exit code. The whole list of failed files
 * goes below `home`.
 */
export async function reportLoad(
  context: CommandContext,
  home: string,
  jobs: Service<JobServiceDefinition>,
  status: LoadStatus,
): Promise<void> {
  const { io } = context
  const notice = (message: string): void => io.stderr(`skein: ${message}\n`)
  const none: FailedFiles = { named: [], list: undefined }
  const hasFailed = (status.counts?.filesFailed ?? 0) > 0
  context.setExitCode(exitCodeOfLoad(status))
  const failed = hasFailed
    ? await collectFailedFiles(jobs, status.loadId, home, context.signal, notice).catch((thrown: unknown) => {
        notice(`the failed files cannot be listed: ${toSkeinError(thrown).message}`)
        return none
      })
    : none
  io.stderr(`${loadCountsText(status)}\n`)
  writeResult(
    context,
    { ...status, failedFiles: failed.named, failedList: failed.list ?? null },
    loadResultText(status, failed.named, failed.list),
  )
  const problem = loadProblemText(status)
  if (problem !== undefined) notice(problem)
  else if (status.state === 'COMPLETED' && status.reason !== '') notice(printable(status.reason))
  else if (foundNothing(status)) notice(printable(noneSelected(status.path, status.counts?.filesExcluded ?? 0)))
}

export function noneSelected(path: string, filesExcluded: number): string {
  return `no file below ${path} is selected: ${filesExcluded} files do not match the filters`
}
