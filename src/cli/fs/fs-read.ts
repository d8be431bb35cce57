// Why: `skein fs ls | stat | cat | count | du | location`: what there is, how much of it is cached,
// and where.
import type { Command } from 'commander'
import { fileBytes } from '../../client/file-bytes.ts'
import type { UnusableEntries } from '../../client/file-system.ts'
import { fileDocumentOf, listedFileOf } from '../format/file-document.ts'
import { countText, duHeader, duLine, locationsOf, locationText, lsLine, statText } from '../format/format-file.ts'
import { type CommandContext, openFiles, writeResult } from '../frame/context.ts'
import { jsonText } from '../frame/json-document.ts'
import { longCallMs } from '../frame/long-call.ts'
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
  const { path, files } = await openFiles(context, text)
  const { io, options, signal } = context
  let unusable: UnusableEntries | undefined
  const onUnusable = (found: UnusableEntries): void => {
    unusable = found
    nameUnusable(context, found)
  }
  const listing = { recursive, onUnusable, signal, deadlineMs: longCallMs }
  if (options.format === 'text') {
    for await (const page of files.list(path, listing))
      await io.writeBytes(Buffer.from(page.map((file) => `${lsLine(listedFileOf(file), readable)}\n`).join('')))
    return
  }
  let separator = '{"entries":['
  for await (const page of files.listDetails(path, listing)) {
    // A page at a time, and no more than the reader takes.
    await io.writeBytes(Buffer.from(separator + page.map((file) => jsonText(fileDocumentOf(file))).join(',')))
    separator = ','
  }
  const named = unusable === undefined ? '' : `,"unusable":${jsonText(unusable)}`
  io.stdout(`${separator === ',' ? '' : separator}]${named}}\n`)
}

async function stat(context: CommandContext, text: string): Promise<void> {
  const { path, files } = await openFiles(context, text)
  const { signal } = context
  const status = await files.details(path, { signal })
  const placed =
    status.kind === 'directory'
      ? undefined
      : await files.placement(path, { maxAgeMs: Number.POSITIVE_INFINITY, signal })
  const file = fileDocumentOf(placed?.file ?? status)
  const { userMetadata, clientMetadata, ...shown } = file
  const metadata = {
    ...(userMetadata === undefined ? {} : { userMetadata: userMetadata.values }),
    ...(clientMetadata === undefined ? {} : { clientMetadata: clientMetadata.values }),
  }
  writeResult(context, { ...shown, ...metadata, blocks: placed?.blocks ?? [] }, statText(file, placed))
}

async function cat(context: CommandContext, text: string): Promise<void> {
  const { path, files } = await openFiles(context, text)
  for await (const chunk of fileBytes(files, path, context.signal)) await context.io.writeBytes(chunk)
}

async function count(context: CommandContext, text: string, readable: boolean): Promise<void> {
  const { path, files } = await openFiles(context, text)
  const summary = await files.summary(path, { signal: context.signal })
  const { directories: folders, bytes, cachedBytes } = summary
  const counted = { files: summary.files, folders, bytes, cachedBytes }
  writeResult(context, counted, countText(counted, readable))
}

async function du(context: CommandContext, text: string, sumOnly: boolean, readable: boolean): Promise<void> {
  const { path, files } = await openFiles(context, text)
  const { signal } = context
  if (sumOnly) {
    const { bytes, cachedBytes } = await files.summary(path, { signal })
    writeResult(context, { path, bytes, cachedBytes }, `${duHeader}\n${duLine(bytes, cachedBytes, path, readable)}`)
    return
  }
  const entries: { readonly path: string; readonly bytes: number; readonly cachedBytes: number }[] = []
  const onUnusable = (found: UnusableEntries): void => nameUnusable(context, found)
  for await (const page of files.list(path, { recursive: true, onUnusable, signal, deadlineMs: longCallMs }))
    for (const file of page)
      if (file.kind === 'file') entries.push({ path: file.path, bytes: file.length, cachedBytes: file.cachedBytes })
  const lines = entries.map(({ bytes, cachedBytes, path: shown }) => duLine(bytes, cachedBytes, shown, readable))
  writeResult(context, { entries }, [duHeader, ...lines].join('\n'))
}

async function location(context: CommandContext, text: string): Promise<void> {
  const { path, files } = await openFiles(context, text)
  const placed = await files.placement(path, { signal: context.signal })
  writeResult(context, { path, fileId: placed.file.fileId, nodes: locationsOf(placed) }, locationText(path, placed))
}
