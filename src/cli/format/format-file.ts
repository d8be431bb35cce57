// Why: the text shapes of files that GooseFS clients parse: lengths, blanks and words count. Pure.
// Sources: GooseFS's documentation (ls, stat, free, getUsedBytes); Alluxio 2.9's LsCommand (column
// widths), CountCommand, DuCommand, LocationCommand, StatCommand.
import { blockCount, blockIdOf, blockLength } from '../../base/block-id.ts'
import { formatBytes } from '../../base/bytes.ts'
import type { FilePlacement } from '../../client/upkeep/file-upkeep.ts'
import type { FileDocument, ListedFile } from './file-document.ts'
import { formatMode } from './file-mode.ts'
import { printable } from '../frame/printable.ts'

/** `03-11-2021 11:46:15:000`, in the local time zone. */
export function formatDate(ms: number): string {
  const date = new Date(ms)
  const digits = (value: number, width: number): string => String(value).padStart(width, '0')
  const day = `${digits(date.getMonth() + 1, 2)}-${digits(date.getDate(), 2)}-${digits(date.getFullYear(), 4)}`
  const seconds = `${digits(date.getSeconds(), 2)}:${digits(date.getMilliseconds(), 3)}`
  return `${day} ${digits(date.getHours(), 2)}:${digits(date.getMinutes(), 2)}:${seconds}`
}

/** The blocks of a file, and the workers that have them. */
type Placed = Omit<FilePlacement, 'file'>

/** As GooseFS counts. */
export interface Counted {
  readonly files: number
  readonly folders: number
  readonly bytes: number
  readonly cachedBytes: number
}

/** Whole percent of the file that is cached, rounded down; an empty file is wholly cached. */
export function cachedPercent(file: Pick<FileDocument, 'length' | 'cachedBytes'>): number {
  return file.length === 0 ? 100 : Math.floor((Math.min(file.cachedBytes, file.length) * 100) / file.length)
}

/** One line of `fs ls`. @param readable sizes with units */
export function lsLine(file: ListedFile, readable = false): string {
  // A long name has a blank behind it, too: programs split the line at blanks.
  const names = [file.owner, file.group].map((name) => `${printable(name).padEnd(14)} `)
  const who = formatMode(file.mode, file.folder).padEnd(12) + names.join('')
  const what = sizeText(file.length, readable).padStart(15) + file.persistenceState.padStart(16)
  return (
    `${who}${what} ${formatDate(file.modifiedMs)} ${file.folder ? 'DIR' : `${cachedPercent(file)}%`} ` +
    printable(file.path)
  )
}

/**
 * Three lines and more of `fs stat`: what it is, `FileInfo{...}`, its blocks. `opened` is undefined
 * for a directory.
 */
export function statText(file: FileDocument, opened: Placed | undefined): string {
  if (file.folder) return `${printable(file.path)} is a directory path.\n${fileInfoText(file, [])}`
  const blocks = opened === undefined ? [] : blockTexts(file, opened)
  const tail =
    blocks.length === 0 ? ['This file does not contain any blocks.'] : ['Containing the following blocks:', ...blocks]
  return [`${printable(file.path)} is a file path.`, fileInfoText(file, blocks), ...tail].join('\n')
}

/**
 * `fs stat -f`: the text with %N, %z, %u, %g, %y (UTC), %Y (ms), %b replaced; a percent sign before
 * anything else stays. Source: Alluxio 2.9's User CLI page.
 */
export function formattedStat(file: FileDocument, format: string): string {
  const values: Readonly<Record<string, string | number>> = {
    N: printable(file.name),
    z: file.length,
    u: printable(file.owner),
    g: printable(file.group),
    y: new Date(file.modifiedMs).toISOString().slice(0, 19).replace('T', ' '),
    Y: file.modifiedMs,
    b: blockIds(file).length,
  }
  return format.replaceAll(/%(.)/g, (whole, letter: string) => String(values[letter] ?? whole))
}

/** `fs getfacl`: what it is of, and the entries of the permission bits. */
export function aclLines(file: FileDocument): string {
  const head = [`# file: ${file.path}`, `# owner: ${file.owner}`, `# group: ${file.group}`].map(printable)
  return [...head, ...aclText(file.mode).split(',')].join('\n')
}

function fileInfoText(file: FileDocument, blocks: readonly string[]): string {
  const percent = file.folder ? 0 : cachedPercent(file)
  const scheme = /^[a-z0-9+.-]+(?=:)/i.exec(file.ufsPath)?.[0] ?? 'file'
  const [owner, group] = [printable(file.owner), printable(file.group)]
  const kind = file.folder ? 'DIRECTORY' : 'FILE'
  const who = `OWNER|${owner} GROUP|${group} MODE|${file.mode}`
  const fingerprint = `TYPE|${kind} UFS|${scheme} ${who} CONTENT_HASH|${file.etag} `
  const fields: readonly (readonly [string, string | number | boolean])[] = [
    ['fileId', file.fileId],
    ['fileIdentifier', 'null'],
    ['name', printable(file.name)],
    ['path', printable(file.path)],
    ['ufsPath', printable(file.ufsPath)],
    ['length', file.length],
    ['blockSizeBytes', file.blockSizeBytes],
    ['creationTimeMs', file.createdMs],
    ['completed', true],
    ['folder', file.folder],
    ['pinned', file.pinned],
    ['pinnedlocation', '[]'],
    ['cacheable', true],
    ['persisted', file.persistenceState === 'PERSISTED'],
    ['blockIds', `[${blockIds(file).join(', ')}]`],
    [
      'inMemoryPercentage',
      file.folder ? 0 : cachedPercent({ length: file.length, cachedBytes: file.inMemoryBytes ?? file.cachedBytes }),
    ],
    ['lastModificationTimesMs', file.modifiedMs],
    ['ttl', file.ttlMs],
    ['lastAccessTimesMs', file.accessedMs],
    ['ttlAction', file.ttlAction],
    ['owner', owner],
    ['group', group],
    ['mode', file.mode],
    ['persistenceState', file.persistenceState],
    ['mountPoint', file.mountPoint],
    ['replicationMax', file.replicationMax],
    ['replicationMin', file.replicationMin],
    ['fileBlockInfos', `[${blocks.join(', ')}]`],
    ['mountId', file.namespaceId],
    ['inGooseFSPercentage', percent],
    ['ufsFingerprint', fingerprint],
    ['etag', file.etag],
    ['acl', aclText(file.mode)],
    ['defaultAcl', ''],
    ...(file.persistProblem === undefined ? [] : [['persistProblem', printable(file.persistProblem)] as const]),
    ...(file.contentType === undefined ? [] : [['contentType', file.contentType] as const]),
    ...(file.userMetadata === undefined
      ? []
      : [['userMetadata', `{${metadataText(file.userMetadata.values)}}`] as const]),
  ]
  return `FileInfo{${fields.map(([name, value]) => `${name}=${value}`).join(', ')}}`
}

function metadataText(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ')
}

function aclText(mode: number): string {
  const bits = formatMode(mode & 0o777, false)
  return `user::${bits.slice(1, 4)},group::${bits.slice(4, 7)},other::${bits.slice(7)}`
}

function blockIds(file: FileDocument): number[] {
  if (file.folder || file.length === 0) return []
  return Array.from({ length: blockCount(file.length, file.blockSizeBytes) }, (_, index) =>
    blockIdOf(file.fileId, index),
  )
}

function blockTexts(file: FileDocument, opened: Placed): string[] {
  const addresses = new Map(opened.workers.map((worker) => [worker.workerId, worker.rpcAddress]))
  return blockIds(file).map((blockId, index) => {
    const locations = (opened.blocks[index]?.workerIds ?? []).map((id) => addresses.get(id) ?? id)
    const offset = index * file.blockSizeBytes
    return (
      `BlockInfo{id=${blockId}, length=${blockLength(file.length, file.blockSizeBytes, index)}, ` +
      `offset=${offset}, locations=[${locations.join(', ')}]}`
    )
  })
}

/** `fs location`: a heading and one worker RPC address a line, each once. */
export function locationText(
  path: string,
  opened: Placed & { readonly file: { readonly fileId: number } | undefined },
): string {
  return [`${printable(path)} with file id ${opened.file?.fileId ?? 0} is on nodes:`, ...locationsOf(opened)].join('\n')
}

/** The RPC addresses of the workers that hold a block of the file, each once, sorted. */
export function locationsOf(opened: Placed): string[] {
  const holders = new Set(opened.blocks.flatMap((block) => block.workerIds))
  return [
    ...new Set(opened.workers.filter((worker) => holders.has(worker.workerId)).map((worker) => worker.rpcAddress)),
  ].sort()
}

/** `fs count`: the heading and the row. */
export function countText(count: Counted, readable: boolean): string {
  const row = (files: string, folders: string, size: string): string =>
    files.padEnd(25) + folders.padEnd(25) + size.padEnd(15)
  return (
    `${row('File Count', 'Folder Count', 'Folder Size')}\n` +
    row(String(count.files), String(count.folders), sizeText(count.bytes, readable))
  )
}

export const duHeader = duRow('File Size', 'In GooseFS', 'Path')

/** One line of `fs du`. */
export function duLine(bytes: number, cachedBytes: number, path: string, readable: boolean): string {
  const percent = cachedPercent({ length: bytes, cachedBytes })
  return duRow(sizeText(bytes, readable), `${sizeText(cachedBytes, readable)} (${percent}%)`, path)
}

function duRow(size: string, cached: string, path: string): string {
  return `${size.padEnd(13)} ${cached.padEnd(16)} ${printable(path)}`
}

function sizeText(bytes: number, readable: boolean): string {
  return readable ? formatBytes(bytes) : String(bytes)
}
