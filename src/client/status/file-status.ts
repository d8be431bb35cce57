// Why: the status of a file that users of the file system get, from what the master says. How:
// words and absent values in place of the numbers of the message (-1: none). Entries of a listing
// are many, so each is made by one object with the same fields. Pure.
import { shownOwnership } from '../../base/attributes/ownership.ts'
import type { FileInfo, ListedEntries, ListedEntry } from '../../wire/generated/master.ts'
import type { FileStatus } from '../file-system.ts'

const persistence: Readonly<Record<string, FileStatus['persistence']>> = {
  PERSISTED: 'persisted',
  TO_BE_PERSISTED: 'to_be_persisted',
  NOT_PERSISTED: 'not_persisted',
}

type Status = { -readonly [Name in keyof FileStatus]: FileStatus[Name] }

/** A new object, which the caller may extend. */
export function fileStatusOf(info: FileInfo): Status {
  const { ttlMs, ttlAction, replicationMax, persistProblem, clientMetadata, times } = info
  const status: Status = {
    path: info.path,
    name: info.name,
    kind: info.folder ? 'directory' : 'file',
    length: info.length,
    blockSizeBytes: info.blockSizeBytes,
    fileId: info.fileId,
    etag: info.etag,
    createdMs: info.createdMs,
    modifiedMs: info.modifiedMs,
    persistence: persistence[info.persistenceState] ?? 'not_persisted',
    cachedBytes: info.cachedBytes,
    pinned: info.pinned,
    replicationMin: info.replicationMin,
    replicationMax: replicationMax < 0 ? undefined : replicationMax,
    ttl: ttlMs < 0 ? undefined : { ms: ttlMs, action: ttlAction === 'DELETE' ? 'DELETE' : 'FREE' },
    isMountPoint: info.mountPoint,
    isExplicit: info.explicit ?? !info.folder,
    owner: info.owner,
    group: info.group,
    mode: info.mode,
    contentType: info.contentType ?? '',
    userMetadata: info.userMetadata?.values ?? {},
  }
  if (persistProblem !== undefined) status.persistProblem = persistProblem
  if (clientMetadata !== undefined) status.clientMetadata = clientMetadata.values
  if (times !== undefined) status.times = times
  return status
}

/** The entries of a page. */
export function listedStatuses({ directory, entries }: ListedEntries): FileStatus[] {
  return entries.map((entry) => listedStatus(directory, entry))
}

const noMetadata: FileStatus['userMetadata'] = Object.freeze({})

function listedStatus(directory: string, entry: ListedEntry): FileStatus {
  const { path, folder, ttlMs, persistProblem, clientMetadata, times } = entry
  const { owner, group, mode } = shownOwnership(folder ? 'directory' : 'file', entry)
  const status: Status = {
    path: directory + (folder ? shownPath(path) : path),
    name: nameOf(path, folder),
    kind: folder ? 'directory' : 'file',
    length: entry.length,
    blockSizeBytes: entry.blockSizeBytes,
    fileId: entry.fileId,
    etag: entry.etag,
    createdMs: entry.createdMs,
    modifiedMs: entry.modifiedMs,
    persistence: entry.persistenceState === '' ? 'persisted' : (persistence[entry.persistenceState] ?? 'not_persisted'),
    cachedBytes: entry.cachedBytes,
    pinned: entry.pinned,
    replicationMin: entry.replicationMin,
    replicationMax: entry.replicationMax,
    ttl: ttlMs === undefined ? undefined : { ms: ttlMs, action: entry.ttlAction === 'DELETE' ? 'DELETE' : 'FREE' },
    isMountPoint: entry.mountPoint,
    isExplicit: !entry.implied,
    owner,
    group,
    mode,
    contentType: entry.contentType ?? '',
    userMetadata: entry.userMetadata?.values ?? noMetadata,
  }
  if (persistProblem !== undefined) status.persistProblem = persistProblem
  if (clientMetadata !== undefined) status.clientMetadata = clientMetadata.values
  if (times !== undefined) status.times = times
  return status
}

/** The slash is part of the path only where the directory has no other name (`a//`). */
function shownPath(path: string): string {
  return path === '/' || path.endsWith('//') ? path : path.slice(0, -1)
}

/** The last segment; of a file whose key ends in `/` it is empty. */
function nameOf(path: string, isDirectory: boolean): string {
  const end = isDirectory ? path.length - 1 : path.length
  return path.slice(path.lastIndexOf('/', end - 1) + 1, end)
}
