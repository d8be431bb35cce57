// Why: the request limits of the cache worker's service (see service-limits.ts).
import { both, flag, list, optional, record, text, whole } from '../../base/shape.ts'
import {
  type BlockHeader,
  type CopySource,
  type KeptBlockRequest,
  type ProbeObject,
  WorkerServiceDefinition,
} from '../generated/worker.ts'
import { serviceLimits } from './service-limits.ts'
import { address, blockId, count32, etag, path, size, word } from './fields.ts'

const mebibyte = 1024 ** 2
const blocksMax = 100_000
/** Each of them is opened. */
const locatedBlocksMax = 500
/** Per block: 1 TiB in pages of 1 MiB, or less with smaller pages. */
const pagesMax = 4 * 1024 ** 2
/** No block can be this long. */
const blockBytesMax = 2 ** 42

const header = both(
  record<BlockHeader>({
    ...{
      blockId,
      length: whole(0, blockBytesMax),
      namespaceId: word,
      key: path,
      etag,
      offset: size,
      durable: optional(flag),
    },
  }),
  (given) => ((given as BlockHeader).key.isWellFormed() ? undefined : '.key is not well-formed Unicode'),
)

/** A measurement is short: whoever may call cannot keep a worker or a store busy for long. */
const probeMsMax = 15_000
const probeConnectionsMax = 128
const probeRangeBytesMax = 64 * mebibyte
const probeBytesMax = 2 * 1024 * mebibyte
const probeRequestsMax = 20_000
/** Beside the quota, for seconds. */
const diskProbeBytesMax = 64 * mebibyte

const kept = { clusterId: word, blockId, offset: size, length: size }

export const workerLimits = serviceLimits(WorkerServiceDefinition, {
  reserveBlock: {
    fields: { header: optional(header), mediumHint: word, loadId: optional(text(20)), evict: optional(flag) },
  },
  commitBlock: {
    bytesMax: 32 * mebibyte,
    fields: { blockId, reservation: word, pageChecksums: list(count32, pagesMax), length: optional(size) },
  },
  abortBlock: { fields: { blockId, reservation: word } },
  renewReservations: { bytesMax: mebibyte, fields: { reservations: list(word, 10_000) } },
  copyHere: {
    bytesMax: 4 * mebibyte,
    fields: { blocks: list(record<CopySource>({ blockId, dataAddress: address }), blocksMax) },
  },
  locateBlock: { fields: { blockId, bytes: size } },
  locateBlocks: { fields: { blockIds: list(blockId, locatedBlocksMax) } },
  freeBlocks: { bytesMax: mebibyte, fields: { blockIds: list(blockId, blocksMax) } },
  holdBlocks: {
    bytesMax: 4 * mebibyte,
    fields: {
      loadId: text(20),
      blockIds: list(blockId, blocksMax),
      runningLoads: list(text(20), blocksMax),
      before: size,
    },
  },
  listKeptBlocks: { fields: {} },
  readKeptBlock: { fields: kept },
  releaseKeptBlocks: { bytesMax: 32 * mebibyte, fields: { blocks: list(record<KeptBlockRequest>(kept), blocksMax) } },
  getWorkerStatus: { fields: {} },
  probeStore: {
    bytesMax: 4 * mebibyte,
    fields: {
      namespaceId: word,
      objects: list(record<ProbeObject>({ key: path, etag, length: whole(1) }), 1000),
      rangeBytes: whole(1, probeRangeBytesMax),
      firstRange: size,
      connections: whole(1, probeConnectionsMax),
      heads: whole(0, 100),
      msMax: whole(1, probeMsMax),
      bytesMax: whole(1, probeBytesMax),
      requestsMax: whole(1, probeRequestsMax),
    },
  },
  probeDisks: { fields: { bytesMax: whole(1, diskProbeBytesMax), msMax: whole(1, probeMsMax) } },
})
