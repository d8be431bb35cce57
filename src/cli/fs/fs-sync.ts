// Why: `skein fs persist | loadMetadata | checkConsistency`: the cache and the store beneath
// brought into agreement. The shapes of persist and checkConsistency are those of Alluxio 2.9's
// PersistCommand and CheckConsistencyCommand.
import type { Command } from 'commander'
import { SkeinError } from '../../base/errors.ts'
import type { FileStatus } from '../../client/file-system.ts'
import { type CommandContext, type FileTarget, openFiles, writeResult } from '../frame/context.ts'
import { exitCodes } from '../frame/exit-codes.ts'
import { longCallMs } from '../frame/long-call.ts'
import { wholeNumber } from '../frame/numbers.ts'
import { eachInParallel } from '../frame/parallel-each.ts'
import { printable } from '../frame/printable.ts'
import { Tally } from '../frame/tally.ts'
import { nameUnusable } from './unusable-paths.ts'

export function addCommands(parent: Command, context: CommandContext): void {
  const pathText = '/namespace/dir/file or gfs://host:port/namespace/dir/file'
  parent
    .command('persist')
    .description('write files to the store that exist only in the cache')
    .argument('<path>', pathText)
    .option('-p, --parallelism <n>', 'number of files written at once', '4')
    .action(async (path: string, flags: { parallelism: string }) =>
      persist(context, path, wholeNumber('--parallelism', flags.parallelism, 1, 64)),
    )
  parent
    .command('loadMetadata')
    .description('update metadata from the store: new, changed and deleted files')
    .argument('<path>', pathText)
    .option('-R', 'include everything below the directory')
    .option('-F', 'accepted: the store is always asked')
    .action(async (path: string, flags: { R?: true }) => loadMetadata(context, path, flags.R === true))
  parent
    .command('checkConsistency')
    .description('list files that differ from the store, and files that cannot be read from the store or a worker')
    .argument('<path>', pathText)
    .option('-r', 'repair: drop the cached copy of files that differ')
    .action(async (path: string, flags: { r?: true }) => checkConsistency(context, path, flags.r === true))
}

async function persist(context: CommandContext, text: string, parallel: number): Promise<void> {
  const target = await openFiles(context, text)
  const { path, files } = target
  const tally = new Tally(context)
  const file = await files.stat(path, { signal: context.signal })
  if (file.kind === 'directory') {
    await eachInParallel(unpersistedBelow(context, target), parallel, (one) =>
      tally.attempt(one.path, () => persistFile(context, target, one, tally)),
    )
  } else if (file.persistence !== 'persisted') {
    await persistFile(context, target, file, tally)
  }
  const nothingToDo = tally.done === 0 && tally.failed === 0
  if (context.options.format === 'json') writeResult(context, { path, ...tally.document }, '')
  else if (nothingToDo) writeResult(context, undefined, `${printable(path)} is already persisted`)
  tally.finish()
}

async function* unpersistedBelow(
  context: CommandContext,
  { path, files }: FileTarget,
): AsyncGenerator<FileStatus, void, undefined> {
  const { signal } = context
  for await (const page of files.list(path, { recursive: true, signal, deadlineMs: longCallMs }))
    yield* page.filter(({ kind, persistence }) => kind === 'file' && persistence !== 'persisted')
}

async function persistFile(
  context: CommandContext,
  { files }: Pick<FileTarget, 'files'>,
  file: FileStatus,
  tally: Tally,
): Promise<void> {
  const { failures } = await files.persist(file.path, { signal: context.signal })
  if (failures[0] !== undefined) throw new SkeinError('failed_precondition', failures[0])
  tally.addDone(file.length, `persisted file ${printable(file.path)} with size ${file.length}`)
}

async function loadMetadata(context: CommandContext, text: string, recursive: boolean): Promise<void> {
  const { path, files } = await openFiles(context, text)
  const found = await files.loadMetadata(path, { recursive, signal: context.signal })
  const { added, changed, removed, unchanged } = found
  const summary =
    `Metadata of ${printable(path)} was loaded: ` +
    `${added} added, ${changed} changed, ${removed} removed, ${unchanged} unchanged`
  writeResult(context, { path, ...found }, summary)
  nameUnusable(context, found.unusable)
}

/**
 * Differences that stay, and files that nobody has all of, make the exit code 1; names that cannot
 * be cached alone make it 3.
 */
async function checkConsistency(context: CommandContext, text: string, repair: boolean): Promise<void> {
  const { path, files } = await openFiles(context, text)
  const {
    inconsistent,
    total,
    repaired,
    unreadable = { paths: [], total: 0 },
    unusable,
  } = await files.checkConsistency(path, { repair, signal: context.signal })
  const paths = inconsistent.toSorted()
  const more = total > paths.length ? [`and ${total - paths.length} more`] : []
  const lost = unreadable.paths.toSorted()
  const lines =
    total === 0
      ? unreadable.total > 0 || unusable !== undefined
        ? []
        : [`${printable(path)} is consistent with the under storage system.`]
      : repaired
        ? [
            `${printable(path)} has: ${total} inconsistent files.`,
            ...paths.map((one) => `${printable(one)} repaired.`),
            ...more,
          ]
        : ['The following files are inconsistent:', ...paths.map(printable), ...more]
  if (unreadable.total > 0) {
    lines.push('The following files are not persisted, and have blocks on no live worker:', ...lost.map(printable))
    if (unreadable.total > lost.length) lines.push(`and ${unreadable.total - lost.length} more`)
  }
  if (unusable !== undefined) {
    const reasons = unusable.paths.map((one) => printable(`${one.path}: ${one.reason}`))
    lines.push('The following names at the store cannot be cached:', ...reasons)
    if (unusable.total > reasons.length) lines.push(`and ${unusable.total - reasons.length} more`)
  }
  const consistent = total === 0 && unreadable.total === 0 && unusable === undefined
  const found = { path, consistent, inconsistent: paths, total, repaired: repaired && total > 0 }
  const document = unusable === undefined ? found : { ...found, unusable }
  writeResult(
    context,
    unreadable.total === 0 ? document : { ...document, unreadable: { paths: lost, total: unreadable.total } },
    lines.join('\n'),
  )
  if ((total > 0 && !repaired) || unreadable.total > 0) context.setExitCode(exitCodes.failed)
  else if (unusable !== undefined) context.setExitCode(exitCodes.partial)
}
