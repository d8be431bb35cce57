// Why: clients read uncached files through a worker, so they never see the credentials of the
// store. How: open stores are shared and kept for a while. Each read (ufs/leased-reads.ts) reads
// ahead within the slots and memory of this worker. If the reader names the block that it reads,
// read-through.ts caches it.
import { Budget } from '../../base/flow/budget.ts'
import { type Clock, throwIfAborted } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import { keyProblem } from '../../base/paths.ts'
import { leasedRead } from '../../ufs/leased-reads.ts'
import type { ReadAheadOptions } from '../../ufs/read-ahead.ts'
import { type OpenStore, StoreCache } from '../../ufs/store-cache.ts'
import type { BlockStore } from '../../block/block-store.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import type { DataPlaneHandlers, StoreReadRequest } from '../../wire/data/data-plane.ts'
import { BlockFills, type BlockFillsOptions } from './block-fills.ts'
import type { ReadPolicyOf } from './read-policies.ts'
import { checkBlock, readThrough, type ReadThroughDependencies } from './read-through.ts'

export interface StoreReadLimits {
  /** Bytes of one range request. */
  readonly rangeBytes: number
  /** Ranges that one read may hold or have in flight. */
  readonly rangesAhead: number
  /** Range requests in flight, for all reads together. */
  readonly readSlots: number
  /** Bytes in flight or not yet sent, for all reads together. */
  readonly readAheadBytesMax: number
  /** Unused stores that are kept open. */
  readonly idleStoresMax: number
  /** Minimum time between two attempts to reopen a store that rejects our credentials. */
  readonly storeRenewPauseMs: number
}

export const defaultStoreReadLimits: StoreReadLimits = {
  rangeBytes: 4 * 1024 * 1024,
  rangesAhead: 8,
  readSlots: 32,
  readAheadBytesMax: 128 * 1024 * 1024,
  idleStoresMax: 16,
  storeRenewPauseMs: 10_000,
}

export interface StoreReadsOptions {
  readonly openStore: OpenStore
  readonly clock: Clock
  readonly limits?: Partial<StoreReadLimits> | undefined
  readonly metrics?: Pick<MetricRegistry, 'add' | 'observe'> | undefined
  /**
   * Caches the blocks that are read. Undefined: nothing is cached, and every byte comes from the
   * under file system.
   */
  readonly keep?: StoreReadKeeping | undefined
}

export interface StoreReadKeeping {
  readonly store: BlockStore
  readonly readPolicyOf: ReadPolicyOf
  readonly logger: Logger
  readonly limits?: Pick<BlockFillsOptions, 'windowBytes' | 'bytesMax' | 'patienceMs'> | undefined
}

export interface StoreReads {
  /**
   * See DataPlaneHandlers. The chunks throw what the store throws, and data_loss when it returns
   * another number of bytes.
   */
  readonly readStore: DataPlaneHandlers['readStore']
  /** Whether a read waits for memory or for a slot. */
  readonly isWanted: () => boolean
  /** Stores in use are closed when the last read of them ends. */
  close(): Promise<void>
}

export function createStoreReads({ openStore, clock, limits, metrics, keep }: StoreReadsOptions): StoreReads {
  const { rangeBytes, rangesAhead, readSlots, readAheadBytesMax, idleStoresMax, storeRenewPauseMs } = {
    ...defaultStoreReadLimits,
    ...limits,
  }
  const stores = new StoreCache({ openStore, clock, idleStoresMax, renewPauseMs: storeRenewPauseMs })
  const slots = new Budget('store requests', readSlots)
  const memory = new Budget('read-ahead bytes', readAheadBytesMax)
  metrics?.observe('skein_worker_store_read_buffers_bytes', () => memory.used)
  const resources: ReadAheadOptions = { rangeBytes, rangesAhead, slots, bytes: memory }
  const readStore = (request: StoreReadRequest, signal: AbortSignal): AsyncIterable<Uint8Array> =>
    counted(leasedRead(stores, resources, request, signal), (count) =>
      metrics?.add('skein_worker_read_bytes_total', count, { source: 'ufs' }),
    )
  const fills =
    keep === undefined ? undefined : new BlockFills({ ...keep.limits, store: keep.store, clock, logger: keep.logger })
  const through: ReadThroughDependencies | undefined =
    keep === undefined || fills === undefined
      ? undefined
      : {
          ...keep,
          fills,
          readStore,
          servedCached: (bytes) => metrics?.add('skein_worker_read_bytes_total', bytes, { source: 'remote' }),
        }
  return {
    readStore: async (request, signal) => {
      throwIfAborted(signal)
      checkRequest(request)
      checkBlock(request)
      const { block, length } = request
      const chunks =
        block === undefined || through === undefined
          ? readStore(request, signal)
          : readThrough(through, request, block, signal)
      return { length, chunks }
    },
    isWanted: () => slots.waiting > 0 || memory.waiting > 0,
    close: async () => {
      await fills?.close()
      await stores.close()
    },
  }
}

/**
 * The worker reads with the credentials of the namespace, so it accepts only keys that could be
 * cached.
 */
function checkRequest({ key, offset, length }: StoreReadRequest): void {
  const problem = keyProblem(key)
  if (problem !== undefined) throw new SkeinError('invalid_argument', `the object cannot be read: ${problem}`)
  if (!Number.isSafeInteger(offset + length) || offset < 0 || length < 1) {
    throw new SkeinError('invalid_argument', `bytes ${offset}+${length} are not a valid range`)
  }
}

async function* counted(chunks: AsyncIterable<Uint8Array>, count: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    count(chunk.length)
    yield chunk
  }
}
