// Why: upkeep (file-upkeep.ts) sees more of a file than programs do. How: the status that programs
// get, and the other fields of the master's message in the words of the client. Pure.
import type { FileInfo, OpenFileResponse } from '../../wire/generated/master.ts'
import { fileStatusOf } from '../status/file-status.ts'
import type { FileDetails, FilePlacement } from './file-upkeep.ts'

export function fileDetailsOf(info: FileInfo): FileDetails {
  // One object a file: a listing has many.
  return Object.assign(fileStatusOf(info), {
    storeUri: info.ufsPath,
    namespaceId: info.namespaceId,
    key: info.key,
    accessedMs: info.accessedMs,
    inMemoryBytes: info.inMemoryBytes,
    replicas: info.replicas,
    mayHaveMoved: info.keyMoved,
    ttlAction: info.ttlAction === 'DELETE' ? ('DELETE' as const) : ('FREE' as const),
  })
}

/** @param file of the answer */
export function filePlacementOf(file: FileInfo, { blocks, workers }: OpenFileResponse): FilePlacement {
  return {
    file: fileDetailsOf(file),
    blocks,
    workers: workers.map(({ workerId, hostname, rpcAddress }) => ({ workerId, hostname, rpcAddress })),
  }
}
