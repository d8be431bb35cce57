// Why: `skein fs touch | cp`: new files from nothing, or from files of the same cluster. How: `cp`
// hands over to copyFromLocal and copyToLocal where one side is `file://`; else the bytes of a file
// go through this process into the cache. The rules of places are those of cp(1): into a directory
// that exists, else to the path itself.
import { basename } from 'node:path'
import type { Command } from 'commander'
import { SkeinError } from '../../base/errors.ts'
import { parsePath } from '../../base/paths.ts'
import type { Cluster } from '../../client/cluster.ts'
import { writeWhole } from '../../client/write/write-whole.ts'
import type { FileInfo } from '../../wire/generated/master.ts'
import { type CommandContext, openTarget, openTargets, writeResult } from '../frame/context.ts'
import { usageError } from '../frame/exit-codes.ts'
import { fileBytes } from '../../client/file-bytes.ts'
import { listPages } from '../frame/list-pages.ts'
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
  const { path, cluster } = await openTarget(context, text)
  if (isRootOrDirectory(path)) throw usageError(`'${path}' is not a file path: remove the slash at the end`)
  await writeWhole(cluster.files, path, 0, nothing, context.signal)
  writeResult(context, { path }, `${printable(path)} has been created`)
}

function isRootOrDirectory(path: string): boolean {
  const { key } = parsePath(path)
  return key === '' || key.endsWith('/')
}

async function* nothing(): AsyncGenerator<Uint8Array, void, undefined> {}

async function copy(context: CommandContext, from: string, to: string, recursive: boolean): Promise<void> {
  if (localPattern.test(from) && localPattern.test(to))
    throw usageError('both paths are local: use the cp command of the system')
  if (localPattern.test(from)) return await (await import('./copy-from-local.ts')).copyFromLocal(context, from, to)
  if (localPattern.test(to)) return await (await import('./copy-to-local.ts')).copyToLocal(context, from, to, false)
  const { cluster, from: source, to: path } = await openTargets(context, from, to)
  if (path === '/') throw usageError('/ contains only namespaces: give a path in a namespace')
  const { signal } = context
  const file = await cluster.master().getStatus({ path: source }, { signal })
  if (file.folder && !recursive) throw usageError(`${source} is a directory: copy it with -R`)
  const place = await placeOf(context, { path, cluster }, basename(source))
  if (place === source) throw usageError(`${source} cannot be copied to itself`)
  if (file.folder && `${place}/`.startsWith(withSlash(source)))
    throw usageError(`${source} cannot be copied into itself`)
  const tally = new Tally(context)
  if (file.folder) await copyTree(context, cluster, source, place, tally)
  else await copyFile(context, cluster, file, place, tally)
  if (context.options.format === 'json') writeResult(context, { from: source, to: place, ...tally.document }, '')
  tally.finish()
}

function withSlash(path: string): string {
  return path.endsWith('/') ? path : `${path}/`
}

async function copyTree(
  context: CommandContext,
  cluster: Cluster,
  source: string,
  place: string,
  tally: Tally,
): Promise<void> {
  const { signal } = context
  await cluster.lifecycle().makeDirectory({ path: place }, { signal })
  const files = async function* (): AsyncGenerator<FileInfo, void, undefined> {
    for await (const page of listPages(cluster.master(), { path: source, recursive: true }, signal)) yield* page
  }
  const inside = withSlash(source)
  await eachInParallel(files(), filesAtATime, (file) =>
    tally.attempt(file.path, async () => {
      if (!file.path.startsWith(inside)) throw new SkeinError('internal', `${file.path} is not below ${source}`)
      const to = below(place, file.path.slice(inside.length))
      if (file.folder) await cluster.lifecycle().makeDirectory({ path: to }, { signal })
      else await copyFile(context, cluster, file, to, tally)
    }),
  )
}

async function copyFile(
  { signal }: CommandContext,
  cluster: Cluster,
  file: FileInfo,
  to: string,
  tally: Tally,
): Promise<void> {
  const bytes = (): AsyncIterable<Uint8Array> => fileBytes(cluster.files, file.path, signal)
  await writeWhole(cluster.files, to, file.length, bytes, signal)
  tally.addDone(file.length, `Copied ${printable(file.path)} to ${printable(to)}`)
}
