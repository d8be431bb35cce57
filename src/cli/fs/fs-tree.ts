// Why: `skein fs mkdir | rm | mv`: the tree that users see. The shapes are those of Alluxio 2.9's
// MkdirCommand, RmCommand, MvCommand.
import { type Command, Option } from 'commander'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { DeletedEntries } from '../../client/file-system.ts'
import { type CommandContext, openFilePair, openFiles, writeResult } from '../frame/context.ts'
import { positiveDurationMs } from '../frame/numbers.ts'
import { printable } from '../frame/printable.ts'

const waitText = 'how long to wait for another operation on the path (write to the store, move or remove)'
const waitDefault = '10m'

export function addCommands(parent: Command, context: CommandContext): void {
  const pathText = '/namespace/dir/file or gfs://host:port/namespace/dir/file'
  parent
    .command('mkdir')
    .description('create a directory and its parents')
    .argument('<path>', '/namespace/dir or gfs://host:port/namespace/dir')
    .action(async (path: string) => makeDirectory(context, path))
  parent
    .command('rm')
    .description('remove a file or directory, also at the store')
    .argument('<path>', pathText)
    .option('-R', 'remove a directory and everything below it')
    .option('--cacheOnly', 'do not remove from the store')
    .addOption(new Option('--goosefsOnly', 'same as --cacheOnly').implies({ cacheOnly: true }))
    .addOption(new Option('--alluxioOnly', 'same as --cacheOnly').implies({ cacheOnly: true }))
    .option('-U', 'accepted: objects that have changed at the store stay there')
    .option('--timeout <duration>', waitText, waitDefault)
    .action(async (path: string, flags: { R?: true; cacheOnly?: true; timeout: string }) =>
      remove(context, path, flags),
    )
  parent
    .command('mv')
    .description('rename a file or directory within its namespace, or move it into a directory')
    .argument('<from>', pathText)
    .argument('<to>', pathText)
    .option('--timeout <duration>', waitText, waitDefault)
    .action(async (from: string, to: string, flags: { timeout: string }) => rename(context, from, to, flags.timeout))
}

/**
 * Does it at once, or says who is in the way and waits for that. @param act nothing is changed by
 * one that finds the path busy
 */
async function waiting<Result>(
  { io }: CommandContext,
  timeout: string,
  waitMs: number,
  act: (waitMs: number) => Promise<Result>,
): Promise<Result> {
  try {
    return await act(0)
  } catch (thrown) {
    const { reason, message } = toSkeinError(thrown)
    if (reason !== 'path_busy') throw thrown
    io.stderr(`skein: ${printable(message.replace(/; try again$/, ''))}: waiting for ${timeout} at most (--timeout)\n`)
  }
  try {
    return await act(waitMs)
  } catch (thrown) {
    const { reason, code, message } = toSkeinError(thrown)
    if (reason !== 'path_busy') throw thrown
    const still = message.replace(/; try again$/, '')
    throw new SkeinError(
      code,
      `${still}, still after ${timeout}; nothing was changed: try again later, or use a longer --timeout`,
      {
        reason,
      },
    )
  }
}

async function makeDirectory(context: CommandContext, text: string): Promise<void> {
  const { path, files } = await openFiles(context, text)
  await files.makeDirectory(path, { signal: context.signal })
  writeResult(context, { path }, `Successfully created directory ${printable(path)}`)
}

async function remove(
  context: CommandContext,
  text: string,
  flags: { R?: true; cacheOnly?: true; timeout: string },
): Promise<void> {
  const [recursive, cacheOnly] = [flags.R === true, flags.cacheOnly === true]
  const waitMs = positiveDurationMs('--timeout', flags.timeout)
  const { path, files } = await openFiles(context, text)
  const removing = (wait: number): Promise<DeletedEntries> =>
    files.delete(path, { recursive, cacheOnly, waitMs: wait, signal: context.signal })
  const removed = await waiting(context, flags.timeout, waitMs, removing)
  writeResult(
    context,
    { path, files: removed.files, folders: removed.directories },
    `${printable(path)} has been removed`,
  )
}

async function rename(context: CommandContext, fromText: string, toText: string, timeout: string): Promise<void> {
  const waitMs = positiveDurationMs('--timeout', timeout)
  const { files, from, to } = await openFilePair(context, fromText, toText)
  const moving = (wait: number): Promise<void> =>
    files.rename(from, to, { intoDirectory: true, waitMs: wait, signal: context.signal })
  await waiting(context, timeout, waitMs, moving)
  writeResult(context, { from, to }, `Renamed ${printable(from)} to ${printable(to)}`)
}
