// Why: the file system in memory (memory-file-system.ts) says of its entries what a cluster would.
import { formatPath } from '../../src/base/paths.ts'
import type { AttributeChanges, FileStatus } from '../../src/client/file-system.ts'
import type { MemoryNode } from './memory-listing.ts'

export function fileStatus(namespace: string, node: MemoryNode): FileStatus {
  const { key, etag, fileId, modifiedMs, contentType, userMetadata, clientMetadata, ttl } = node
  return {
    ...directoryStatus(
      formatPath({ namespace, key }),
      key.slice(key.lastIndexOf('/') + 1),
      undefined,
      false,
      modifiedMs,
    ),
    ...{ kind: 'file', length: node.bytes.length, fileId, etag, mode: 0o666, ...node.ownership },
    ...{ blockSizeBytes: node.blockSizeBytes, replicationMin: node.replicationMin },
    ...{ contentType, userMetadata, clientMetadata, ttl: ttl && { ms: ttl.ms, action: ttl.action } },
    ...(node.times && { times: node.times }),
    isExplicit: true,
    persistence: etag === '' ? 'not_persisted' : 'persisted',
    pinned: node.pinned === true,
    cachedBytes: node.isFreed === true ? 0 : node.bytes.length,
  }
}

export function directoryOf(namespace: string, key: string, madeMs: number | undefined): FileStatus {
  const name = key.slice(0, -1).slice(key.slice(0, -1).lastIndexOf('/') + 1)
  // The slash is a part of the path only where the directory has no other name (`a//`).
  const path = formatPath({ namespace, key: name === '' ? key : key.slice(0, -1) })
  return directoryStatus(path, name, madeMs, false, madeMs ?? 0)
}

export function directoryStatus(
  path: string,
  name: string,
  madeMs: number | undefined,
  isMountPoint: boolean,
  modifiedMs: number,
): FileStatus {
  return {
    ...{ path, name, kind: 'directory', length: 0, blockSizeBytes: 0, fileId: 1, etag: '' },
    ...{ owner: 'skein', group: 'skein', mode: 0o777, contentType: '', userMetadata: {} },
    ...{ createdMs: modifiedMs, modifiedMs, persistence: 'persisted', cachedBytes: 0, pinned: false },
    ...{
      replicationMin: 0,
      replicationMax: undefined,
      ttl: undefined,
      isMountPoint,
      isExplicit: isMountPoint || madeMs !== undefined,
    },
  }
}

export function changedMode(
  { mode: old }: FileStatus,
  { mode, modeMask = 0o7777 }: AttributeChanges,
): number | undefined {
  return mode === undefined ? undefined : (old & ~modeMask) | (mode & modeMask)
}
