// Why: the format of an inode in the state. How: a MessagePack array a kind, its number first.
// Fields that came later stand at the end and only where they are not what they mostly are, so that
// rows stay small and older ones can be read.
import { Packr } from 'msgpackr'
import { assert } from '../../base/assert.ts'
import type { DirectoryInode, FileInode, Inode, PendingInode, TtlAction } from '../../meta/meta-tables.ts'

/** Arrays instead of maps: the layouts below are the format. */
const packr = new Packr({ useRecords: false })

type Content = [parentId: number, name: string, length: number, etag: string, modifiedMs: number, createdMs: number]
type Kept = [
  blockSizeBytes: number,
  storageClass: string,
  crc64: string,
  pinned: boolean,
  min: number,
  max: number,
  ttlMs: number,
]
type FileRow = [
  kind: 1,
  ...Content,
  ...Kept,
  deletes: boolean,
  expiresMs?: number,
  unpersisted?: boolean,
  writtenKey?: string,
]
type DirectoryRow = [
  kind: 2,
  ...[
    parentId: number,
    name: string,
    createdMs: number,
    childrenListedMs: number,
    treeListedMs: number,
    marker: boolean,
  ],
  ...[made?: boolean, pinned?: boolean, ttlMs?: number, deletes?: boolean, expiresMs?: number],
  ...[replicationMin?: number, replicationMax?: number],
]
type PendingRow = [
  kind: 3,
  namespaceId: string,
  key: string,
  blockSizeBytes: number,
  createdMs: number,
  expiresMs: number,
  name: string,
]

export function encodeInode(inode: Inode): Buffer {
  if (inode.kind === 'file') return packr.pack(fileRow(inode))
  return packr.pack(inode.kind === 'directory' ? directoryRow(inode) : pendingRow(inode))
}

/** @throws Error when the bytes are none of the layouts (a defect, or a newer version's) */
export function decodeInode(id: number, bytes: Buffer): Inode {
  const row: unknown = packr.unpack(bytes)
  assert(Array.isArray(row), `inode ${id} is not a row`)
  if (row[0] === 1) return fileOf(id, row as unknown as FileRow)
  if (row[0] === 2) return directoryOf(id, row as unknown as DirectoryRow)
  assert(row[0] === 3, `inode ${id} has an unknown layout`)
  return pendingOf(id, row as unknown as PendingRow)
}

function fileRow(file: FileInode): FileRow {
  const { parentId, name, length, etag, modifiedMs, createdMs, blockSizeBytes, storageClass, crc64 } = file
  const { pinned, replicationMin, replicationMax, ttlMs, ttlAction, expiresMs, persisted, writtenKey } = file
  const content: Content = [parentId, name, length, etag, modifiedMs, createdMs]
  const kept: Kept = [blockSizeBytes, storageClass, crc64, pinned, replicationMin, replicationMax, ttlMs]
  const row: FileRow = [1, ...content, ...kept, ttlAction === 'DELETE']
  if (!persisted && writtenKey !== undefined) row.push(expiresMs, true, writtenKey)
  else if (!persisted) row.push(expiresMs, true)
  else if (expiresMs >= 0) row.push(expiresMs)
  return row
}

function fileOf(id: number, row: FileRow): FileInode {
  const [, parentId, name, length, etag, modifiedMs, createdMs] = row
  const [, , , , , , , blockSizeBytes, storageClass, crc64, pinned, replicationMin, replicationMax, ttlMs, deletes] =
    row
  const [expiresMs = -1, unpersisted = false, writtenKey] = row.slice(15) as [number?, boolean?, string?]
  const content = {
    kind: 'file',
    id,
    parentId,
    name,
    length,
    etag,
    modifiedMs,
    createdMs,
    blockSizeBytes,
    storageClass,
    crc64,
  } as const
  return {
    ...content,
    ...{
      pinned,
      replicationMin,
      replicationMax,
      ttlMs,
      ttlAction: actionOf(deletes),
      expiresMs,
      persisted: !unpersisted,
    },
    ...(writtenKey === undefined ? {} : { writtenKey }),
  }
}

function directoryRow(directory: DirectoryInode): DirectoryRow {
  const {
    parentId,
    name,
    createdMs,
    childrenListedMs,
    treeListedMs,
    marker,
    made,
    pinned,
    ttlMs,
    ttlAction,
    expiresMs,
  } = directory
  const row: DirectoryRow = [2, parentId, name, createdMs, childrenListedMs, treeListedMs, marker]
  const { replicationMin, replicationMax } = directory
  const isReplicated = replicationMin !== undefined || replicationMax !== undefined
  if (isReplicated || made || pinned || ttlMs >= 0 || ttlAction === 'DELETE')
    row.push(made, pinned, ttlMs, ttlAction === 'DELETE', expiresMs)
  if (isReplicated) row.push(replicationMin ?? 0, replicationMax ?? -1)
  return row
}

function directoryOf(id: number, row: DirectoryRow): DirectoryInode {
  const [, parentId, name, createdMs, childrenListedMs, treeListedMs, marker, made, pinned, ttlMs, deletes, expiresMs] =
    row
  const listed = { kind: 'directory', id, parentId, name, createdMs, childrenListedMs, treeListedMs, marker } as const
  const ttl = { ttlMs: ttlMs ?? -1, ttlAction: actionOf(deletes === true), expiresMs: expiresMs ?? -1 }
  const [replicationMin, replicationMax] = row.slice(12) as [number?, number?]
  const replication =
    replicationMin === undefined || replicationMax === undefined ? {} : { replicationMin, replicationMax }
  return { ...listed, made: made ?? false, pinned: pinned ?? false, ...ttl, ...replication }
}

function pendingRow({ namespaceId, key, blockSizeBytes, createdMs, expiresMs, name }: PendingInode): PendingRow {
  return [3, namespaceId, key, blockSizeBytes, createdMs, expiresMs, name]
}

function pendingOf(id: number, row: PendingRow): PendingInode {
  const [, namespaceId, key, blockSizeBytes, createdMs, expiresMs, name] = row
  return { kind: 'pending', id, namespaceId, key, blockSizeBytes, createdMs, expiresMs, name }
}

function actionOf(deletes: boolean): TtlAction {
  return deletes ? 'DELETE' : 'FREE'
}
