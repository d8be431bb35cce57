// Why: what a store has and cannot give as a file is missing from listings, and whoever reads them
// must hear of it. How: a line for each on stderr, and exit code 3, as for a load that could not
// bring everything in.
import type { UnusableEntries } from '../../client/file-system.ts'
import type { CommandContext } from '../frame/context.ts'
import { exitCodes } from '../frame/exit-codes.ts'
import { printable } from '../frame/printable.ts'

/** Names them; nothing where there are none. */
export function nameUnusable(context: CommandContext, unusable: UnusableEntries | undefined): void {
  if (unusable === undefined || unusable.total === 0) return
  for (const { path, reason } of unusable.paths)
    context.io.stderr(`skein: ${printable(path)} cannot be cached: ${printable(reason)}\n`)
  if (unusable.total > unusable.paths.length)
    context.io.stderr(`skein: and ${unusable.total - unusable.paths.length} more\n`)
  context.setExitCode(exitCodes.partial)
}
