// Why: GooseFS's words for a file are those of the command line's output, in text and in JSON, and
// programs parse them. How: one document, made of what the client says of a file. The order of its
// fields is that of the JSON documents. Pure.
import type { FileStatus, FileTimes } from '../../client/file-system.ts'
import type { FileDetails } from '../../client/upkeep/file-upkeep.ts'

/** What lines of listings show of a file. */
export interface ListedFile {
  readonly path: string
  readonly folder: boolean
  readonly length: number
  readonly modifiedMs: number
  /** PERSISTED | NOT_PERSISTED | TO_BE_PERSISTED */
  readonly persistenceState: string
  readonly owner: string
  readonly group: string
  readonly mode: number
  readonly cachedBytes: number
}

export interface FileDocument extends ListedFile {
  readonly fileId: number
  readonly name: string
  readonly blockSizeBytes: number
  readonly etag: string
  readonly createdMs: number
  readonly accessedMs: number
  readonly ufsPath: string
  readonly pinned: boolean
  /** -1: no limit. */
  readonly replicationMax: number
  readonly replicationMin: number
  /** -1: none. */
  readonly ttlMs: number
  readonly ttlAction: string
  readonly namespaceId: string
  readonly key: string
  readonly mountPoint: boolean
  readonly keyMoved?: boolean | undefined
  readonly inMemoryBytes?: number | undefined
  readonly explicit?: boolean | undefined
  readonly contentType?: string | undefined
  readonly userMetadata?: Values | undefined
  readonly clientMetadata?: Values | undefined
  readonly times?: FileTimes | undefined
  readonly persistProblem?: string | undefined
  readonly replicas: number
}

interface Values {
  readonly values: Readonly<Record<string, string>>
}

export function listedFileOf(status: FileStatus): ListedFile {
  const { path, kind, length, modifiedMs, persistence, owner, group, mode, cachedBytes } = status
  const persistenceState = persistence.toUpperCase()
  return { path, folder: kind === 'directory', length, modifiedMs, persistenceState, owner, group, mode, cachedBytes }
}

export function fileDocumentOf(file: FileDetails): FileDocument {
  const { contentType, userMetadata, clientMetadata, replicationMax = -1 } = file
  return {
    fileId: file.fileId,
    path: file.path,
    name: file.name,
    folder: file.kind === 'directory',
    length: file.length,
    blockSizeBytes: file.blockSizeBytes,
    etag: file.etag,
    createdMs: file.createdMs,
    modifiedMs: file.modifiedMs,
    accessedMs: file.accessedMs,
    persistenceState: file.persistence.toUpperCase(),
    ufsPath: file.storeUri,
    owner: file.owner,
    group: file.group,
    mode: file.mode,
    pinned: file.pinned,
    replicationMax,
    replicationMin: file.replicationMin,
    ttlMs: file.ttl?.ms ?? -1,
    ttlAction: file.ttlAction,
    cachedBytes: file.cachedBytes,
    namespaceId: file.namespaceId,
    key: file.key,
    mountPoint: file.isMountPoint,
    keyMoved: file.mayHaveMoved,
    inMemoryBytes: file.inMemoryBytes,
    explicit: file.kind === 'directory' ? file.isExplicit : undefined,
    contentType: contentType === '' ? undefined : contentType,
    userMetadata: Object.keys(userMetadata).length === 0 ? undefined : { values: userMetadata },
    clientMetadata: clientMetadata === undefined ? undefined : { values: clientMetadata },
    times: file.times,
    persistProblem: file.persistProblem,
    replicas: file.replicas,
  }
}
