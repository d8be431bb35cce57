// Why: the request limits of the cache master's service (see service-limits.ts).
import { flag, list, map, optional, record, text, whole } from '../../base/shape.ts'
import { type DirectoryUsage, type HeldNamespace, type LoadIds, MasterServiceDefinition } from '../generated/master.ts'
import { serviceLimits } from './service-limits.ts'
import {
  address,
  blockId,
  count32,
  durationMs,
  figure,
  fileId,
  fileMetadata,
  keyPart,
  pageToken,
  path,
  size,
  timeMs,
  word,
} from './fields.ts'

const mebibyte = 1024 ** 2
const secretBytesMax = 64 * 1024
const attributeBytesMax = 8192
/** Block ids in one part of a report. Workers send 10,000. */
const reportIdsMax = 50_000
const filesMax = 100_000
/** Each is looked up in one turn of the event loop. Job masters send 1,000. */
const reportedFilesMax = 2000
/** Looked up in one turn of the event loop. */
const openedFilesMax = 500
const runningLoadsMax = 100_000
/** Directories of one worker. */
const directoriesMax = 200

const secrets = map(word, text(secretBytesMax, { loose: true }), 50)
const attributes = map(word, text(attributeBytesMax), 200)
const sync = optional(whole(-1))
const located = { path, syncIntervalMs: sync }
const stagingId = text(1200)
const directories = list(
  record<DirectoryUsage>({
    ...{ path: text(4096, { loose: true }), tier: text(100), mediumType: text(100), quotaBytes: size, usedBytes: size },
    state: optional(text(20)),
  }),
  directoriesMax,
)
const ids = list(blockId, reportIdsMax)
const session = { workerId: word, session: text(100) }

export const masterLimits = serviceLimits(MasterServiceDefinition, {
  createNamespace: {
    bytesMax: mebibyte,
    fields: { name: path, uri: path, secrets, attributes, ttlMs: optional(durationMs), ttlAction: optional(word) },
  },
  getNamespace: { fields: { name: path, path: optional(path), force: optional(flag) } },
  updateNamespace: {
    bytesMax: mebibyte,
    fields: {
      name: path,
      secrets,
      attributes,
      removedAttributes: list(word, 200),
      ttlMs: optional(durationMs),
      ttlAction: word,
    },
  },
  listNamespaces: { fields: {} },
  deleteNamespace: { fields: { name: path, path: optional(path), force: optional(flag) } },
  holdNamespaces: {
    bytesMax: mebibyte,
    fields: { holderId: word, namespaces: list(record<HeldNamespace>({ namespaceId: word, version: size }), 5000) },
  },
  getNamespaceAccess: {
    fields: { namespaceId: word, holderId: optional(word), withoutSecrets: optional(flag) },
  },

  getStatus: { fields: located },
  listStatus: {
    fields: {
      ...{ ...located, recursive: flag, pageToken, limit: count32 },
      ...{ prefix: optional(keyPart), startAfter: optional(keyPart) },
      ...{ withMetadata: optional(flag), brief: optional(flag), withoutImplied: optional(flag) },
    },
  },
  count: { fields: located },
  free: { fields: { path, force: flag } },
  openFile: { fields: { ...located, lookBlocksMax: optional(count32), fileId: optional(fileId) } },
  openNextFiles: {
    fields: {
      directory: path,
      startAfter: keyPart,
      limit: whole(0, openedFilesMax),
      lengthMax: size,
      syncIntervalMs: sync,
    },
  },

  syncPage: {
    bytesMax: mebibyte,
    fields: {
      ...{
        path,
        cursor: text(512 * 1024),
        limit: count32,
        stagingId: optional(stagingId),
        stagingExpiresMs: optional(timeMs),
        inRoot: optional(flag),
      },
    },
  },
  refreshFile: { fields: { namespaceId: word, key: path, stagingId: optional(stagingId) } },
  commitStaging: { fields: { stagingId } },
  dropStaging: { fields: { stagingId } },
  auditFiles: { bytesMax: mebibyte, fields: { fileIds: list(fileId, filesMax), replication: count32 } },
  setReplication: {
    bytesMax: mebibyte,
    fields: {
      ...{ fileIds: list(fileId, filesMax), min: whole(-1_000_000, 1_000_000), max: whole(-1_000_000, 1_000_000) },
      keepMax: optional(flag),
    },
  },

  reportMetadata: { bytesMax: 8 * mebibyte, fields: { files: list(fileMetadata, reportedFilesMax) } },

  registerWorker: {
    bytesMax: mebibyte,
    fields: {
      ...{
        workerId: word,
        hostname: word,
        rpcAddress: address,
        dataAddress: address,
        webAddress: address,
        directories,
      },
      ...{ clusterId: optional(word), incarnation: optional(word), blocks: optional(size) },
    },
  },
  reportBlocks: {
    bytesMax: 2 * mebibyte,
    fields: {
      ...{ ...session, added: ids, removed: ids, fullReportEnd: flag, directories },
      durable: optional(record<{ ids: number[] }>({ ids })),
      ...{ report: optional(size), inMemory: optional(record<{ ids: number[] }>({ ids })) },
    },
  },
  workerHeartbeat: { bytesMax: mebibyte, fields: { ...session, directories, counters: map(word, figure, 200) } },
  listWorkers: { fields: {} },

  getClusterSummary: { fields: {} },
  getClusterMetrics: { fields: {} },
  backup: { fields: { directory: path } },
  registerJobMaster: {
    bytesMax: 2 * mebibyte,
    fields: {
      ...{ rpcAddress: address, webAddress: address },
      runningLoads: optional(record<LoadIds>({ ids: list(text(20), runningLoadsMax), before: optional(size) })),
    },
  },
  getJobMaster: { fields: {} },
  checkState: { fields: {} },
  adoptCluster: { fields: { id: word } },
})
