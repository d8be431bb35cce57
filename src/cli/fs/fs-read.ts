// Why: `skein fs ls | stat | cat | count | du | location`: what there is, how much of it is cached,
// and where.
import type { Command } from 'commander'
import { SkeinError } from '../../base/errors.ts'
import type { FileInfo, UnusablePaths } from '../../wire/generated/master.ts'
import { type CommandContext, openTarget, writeResult } from '../frame/context.ts'
import { countText, duHeader, duLine, locationsOf, locationText, lsLine, statText } from '../format/format-file.ts'
import { jsonText } from '../frame/json-document.ts'
import { listPages } from '../frame/list-pages.ts'
import { fileBytes } from '../../client/file-bytes.ts'
import { syncInterval } from './sync-interval.ts'
import { nameUnusable } from './unusable-paths.ts'

export function addCommands(parent: Command, context: CommandContext): void {
  const pathText = '/namespace/dir/file or gfs://host:port/namespace/dir/file'
  parent
    .command('ls')
    .description('list a directory')
    .argument('<path>', pathText)
    .option('-R', 'include everything below the directory')
    .option('-h', 'print sizes with units')
    .helpOption('--help', 'display help for command')
    .action(async (path: string, flags: { R?: true; h?: true }) =>
      ls(context, path, flags.R === true, flags.h === true),
    )
  parent
    .command('stat')
    .description('show the metadata of a file or directory')
    .argument('<path>', pathText)
    .action(async (path: string) => stat(context, path))
  parent
    .command('cat')
    .description("write a file's bytes to stdout")
    .argument('<path>', pathText)
    .action(async (path: string) => cat(context, path))
  parent
    .command('count')
    .description('count files, folders and bytes')
    .argument('<path>', pathText)
    .option('-h', 'print sizes with units')
    .helpOption('--help', 'display help for command')
    .action(async (path: string, flags: { h?: true }) => count(context, path, flags.h === true))
  parent
    .command('du')
    .description('show sizes and cached sizes')
    .argument('<path>', pathText)
    .option('-s', 'print only the total')
    .option('-h', 'print sizes with units')
    .helpOption('--help', 'display help for command')
    .action(async (path: string, flags: { s?: true; h?: true }) =>
      du(context, path, flags.s === true, flags.h === true),
    )
  parent
    .command('location')
    .description('list the workers that hold blocks of a file')
    .argument('<path>', pathText)
    .action(async (path: string) => location(context, path))
}

async function ls(context: CommandContext, text: string, recursive: boolean, readable: boolean): Promise<void> {
  const { path, cluster, config } = await openTarget(context, text)
  const { io, options, signal } = context
  const sync = syncInterval(config)
  let unusable: UnusablePaths | undefined
  const listing = listPages(cluster.master(), { path, recursive, ...sync }, signal, (found) => {
    unusable = found
    nameUnusable(context, found)
  })
  if (options.format === 'text') {
    for await (const files of listing) {
      if (files.length > 0)
        await io.writeBytes(Buffer.from(files.map((file) => `${lsLine(file, readable)}\n`).join('')))
    }
    return
  }
  let separator = '{"entries":['
  for await (const files of listing) {
    if (files.length === 0) continue
    // A page at a time, and no more than the reader takes.
    await io.writeBytes(Buffer.from(separator + files.map(jsonText).join(',')))
    separator = ','
  }
  const named = unusable === undefined ? '' : `,"unusable":${jsonText(unusable)}`
  io.stdout(`${separator === ',' ? '' : separator}]${named}}\n`)
}

async function stat(context: CommandContext, text: string): Promise<void> {
  const { path, cluster, config } = await openTarget(context, text)
  const file = await cluster.master().getStatus({ path, ...syncInterval(config) }, { signal: context.signal })
  const opened = file.folder ? undefined : await cluster.master().openFile({ path }, { signal: context.signal })
  const info = opened?.file ?? file
  const { userMetadata, clientMetadata, ...shown } = info
  const metadata = {
    ...(userMetadata === undefined ? {} : { userMetadata: userMetadata.values }),
    ...(clientMetadata === undefined ? {} : { clientMetadata: clientMetadata.values }),
  }
  writeResult(context, { ...shown, ...metadata, blocks: opened?.blocks ?? [] }, statText(info, opened))
}

async function cat(context: CommandContext, text: string): Promise<void> {
  const { path, cluster } = await openTarget(context, text)
  for await (const chunk of fileBytes(cluster.files, path, context.signal)) await context.io.writeBytes(chunk)
}

async function count(context: CommandContext, text: string, readable: boolean): Promise<void> {
  const { path, cluster, config } = await openTarget(context, text)
  const counted = await cluster.master().count({ path, ...syncInterval(config) }, { signal: context.signal })
  writeResult(context, counted, countText(counted, readable))
}

async function du(context: CommandContext, text: string, sumOnly: boolean, readable: boolean): Promise<void> {
  const { path, cluster, config } = await openTarget(context, text)
  const { signal } = context
  const sync = syncInterval(config)
  if (sumOnly) {
    const { bytes, cachedBytes } = await cluster.master().count({ path, ...sync }, { signal })
    writeResult(context, { path, bytes, cachedBytes }, `${duHeader}\n${duLine(bytes, cachedBytes, path, readable)}`)
    return
  }
  const files: FileInfo[] = []
  const named = (found: UnusablePaths): void => nameUnusable(context, found)
  for await (const page of listPages(cluster.master(), { path, recursive: true, ...sync }, signal, named))
    files.push(...page.filter((file) => !file.folder))
  const document = files.map((file) => ({ path: file.path, bytes: file.length, cachedBytes: file.cachedBytes }))
  writeResult(
    context,
    { entries: document },
    [duHeader, ...files.map((file) => duLine(file.length, file.cachedBytes, file.path, readable))].join('\n'),
  )
}

async function location(context: CommandContext, text: string): Promise<void> {
  const { path, cluster, config } = await openTarget(context, text)
  const opened = await cluster.master().openFile({ path, ...syncInterval(config) }, { signal: context.signal })
  if (opened.file === undefined || opened.file.folder)
    throw new SkeinError('failed_precondition', `${path} is a directory; give a file`)
  writeResult(context, { path, fileId: opened.file.fileId, nodes: locationsOf(opened) }, locationText(path, opened))
}
