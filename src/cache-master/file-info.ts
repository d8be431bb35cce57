// Why: one rendering of an inode for all answers.
import { blockCount, blockIdOf, blockLength } from '../base/block-id.ts'
import { formatPath } from '../base/paths.ts'
import type { DirectoryInode, FileInode, NamespaceRecord } from '../meta/tables.ts'
import type { BlockLocations, FileInfo } from '../wire/generated/master.ts'
import type { MasterContext } from './master-context.ts'

const fileMode = 0o666
const directoryMode = 0o777
const owner = 'skein'

/** What of a file is cached on live workers. */
export interface Cached {
  readonly bytes: number
  /** The fewest replicas of any block; for an empty file its target. */
  readonly replicas: number
}

export function cachedOf(context: MasterContext, file: FileInode): Cached {
  const blocks = blockCount(file.length, file.blockSizeBytes)
  if (blocks === 0) return { bytes: 0, replicas: Math.max(1, file.replicationMin) }
  if (!context.blocks.hasFile(file.id)) return { bytes: 0, replicas: 0 }
  let bytes = 0
  let replicas = Number.POSITIVE_INFINITY
  for (let index = 0; index < blocks; index += 1) {
    const count = context.blocks.locations(blockIdOf(file.id, index)).length
    if (count > 0) bytes += blockLength(file.length, file.blockSizeBytes, index)
    replicas = Math.min(replicas, count)
  }
  return { bytes, replicas }
}

/** The live locations of each block; empty when no block has any. */
export function locationsOf(context: MasterContext, fileId: number, length: number, blockSizeBytes: number): BlockLocations[] {
  if (!context.blocks.hasFile(fileId)) return []
  const locations: BlockLocations[] = []
  const blocks = blockCount(length, blockSizeBytes)
  for (let index = 0; index < blocks; index += 1) locations.push({ workerIds: context.workers.workerIds(blockIdOf(fileId, index)) })
  return locations.some(({ workerIds }) => workerIds.length > 0) ? locations : []
}

export function fileInfo(context: MasterContext, record: NamespaceRecord, key: string, file: FileInode): FileInfo {
  const cached = cachedOf(context, file)
  return {
    ...placed(record, key, file),
    path: formatPath({ namespace: record.name, key }),
    name: file.name,
    folder: false,
    length: file.length,
    blockSizeBytes: file.blockSizeBytes,
    etag: file.etag,
    modifiedMs: file.modifiedMs,
    accessedMs: file.modifiedMs,
    mode: fileMode,
    pinned: file.pinned,
    replicationMax: file.replicationMax,
    replicationMin: file.replicationMin,
    ttlMs: file.ttlMs,
    ttlAction: file.ttlAction,
    cachedBytes: cached.bytes,
    mountPoint: false,
    replicas: cached.replicas,
  }
}

/** @param key empty for the namespace itself, else ending in `/` */
export function directoryInfo(record: NamespaceRecord, key: string, directory: DirectoryInode): FileInfo {
  // The slash is part of the path only where the directory has no other name (`a//`).
  const path = directory.name === '/' ? key : key.replace(/\/$/, '')
  return {
    ...placed(record, key, directory),
    ...folder,
    path: formatPath({ namespace: record.name, key: path }),
    name: key === '' ? record.name : directory.name.replace(/\/$/, ''),
    modifiedMs: directory.createdMs,
    accessedMs: directory.createdMs,
    mountPoint: key === '',
  }
}

/** The directory that holds the namespaces. */
export function rootInfo(startedMs: number): FileInfo {
  const times = { createdMs: startedMs, modifiedMs: startedMs, accessedMs: startedMs }
  const place = { fileId: 0, ufsPath: '', owner, group: owner, persistenceState: 'PERSISTED', namespaceId: '', key: '' }
  return { ...place, ...times, ...folder, path: '/', name: '', mountPoint: false }
}

const folder = {
  folder: true,
  length: 0,
  blockSizeBytes: 0,
  etag: '',
  mode: directoryMode,
  pinned: false,
  replicationMax: -1,
  replicationMin: 0,
  ttlMs: -1,
  ttlAction: 'FREE',
  cachedBytes: 0,
  replicas: 0,
} as const

function placed(record: NamespaceRecord, key: string, inode: FileInode | DirectoryInode) {
  const ufsPath = key === '' ? record.uri : `${record.uri}${record.uri.endsWith('/') ? '' : '/'}${key}`
  const { id: fileId, createdMs } = inode
  return { fileId, createdMs, ufsPath, owner, group: owner, persistenceState: 'PERSISTED', namespaceId: record.id, key }
}
