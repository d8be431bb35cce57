// Why: the request limits of the file operations of users, and of the master's requests to workers
// that persist files (see service-limits.ts).
import { modeBits } from '../../base/attributes/ownership.ts'
import { setTimesCheck } from '../../base/attributes/set-times.ts'
import { blocksPerFileMax } from '../../base/block-id.ts'
import { flag, list, optional, record, whole } from '../../base/shape.ts'
import { type BlockSource, LifecycleServiceDefinition, PersistServiceDefinition } from '../generated/lifecycle.ts'
import { serviceLimits } from './service-limits.ts'
import {
  address,
  clientMetadata,
  count32,
  durationMsMax,
  etag,
  fileId,
  objectMetadata,
  ownership,
  path,
  size,
  word,
} from './fields.ts'

const mebibyte = 1024 ** 2
const ttlMs = whole(-durationMsMax, durationMsMax)
const replicas = optional(whole(-1_000_000, 1_000_000))

export const lifecycleLimits = serviceLimits(LifecycleServiceDefinition, {
  makeDirectory: { fields: { path, asObject: optional(flag) } },
  delete: {
    fields: {
      path,
      recursive: flag,
      cacheOnly: flag,
      keepEntries: optional(flag),
      ...{ kind: optional(word), ifFileId: optional(fileId) },
      waitMs: optional(whole(0, durationMsMax)),
    },
  },
  rename: {
    fields: {
      ...{ from: path, to: path, waitMs: optional(whole(0, durationMsMax)) },
      ...{ overwrite: optional(flag), intoDirectory: optional(flag), fileId: optional(fileId) },
    },
  },
  setTtl: { fields: { path, ttlMs, action: word } },
  setPinned: { fields: { path, pinned: flag } },
  setPathReplication: { fields: { path, recursive: flag, min: replicas, max: replicas } },
  setPathOwnership: { fields: { path, recursive: flag, ...ownership, modeMask: optional(modeBits) } },
  setPathTimes: { fields: { path, times: optional(setTimesCheck) } },
  setClientMetadata: { fields: { path, clientMetadata } },
  createFile: {
    fields: {
      path,
      blockSizeBytes: size,
      requestKey: word,
      asObject: optional(flag),
      overwrite: optional(flag),
      ifFileId: optional(fileId),
      ttlMs: optional(whole(0, durationMsMax)),
      ttlAction: optional(word),
      ...ownership,
      ...objectMetadata,
      clientMetadata,
      writePolicy: optional(word),
    },
  },
  placeBlock: {
    bytesMax: mebibyte,
    fields: {
      fileId,
      blockIndex: count32,
      length: size,
      excludedWorkerIds: list(word, 10_000),
      openEnded: optional(flag),
    },
  },
  completeFile: { fields: { fileId, length: size, ...objectMetadata, clientMetadata, asNoted: optional(flag) } },
  abandonFile: { fields: { fileId } },
  getUnfinishedFile: { fields: { fileId: optional(fileId), requestKey: optional(word) } },
  noteUpload: { fields: { fileId, workerId: word, length: size } },
  noteWrittenBlock: { fields: { fileId, blockIndex: count32, length: size } },
  persist: { fields: { path } },
  loadMetadata: { fields: { path, recursive: flag } },
  checkConsistency: { fields: { path, repair: flag, cachedOnly: optional(flag) } },
  decommission: { fields: { worker: word, cancel: flag } },
  forgetWorker: { fields: { worker: word } },
})

export const persistLimits = serviceLimits(PersistServiceDefinition, {
  persistFile: {
    bytesMax: 64 * mebibyte,
    fields: {
      ...{ namespaceId: word, key: path, fileId, length: size, blockSizeBytes: size, overwrite: flag },
      replacedEtag: optional(etag),
      namespaceVersion: optional(size),
      blockKey: optional(path),
      ...objectMetadata,
      blocks: list(record<BlockSource>({ dataAddresses: list(address, 1000) }), blocksPerFileMax),
    },
  },
  finishUpload: {
    fields: {
      ...{ fileId, namespaceId: word, key: path, length: size, overwrite: flag },
      ...{ replacedEtag: optional(etag), namespaceVersion: optional(size) },
    },
  },
  abandonUpload: { fields: { fileId } },
})
