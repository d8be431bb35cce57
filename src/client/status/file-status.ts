// Why: the status of a file that users of the file system get, from what the master says. How:
// words and absent values in place of the numbers of the message (-1: none). Pure.
import type { FileInfo } from '../../wire/generated/master.ts'
import type { FileStatus } from '../file-system.ts'

const persistence: Readonly<Record<string, FileStatus['persistence']>> = {
  PERSISTED: 'persisted',
  TO_BE_PERSISTED: 'to_be_persisted',
  NOT_PERSISTED: 'not_persisted',
}

export function fileStatusOf(info: FileInfo): FileStatus {
  const { ttlMs, ttlAction, replicationMax } = info
  return {
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
    ...(info.persistProblem === undefined ? {} : { persistProblem: info.persistProblem }),
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
    ...(info.clientMetadata === undefined ? {} : { clientMetadata: info.clientMetadata.values }),
  }
}
