// Why: clients read uncached files from their store without seeing its credentials. How: a live
// worker reads for the client and caches the block if it may. A worker on the client's host is
// preferred; else all clients of a block use the same worker, so that the store is read once. If a
// worker fails, the next one continues after the last byte received. A worker that ended too early
// is asked again later: it may deliver the rest, or the reason for the failure. When no worker
// answers, the client reads from the store by itself, if it may (origin/direct-origin.ts).
import { createHash } from 'node:crypto'
import { assert } from '../../base/assert.ts'
import { blockIdOf, blockLength } from '../../base/block-id.ts'
import { abortReason, type Clock, throwIfAborted } from '../../base/clock.ts'
import { type ErrorCode, SkeinError, toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { DataClient } from '../../wire/data/data-client.ts'
import type { CacheableBlock } from '../../wire/data/data-plane.ts'
import type { FileInfo, MasterServiceDefinition, WorkerInfo } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'
import type { OriginReader } from './file-reader.ts'

export type StoreReadClient = Pick<DataClient, 'readStore'>

export interface WorkerOriginReaderOptions {
  readonly master: Pick<Service<MasterServiceDefinition>, 'listWorkers'>
  readonly data: StoreReadClient
  /** A worker in this process, by its data address: it is asked first. */
  readonly here?: ((address: string) => StoreReadClient | undefined) | undefined
  /** Name of this host. Its workers are asked first. */
  readonly hostname: string
  /** Reads when no worker answers. Undefined: the read fails then. */
  readonly direct?: OriginReader | undefined
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly logger: Logger
}

/**
 * Errors that another worker may not have. All others come from the store and are the same
 * everywhere.
 */
const nextWorkerCodes: ReadonlySet<ErrorCode> = new Set(['unavailable', 'deadline_exceeded', 'unimplemented'])
/** Reasons of errors that no worker has answered with. */
const goneReasons: ReadonlySet<string | undefined> = new Set([
  ...['no_worker', 'unreachable', 'stalled', 'connection_lost', 'body_cut', 'stopping'],
])
/** How long a worker that could not be reached is not tried, where the client can do without. */
const goneMs = 2000

export class WorkerOriginReader implements OriginReader {
  readonly #options: WorkerOriginReaderOptions
  /** By data address: when workers could not be reached. */
  readonly #goneMs = new Map<string, number>()

  constructor(options: WorkerOriginReaderOptions) {
    this.#options = options
  }

  /**
   * See OriginReader.
   * @throws SkeinError unavailable (`no_worker`) when no worker is live, the error of the last
   *   worker when all failed, what the direct reader throws, and what the store throws
   */
  async *readOrigin(
    file: FileInfo,
    offset: number,
    length: number,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { data, here, direct, clock, logger } = this.#options
    const block = blockAt(file, offset, length)
    const waiting = await this.#liveWorkers(block.blockId, signal)
    const kept = mayBeKept(file) ? { block } : {}
    let last = new SkeinError('unavailable', `no live worker can read ${file.path} from its store`, {
      reason: 'no_worker',
    })
    let got = 0
    for (let worker = waiting.shift(); worker !== undefined; worker = waiting.shift()) {
      const before = got
      try {
        const object = { namespaceId: file.namespaceId, key: file.key, etag: file.etag }
        const rest = { ...object, offset: offset + got, length: length - got, ...kept }
        const source = here?.(worker.dataAddress) ?? data
        for await (const chunk of source.readStore(worker.dataAddress, rest, signal)) {
          got += chunk.length
          yield chunk
        }
        return
      } catch (thrown) {
        if (signal.aborted) throw abortReason(signal)
        last = toSkeinError(thrown)
        if (!nextWorkerCodes.has(last.code)) throw last
        logger.debug('a worker could not read from a store', {
          path: file.path,
          worker: worker.dataAddress,
          error: last.message,
        })
        if (last.reason === 'unreachable' || last.reason === 'stalled')
          this.#goneMs.set(worker.dataAddress, clock.monotonicMs())
        // A worker is asked again only if it delivered bytes, so the loop ends.
        if (got > before) waiting.push(worker)
      }
    }
    if (direct === undefined || !goneReasons.has(last.reason)) throw last
    yield* direct.readOrigin(file, offset + got, length - got, signal)
  }

  async #liveWorkers(blockId: number, signal: AbortSignal): Promise<WorkerInfo[]> {
    throwIfAborted(signal)
    const { master, hostname, direct, here } = this.#options
    const isInHere = ({ dataAddress }: WorkerInfo): boolean => here?.(dataAddress) !== undefined
    const { workers } = await master.listWorkers({}, { signal })
    return workers
      .filter(({ live, dataAddress }) => live && (direct === undefined || !this.#isGone(dataAddress)))
      .map((worker) => ({ worker, rank: isInHere(worker) ? -1 : rankOf(worker, blockId, hostname) }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ worker }) => worker)
  }

  #isGone(address: string): boolean {
    const sinceMs = this.#goneMs.get(address)
    if (sinceMs === undefined) return false
    if (this.#options.clock.monotonicMs() - sinceMs < goneMs) return true
    this.#goneMs.delete(address)
    return false
  }
}

/**
 * Order of workers: those on this host first, those being decommissioned last, and the others by a
 * hash of worker and block (rendezvous hashing).
 */
function rankOf(worker: WorkerInfo, blockId: number, hostname: string): number {
  const place = createHash('md5').update(`${blockId} ${worker.workerId}`).digest().readUInt32LE() / 2 ** 32
  return (worker.decommissioning === true ? 2 : 0) + (worker.hostname === hostname ? 0 : 1) + place / 2
}

/** The block that contains the wanted bytes. */
function blockAt(file: FileInfo, offset: number, length: number): CacheableBlock {
  const index = Math.floor(offset / file.blockSizeBytes)
  const start = index * file.blockSizeBytes
  const block = {
    blockId: blockIdOf(file.fileId, index),
    offset: start,
    length: blockLength(file.length, file.blockSizeBytes, index),
  }
  assert(offset + length <= start + block.length, 'one read of a store must not cross a block boundary')
  return block
}

function mayBeKept(file: FileInfo): boolean {
  return file.replicationMax !== 0 && file.persistenceState === 'PERSISTED'
}
