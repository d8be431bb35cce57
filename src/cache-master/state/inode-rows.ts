// Why: the format of an inode in the state. How: a MessagePack array a kind, its number first.
// Fields that came later stand at the end and only where they are not what they mostly are, so that
// rows stay small and older ones can be read. Of those at the end null is what is not set.
import { Packr } from 'msgpackr'
import type { ClientMetadata, ToldMetadata } from '../../base/attributes/door-metadata.ts'
import type { StoredMetadata, UserMetadata } from '../../base/attributes/object-metadata.ts'
import type { Ownership } from '../../base/attributes/ownership.ts'
import type { SetTimes, Timed } from '../../base/attributes/set-times.ts'
import type { WritePolicy } from '../../base/attributes/write-policy.ts'
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
type Owned = [owner: string | null, group: string | null, mode: number | null]
type Stored = [contentType: string | null, userMetadata: UserMetadata | null]
type TimesRow = [modifiedMs: number | null, modifiedNs: number, accessedMs: number | null, accessedNs: number]
type FileEnd = [
  ...[writtenKey: string | null, ...Owned, ...Stored],
  ...[replacesEtag: string | null, clientMetadata: ClientMetadata | null, times: TimesRow | null],
]
type FileTail = [expiresMs: number, unpersisted: boolean, ...FileEnd]
/** Where FileEnd begins in a row. */
const fileTailStart = 17
type FileRow = [kind: 1, ...Content, ...Kept, deletes: boolean, ...Partial<FileTail>]
type DirectoryTail = [
  ...[replicationMin: number | null, replicationMax: number | null, ...Owned],
  ...[times: TimesRow | null],
]
/** Where DirectoryTail begins in a row. */
const directoryTailStart = 12
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
  ...Partial<DirectoryTail>,
]
type PendingTail = [
  ...[...Owned, ...Stored, overwrites: boolean, overwritesId: number | null],
  ...[ttlMs: number | null, ttlDeletes: boolean, clientMetadata: ClientMetadata | null, replacesEtag: string | null],
  ...[beside: boolean, writePolicy: WritePolicy | null],
]
type PendingRow = [
  kind: 3,
  namespaceId: string,
  key: string,
  blockSizeBytes: number,
  createdMs: number,
  expiresMs: number,
  name: string,
  ...Partial<PendingTail>,
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
  const { pinned, replicationMin, replicationMax, ttlMs, ttlAction, expiresMs, persisted } = file
  const { writtenKey, replacesEtag } = persisted ? {} : file
  const content: Content = [parentId, name, length, etag, modifiedMs, createdMs]
  const kept: Kept = [blockSizeBytes, storageClass, crc64, pinned, replicationMin, replicationMax, ttlMs]
  const written = [!persisted, writtenKey ?? null]
  const tail = [
    expiresMs,
    ...written,
    ...owned(file),
    ...stored(file),
    replacesEtag ?? null,
    file.clientMetadata ?? null,
    timesRow(file),
  ]
  return [1, ...content, ...kept, ttlAction === 'DELETE', ...withoutUsual(tail)] as unknown as FileRow
}

/** A listing decodes a thousand of them: one object, and no lists in between. */
function fileOf(id: number, row: FileRow): FileInode {
  const file: Changeable<FileInode> = {
    kind: 'file',
    id,
    parentId: row[1],
    name: row[2],
    length: row[3],
    etag: row[4],
    modifiedMs: row[5],
    createdMs: row[6],
    blockSizeBytes: row[7],
    storageClass: row[8],
    crc64: row[9],
    pinned: row[10],
    replicationMin: row[11],
    replicationMax: row[12],
    ttlMs: row[13],
    ttlAction: actionOf(row[14]),
    expiresMs: row[15] ?? -1,
    persisted: row[16] !== true,
  }
  if (row.length <= fileTailStart) return file
  const [writtenKey, owner, group, mode, contentType, userMetadata, ...rest] = row.slice(
    fileTailStart,
  ) as Partial<FileEnd>
  const [replacesEtag, clientMetadata, times] = rest
  setGiven(file, { owner, group, mode, contentType, userMetadata, clientMetadata })
  if (isGiven(writtenKey)) file.writtenKey = writtenKey
  if (isGiven(replacesEtag)) file.replacesEtag = replacesEtag
  if (isGiven(times)) file.times = timesIn(times)
  return file
}

function directoryRow(directory: DirectoryInode): DirectoryRow {
  const { parentId, name, createdMs, childrenListedMs, treeListedMs, marker, made, pinned, ttlMs, expiresMs } =
    directory
  const { replicationMin, replicationMax, ttlAction } = directory
  const isReplicated = replicationMin !== undefined || replicationMax !== undefined
  const replication = isReplicated ? [replicationMin ?? 0, replicationMax ?? -1] : [null, null]
  const tail = [
    made,
    pinned,
    ttlMs,
    ttlAction === 'DELETE',
    expiresMs,
    ...replication,
    ...owned(directory),
    timesRow(directory),
  ]
  const head = [2, parentId, name, createdMs, childrenListedMs, treeListedMs, marker]
  return [...head, ...withoutUsual(tail)] as unknown as DirectoryRow
}

function directoryOf(id: number, row: DirectoryRow): DirectoryInode {
  const directory: Changeable<DirectoryInode> = {
    kind: 'directory',
    id,
    parentId: row[1],
    name: row[2],
    createdMs: row[3],
    childrenListedMs: row[4],
    treeListedMs: row[5],
    marker: row[6],
    made: row[7] ?? false,
    pinned: row[8] ?? false,
    ttlMs: row[9] ?? -1,
    ttlAction: actionOf(row[10] === true),
    expiresMs: row[11] ?? -1,
  }
  if (row.length <= directoryTailStart) return directory
  const [replicationMin, replicationMax, owner, group, mode, times] = row.slice(
    directoryTailStart,
  ) as Partial<DirectoryTail>
  setGiven(directory, { owner, group, mode })
  if (isGiven(times)) directory.times = timesIn(times)
  if (isGiven(replicationMin)) {
    directory.replicationMin = replicationMin
    directory.replicationMax = replicationMax ?? -1
  }
  return directory
}

function pendingRow(pending: PendingInode): PendingRow {
  const { namespaceId, key, blockSizeBytes, createdMs, expiresMs, name } = pending
  const { overwrites = false, overwritesId = null, ttl } = pending
  const own = [
    ttl?.ttlMs ?? null,
    ttl?.action === 'DELETE',
    pending.clientMetadata ?? null,
    pending.replacesEtag ?? null,
    pending.beside ?? false,
    pending.writePolicy ?? null,
  ]
  const tail = withoutUsual([...owned(pending), ...stored(pending), overwrites, overwritesId, ...own])
  return [3, namespaceId, key, blockSizeBytes, createdMs, expiresMs, name, ...tail] as unknown as PendingRow
}

function pendingOf(id: number, row: PendingRow): PendingInode {
  const [, namespaceId, key, blockSizeBytes, createdMs, expiresMs, name] = row
  const [owner, group, mode, contentType, userMetadata, ...rest] = row.slice(7) as Partial<PendingTail>
  const [overwrites, overwritesId, ttlMs, deletes = false, clientMetadata, replacesEtag, beside, writePolicy] = rest
  const begun = { kind: 'pending', id, namespaceId, key, blockSizeBytes, createdMs, expiresMs, name } as const
  const pending: Changeable<PendingInode> = { ...begun }
  setGiven(pending, { owner, group, mode, contentType, userMetadata, clientMetadata })
  if (overwrites === true) pending.overwrites = overwrites
  if (isGiven(overwritesId)) pending.overwritesId = overwritesId
  if (isGiven(replacesEtag)) pending.replacesEtag = replacesEtag
  if (beside === true) pending.beside = beside
  if (isGiven(writePolicy)) pending.writePolicy = writePolicy
  if (isGiven(ttlMs)) pending.ttl = { ttlMs, action: actionOf(deletes) }
  return pending
}

function owned({ owner, group, mode }: Ownership): Owned {
  return [owner ?? null, group ?? null, mode ?? null]
}

function timesRow({ times }: Timed): TimesRow | null {
  if (times === undefined) return null
  const { modified, accessed } = times
  return [modified?.ms ?? null, modified?.ns ?? 0, accessed?.ms ?? null, accessed?.ns ?? 0]
}

function timesIn([modifiedMs, modifiedNs, accessedMs, accessedNs]: TimesRow): SetTimes {
  return {
    ...(modifiedMs !== null && { modified: { ms: modifiedMs, ns: modifiedNs } }),
    ...(accessedMs !== null && { accessed: { ms: accessedMs, ns: accessedNs } }),
  }
}

function stored({ contentType, userMetadata }: StoredMetadata): Stored {
  return [contentType ?? null, userMetadata ?? null]
}

/** The end of a row up to the last field that is not what it mostly is: -1, false or null. */
function withoutUsual(tail: readonly unknown[]): readonly unknown[] {
  return tail.slice(0, tail.findLastIndex((value) => value !== null && value !== false && value !== -1) + 1)
}

type Changeable<Fields> = { -readonly [Name in keyof Fields]: Fields[Name] }

/** What inodes of several kinds may have. */
type SetFields = Ownership & StoredMetadata & ToldMetadata
type ReadFields = { readonly [Name in keyof SetFields]?: SetFields[Name] | null | undefined }

/** Those of the fields that are set. */
function setGiven(inode: Changeable<SetFields>, read: ReadFields): void {
  const { owner, group, mode, contentType, userMetadata, clientMetadata } = read
  if (isGiven(owner)) inode.owner = owner
  if (isGiven(group)) inode.group = group
  if (isGiven(mode)) inode.mode = mode
  if (isGiven(contentType)) inode.contentType = contentType
  if (isGiven(userMetadata)) inode.userMetadata = userMetadata
  if (isGiven(clientMetadata)) inode.clientMetadata = clientMetadata
}

function isGiven<Value>(value: Value | null | undefined): value is Value {
  return value !== null && value !== undefined
}

function actionOf(deletes: boolean): TtlAction {
  return deletes ? 'DELETE' : 'FREE'
}
