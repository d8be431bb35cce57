// Why: `skein fs touch | cp`: new files from nothing, or from files of the same cluster. How: `cp`
// hands over to copyFromLocal and copyToLocal where one side is `file://`; else the bytes of a file
// go through this process into the cache. The rules of places are those of cp(1): into a directory
// that exists, else to the path itself.
import { basename } from 'node:path'
import type { Command } from 'commander'
import { SkeinError } from '../../base/errors.ts'
import { hasRootMount } from '../../client/status/namespace-of.ts'
import { writeWhole } from '../../client/write/write-whole.ts'
import type { FileStatus, FileSystem } from '../../client/file-system.ts'
import { type CommandContext, openFilePair, openFiles, writeResult } from '../frame/context.ts'
import { usageError } from '../frame/exit-codes.ts'
import { fileBytes } from '../../client/file-bytes.ts'
import { longCallMs } from '../frame/long-call.ts'
import { eachInParallel } from '../frame/parallel-each.ts'
import { below, placeOf } from './place-of.ts'
import { printable } from '../frame/printable.ts'
import { Tally } from '../frame/tally.ts'

const filesAtATime = 8
const localPattern = /^file:\/\//

export function addCommands(parent: Command, context: CommandContext): void {
  const pathText = '/namespace/dir/file or gfs://host:port/namespace/dir/file'
  parent
    .command('touch')
    .description('create an empty file')
    .argument('<path>', pathText)
    .action(async (path: string) => touch(context, path))
  parent
    .command('cp')
    .description('copy a file, or with -R a directory, within the cluster; file:// paths are local')
    .argument('<from>', `${pathText}, or file:///dir/file`)
    .argument('<to>', `${pathText}, or file:///dir/file`)
    .option('-R, --recursive', 'copy a directory and everything below it')
    .action(async (from: string, to: string, flags: { recursive?: true }) =>
      copy(context, from, to, flags.recursive === true),
    )
}

async function touch(context: CommandContext, text: string): Promise<void> {
  const { path, files } = await openFiles(context, text)
  if (path.endsWith('/')) throw usageError(`'${path}' is not a file path: remove the slash at the end`)
  await writeWhole(files, path, 0, nothing, context.signal)
  writeResult(context, { path }, `${printable(path)} has been created`)
}

async function* nothing(): AsyncGenerator<Uint8Array, void, undefined> {}

async function copy(context: CommandContext, from: string, to: string, recursive: boolean): Promise<void> {
  if (localPattern.test(from) && localPattern.test(to))
    throw usageError('both paths are local: use the cp command of the system')
  if (localPattern.test(from)) return await (await import('./copy-from-local.ts')).copyFromLocal(context, from, to)
  if (localPattern.test(to)) return await (await import('./copy-to-local.ts')).copyToLocal(context, from, to, false)
  const { files, from: source, to: path } = await openFilePair(context, from, to)
  const { signal } = context
  if (path === '/' && !(await hasRootMount(files, { signal })))
    throw usageError('/ contains only namespaces: give a path in a namespace')
  const file = await files.stat(source, { signal })
  const isDirectory = file.kind === 'directory'
  if (isDirectory && !recursive) throw usageError(`${source} is a directory: copy it with -R`)
  const place = await placeOf(context, { path, files }, basename(source))
  if (place === source) throw usageError(`${source} cannot be copied to itself`)
  if (isDirectory && `${place}/`.startsWith(withSlash(source)))
    throw usageError(`${source} cannot be copied into itself`)
  const tally = new Tally(context)
  if (isDirectory) await copyTree(context, files, source, place, tally)
  else await copyFile(context, files, file, place, tally)
  if (context.options.format === 'json') writeResult(context, { from: source, to: place, ...tally.document }, '')
  tally.finish()
}

function withSlash(path: string): string {
  return path.endsWith('/') ? path : `${path}/`
}

async function copyTree(
  context: CommandContext,
  files: FileSystem,
  source: string,
  place: string,
  tally: Tally,
): Promise<void> {
  const { signal } = context
  await files.makeDirectory(place, { signal })
  const entries = async function* (): AsyncGenerator<FileStatus, void, undefined> {
    for await (const page of files.list(source, { recursive: true, signal, deadlineMs: longCallMs })) yield* page
  }
  const inside = withSlash(source)
  await eachInParallel(entries(), filesAtATime, (file) =>
    tally.attempt(file.path, async () => {
      if (!file.path.startsWith(inside)) throw new SkeinError('internal', `${file.path} is not below ${source}`)
      const to = below(place, file.path.slice(inside.length))
      if (file.kind === 'directory') await files.makeDirectory(to, { signal })
      else await copyFile(context, files, file, to, tally)
    }),
  )
}

async function copyFile(
  { signal }: CommandContext,
  files: FileSystem,
  file: Pick<FileStatus, 'path' | 'length'>,
  to: string,
  tally: Tally,
): Promise<void> {
  const bytes = (): AsyncIterable<Uint8Array> => fileBytes(files, file.path, signal)
  await writeWhole(files, to, file.length, bytes, signal)
  tally.addDone(file.length, `Copied ${printable(file.path)} to ${printable(to)}`)
}
