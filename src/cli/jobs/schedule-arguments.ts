// Why: the words after `--` of `schedule create` are those of `fs distributedLoad`, and mean the
// same. How: by its own flags; what is only of one moment (a list from a file, an age that is
// worked out now) is refused.
import { Command } from 'commander'
import type { LoadOptions } from '../../wire/generated/job.ts'
import { isTemplate } from '../load/brace-template.ts'
import { type CommandContext, openTarget, type Target } from '../frame/context.ts'
import { usageError } from '../frame/exit-codes.ts'
import { addLoadFlags, type LoadFlags, readLoadFlags, withGlobs } from '../load/load-flags.ts'
import { joinGlobs, pathGlob } from '../load/path-glob.ts'

/**
 * What a schedule is to load. @throws SkeinError invalid_argument (usage), CommanderError for words
 * that distributedLoad would refuse
 */
export async function scheduledLoad(
  context: CommandContext,
  words: readonly string[],
): Promise<Target & { readonly options: LoadOptions }> {
  const command = addLoadFlags(new Command('distributedLoad').argument('[paths...]'))
    .exitOverride()
    .helpOption(false)
    .configureOutput({ outputError: () => undefined })
    .parse(bare(words), { from: 'user' })
  const [path, ...more] = command.args
  if (path === undefined)
    throw usageError('the path to load is missing: skein schedule create NAME --cron ... -- /namespace/dir')
  if (more.length > 0 || isTemplate(path))
    throw usageError('a schedule loads one path: create one schedule per path, or use --include')
  const flags = command.opts<LoadFlags>()
  for (const time of [flags.modifiedAfter, flags.modifiedBefore])
    if (time !== undefined && /^[\d.]+\s*[A-Za-z]+$/.test(time))
      throw usageError(`'${time}' is relative to now and would never change: give a date`)
  readLoadFlags(flags, 1, context.clock.nowMs())
  const glob = pathGlob(path)
  const globs = glob === undefined ? undefined : joinGlobs([glob])
  const target = await openTarget(context, globs?.base ?? path)
  return {
    ...target,
    options: readLoadFlags(withGlobs(flags, globs?.patterns), target.config.load.activeJobs, context.clock.nowMs()),
  }
}

/** `fs distributedLoad` itself may stand before its words. */
function bare(words: readonly string[]): string[] {
  const first = words[0] === 'fs' ? 1 : 0
  return words.slice(words[first] === 'distributedLoad' ? first + 1 : 0)
}
