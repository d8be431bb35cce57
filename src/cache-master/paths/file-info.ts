// Why: one rendering of an inode for all answers.
import { shownOwnership } from '../../base/attributes/ownership.ts'
import { blockCount, blockIdOf, blockLength } from '../../base/block-id.ts'
import { formatPath } from '../../base/paths.ts'
import { replicationMinOf } from '../../meta/apply/expiry.ts'
import { type EffectiveTtl, namespaceTtl } from '../../meta/apply/namespace-ttl.ts'
import type { DirectoryInode, FileInode, NamespaceRecord, Tables } from '../../meta/meta-tables.ts'
import { isToBePersisted } from '../../meta/apply/written-files.ts'
import type { BlockLocations, FileInfo } from '../../wire/generated/master.ts'
import type { MasterContext } from '../master-context.ts'

/** How far is looked for something persisted in a directory that was made here. */
const lookedAtEntries = 16
const lookedAtDepth = 3

/** What of a file is cached on live workers. */
export interface Cached {
  readonly bytes: number
  /** Of these: with a replica in memory. */
  readonly memoryBytes: number
  /** The fewest replicas of any block; for an empty file its target. */
  readonly replicas: number
}

export function cachedOf(context: MasterContext, file: FileInode): Cached {
  const blocks = blockCount(file.length, file.blockSizeBytes)
  if (blocks === 0) return { bytes: 0, memoryBytes: 0, replicas: Math.max(1, file.replicationMin) }
  if (!context.blocks.hasFile(file.id)) return { bytes: 0, memoryBytes: 0, replicas: 0 }
  let bytes = 0
  let memoryBytes = 0
  let replicas = Number.POSITIVE_INFINITY
  for (let index = 0; index < blocks; index += 1) {
    const ordinals = context.blocks.locations(blockIdOf(file.id, index))
    const length = blockLength(file.length, file.blockSizeBytes, index)
    if (ordinals.length > 0) bytes += length
    if (ordinals.some((ordinal) => context.workers.isMemory(ordinal))) memoryBytes += length
    replicas = Math.min(replicas, ordinals.length)
  }
  return { bytes, memoryBytes, replicas }
}

/** The live locations of each block; empty when no block has any. */
export function locationsOf(
  context: MasterContext,
  fileId: number,
  length: number,
  blockSizeBytes: number,
): BlockLocations[] {
  if (!context.blocks.hasFile(fileId)) return []
  const locations: BlockLocations[] = []
  const blocks = blockCount(length, blockSizeBytes)
  for (let index = 0; index < blocks; index += 1)
    locations.push({ workerIds: context.workers.workerIds(blockIdOf(fileId, index)) })
  return locations.some(({ workerIds }) => workerIds.length > 0) ? locations : []
}

/**
 * Without metadata: listings stay small (metadataInfo).
 * @param ofNamespace the TTL of the namespace, where the caller has it already
 */
export function fileInfo(
  context: MasterContext,
  record: NamespaceRecord,
  key: string,
  file: FileInode,
  ofNamespace?: EffectiveTtl,
): FileInfo {
  const cached = cachedOf(context, file)
  const ttl = ttlOf(context, record, file, ofNamespace)
  const problem = file.persisted ? undefined : context.persistProblems.of(file.id)
  const { owner, group, mode } = shownOwnership('file', file)
  const info: FileInfo = {
    fileId: file.id,
    path: formatPath({ namespace: record.name, key }),
    name: file.name,
    folder: false,
    length: file.length,
    blockSizeBytes: file.blockSizeBytes,
    etag: file.etag,
    createdMs: file.createdMs,
    modifiedMs: file.modifiedMs,
    accessedMs: file.modifiedMs,
    persistenceState: persistenceStateOf(context.tables, file),
    ufsPath: storePath(record, key),
    owner,
    group,
    mode,
    pinned: file.pinned,
    replicationMax: file.replicationMax,
    replicationMin: replicationMinOf(file),
    ttlMs: ttl.ttlMs,
    ttlAction: ttl.action,
    cachedBytes: cached.bytes,
    namespaceId: record.id,
    key,
    mountPoint: false,
    keyMoved: record.neverMoved !== true,
    inMemoryBytes: cached.memoryBytes,
    replicas: cached.replicas,
  }
  if (problem !== undefined) info.persistProblem = problem.message
  if (file.times !== undefined) info.times = file.times
  return info
}

/** The TTL that is shown of a file. */
export function ttlOf(
  { tables }: Pick<MasterContext, 'tables'>,
  record: NamespaceRecord,
  file: FileInode,
  ofNamespace?: EffectiveTtl,
): EffectiveTtl {
  if (file.ttlMs >= 0) return { ttlMs: file.ttlMs, action: file.ttlAction }
  return ofNamespace ?? namespaceTtl(tables, record.rootId)
}

/** What is stored with the object, as far as it is known. */
export function storedInfo({ contentType, userMetadata }: FileInode): Pick<FileInfo, 'contentType' | 'userMetadata'> {
  return {
    ...(contentType === undefined ? {} : { contentType }),
    ...(userMetadata === undefined ? {} : { userMetadata: { values: { ...userMetadata } } }),
  }
}

/** What is stored with the object, and what doors told their clients. */
export function metadataInfo(file: FileInode): Pick<FileInfo, 'contentType' | 'userMetadata' | 'clientMetadata'> {
  const { clientMetadata } = file
  return {
    ...storedInfo(file),
    ...(clientMetadata === undefined ? {} : { clientMetadata: { values: { ...clientMetadata } } }),
  }
}

export function persistenceStateOf(tables: Tables, file: FileInode): string {
  if (file.persisted) return 'PERSISTED'
  return isToBePersisted(tables, file.id) ? 'TO_BE_PERSISTED' : 'NOT_PERSISTED'
}

/** @param key empty for the namespace itself, else ending in `/` */
export function directoryInfo(
  tables: Tables,
  record: NamespaceRecord,
  key: string,
  directory: DirectoryInode,
): FileInfo {
  // The slash is part of the path only where the directory has no other name (`a//`).
  const path = directory.name === '/' ? key : key.replace(/\/$/, '')
  return {
    ...placed(record, key, directory),
    ...folder,
    ...shownOwnership('directory', directory),
    persistenceState: isAtStore(tables, directory) ? 'PERSISTED' : 'NOT_PERSISTED',
    pinned: directory.pinned,
    replicationMax: directory.replicationMax ?? -1,
    replicationMin: directory.replicationMin ?? 0,
    ttlMs: directory.ttlMs,
    ttlAction: directory.ttlAction,
    path: formatPath({ namespace: record.name, key: path }),
    name: key === '' ? record.name : directory.name.replace(/\/$/, ''),
    modifiedMs: directory.createdMs,
    accessedMs: directory.createdMs,
    mountPoint: key === '',
    explicit: key === '' || isExplicit(directory),
    times: directory.times,
  }
}

/** Whether a directory stays when nothing is below it. */
export function isExplicit({ made, marker }: DirectoryInode): boolean {
  return made || marker
}

/**
 * Whether the store shows a directory of this name: a marker, or something persisted among the
 * first entries below.
 */
export function isAtStore(tables: Tables, directory: DirectoryInode, depth = 0): boolean {
  if (!directory.made || directory.marker) return true
  let looked = 0
  for (const { inodeId } of tables.edges(directory.id, '')) {
    const inode = tables.inode(inodeId)
    if (inode?.kind === 'file' && inode.persisted) return true
    if (inode?.kind === 'directory' && depth < lookedAtDepth && isAtStore(tables, inode, depth + 1)) return true
    looked += 1
    if (looked >= lookedAtEntries) break
  }
  return false
}

/** The directory that holds the namespaces. */
export function rootInfo(startedMs: number): FileInfo {
  const times = { createdMs: startedMs, modifiedMs: startedMs, accessedMs: startedMs }
  const place = { fileId: 0, ufsPath: '', persistenceState: 'PERSISTED', namespaceId: '', key: '' }
  const owned = shownOwnership('directory', {})
  return { ...place, ...times, ...folder, ...owned, path: '/', name: '', mountPoint: false, explicit: true }
}

const folder = {
  folder: true,
  length: 0,
  blockSizeBytes: 0,
  etag: '',
  pinned: false,
  replicationMax: -1,
  replicationMin: 0,
  ttlMs: -1,
  ttlAction: 'FREE',
  cachedBytes: 0,
  replicas: 0,
} as const

function placed(record: NamespaceRecord, key: string, { id: fileId, createdMs }: DirectoryInode) {
  return {
    fileId,
    createdMs,
    ufsPath: storePath(record, key),
    persistenceState: 'PERSISTED',
    namespaceId: record.id,
    key,
  }
}

function storePath({ uri }: NamespaceRecord, key: string): string {
  if (key === '') return uri
  return uri.endsWith('/') ? uri + key : `${uri}/${key}`
}
