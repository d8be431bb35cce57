// Why: `skein fs ls | stat | cat | count | du | location`: what there is, how much of it is cached,
// and where.
import { type Command, Option } from 'commander'
import { fileBytes } from '../../client/file-bytes.ts'
import type { FileStatus, UnusableEntries } from '../../client/file-system.ts'
import type { FileDetails } from '../../client/upkeep/file-upkeep.ts'
import { fileDocumentOf, listedFileOf } from '../format/file-document.ts'
import {
  countText,
  duHeader,
  duLine,
  formattedStat,
  locationsOf,
  locationText,
  lsLine,
  statText,
} from '../format/format-file.ts'
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
    .option('-d', 'the directory itself, not its entries')
    .option('-f', 'ask the store first for new, changed and deleted files')
    .option('-p', 'only pinned files')
    .addOption(new Option('--timestamp <which>', 'the time that is shown').choices(Object.keys(timestamps)))
    .helpOption('--help', 'display help for command')
    .action(async (path: string, flags: ListFlags) => ls(context, path, flags))
  parent
    .command('stat')
    .description('show the metadata of a file or directory')
    .argument('<path>', pathText)
    .option('-f <format>', 'only this: %N name, %z bytes, %u owner, %g group, %y and %Y time of change, %b blocks')
    .action(async (path: string, flags: { f?: string }) => stat(context, path, flags.f))
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

interface ListFlags {
  readonly R?: true
  readonly h?: true
  readonly d?: true
  readonly f?: true
  readonly p?: true
  readonly timestamp?: keyof typeof timestamps
}

/** What `--timestamp` takes, and the time that it means. */
const timestamps = {
  creationTime: ({ createdMs }: FileDetails) => createdMs,
  lastModificationTime: ({ modifiedMs }: FileDetails) => modifiedMs,
  lastAccessTime: ({ accessedMs }: FileDetails) => accessedMs,
} as const

async function ls(context: CommandContext, text: string, flags: ListFlags): Promise<void> {
  const { path, files } = await openFiles(context, text)
  const { io, options, signal } = context
  const recursive = flags.R === true
  if (flags.f === true) await files.loadMetadata(path, { recursive, signal })
  let unusable: UnusableEntries | undefined
  const onUnusable = (found: UnusableEntries): void => {
    unusable = found
    nameUnusable(context, found)
  }
  const listing = { recursive, onUnusable, signal, deadlineMs: longCallMs }
  const isShown = ({ pinned }: FileStatus): boolean => flags.p !== true || pinned
  if (options.format === 'text') {
    const lineOf = (file: FileStatus, modifiedMs: number): string =>
      `${lsLine({ ...listedFileOf(file), modifiedMs }, flags.h === true)}\n`
    const timeOf = timestamps[flags.timestamp ?? 'lastModificationTime']
    // Details cost the master more than a listing.
    const pages =
      flags.d === true
        ? [[await files.details(path, { signal })].map((file) => [file, timeOf(file)] as const)]
        : flags.timestamp === undefined
          ? mapped(files.list(path, listing), (file) => [file, file.modifiedMs] as const)
          : mapped(files.listDetails(path, listing), (file) => [file, timeOf(file)] as const)
    for await (const page of pages) {
      const lines = page.filter(([file]) => isShown(file)).map(([file, timeMs]) => lineOf(file, timeMs))
      await io.writeBytes(Buffer.from(lines.join('')))
    }
    return
  }
  let separator = '{"entries":['
  const pages = flags.d === true ? [[await files.details(path, { signal })]] : files.listDetails(path, listing)
  for await (const all of pages) {
    const page = all.filter(isShown)
    if (page.length === 0) continue
    // A page at a time, and no more than the reader takes.
    await io.writeBytes(Buffer.from(separator + page.map((file) => jsonText(fileDocumentOf(file))).join(',')))
    separator = ','
  }
  const named = unusable === undefined ? '' : `,"unusable":${jsonText(unusable)}`
  io.stdout(`${separator === ',' ? '' : separator}]${named}}\n`)
}

async function* mapped<A, B>(
  pages: AsyncIterable<readonly A[]>,
  map: (one: A) => B,
): AsyncGenerator<B[], void, undefined> {
  for await (const page of pages) yield page.map(map)
}

async function stat(context: CommandContext, text: string, format?: string): Promise<void> {
  const { path, files } = await openFiles(context, text)
  const { signal } = context
  const status = await files.details(path, { signal })
  const placed =
    status.kind === 'directory'
      ? undefined
      : await files.placement(path, { maxAgeMs: Number.POSITIVE_INFINITY, signal })
  const file = fileDocumentOf(placed?.file ?? status)
  if (format !== undefined && context.options.format === 'text')
    return writeResult(context, undefined, formattedStat(file, format))
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
