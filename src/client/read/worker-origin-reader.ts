// Why: a client reads files that are not cached from their store without ever seeing the store's
// secrets. How: a live worker reads for it, and keeps the block unless it may not: one of the
// client's own host, else the one that every other client of that block asks too, so that the store
// is read once. Where one worker cannot, the next one goes on after the last byte that came. A
// worker that cut the bytes short is asked again later, because the rest of it may come, or the
// reason why not.
import { createHash } from 'node:crypto'
import { assert } from '../../base/assert.ts'
import { blockIdOf, blockLength } from '../../base/block-id.ts'
import { abortReason, throwIfAborted } from '../../base/clock.ts'
import { type ErrorCode, SkeinError, toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { DataClient } from '../../wire/data/data-client.ts'
import type { CacheableBlock } from '../../wire/data/data-plane.ts'
import type { FileInfo, MasterServiceDefinition, WorkerInfo } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'
import type { OriginReader } from './file-reader.ts'

export interface WorkerOriginReaderOptions {
  readonly master: Pick<Service<MasterServiceDefinition>, 'listWorkers'>
  readonly data: Pick<DataClient, 'readStore'>
  /** This host's name; its workers are asked first. */
  readonly hostname: string
  readonly logger: Logger
}

/**
 * What another worker may do better; any other error is the store's answer, and the same
 * everywhere.
 */
const nextWorkerCodes: ReadonlySet<ErrorCode> = new Set(['unavailable', 'deadline_exceeded', 'unimplemented'])

export class WorkerOriginReader implements OriginReader {
  readonly #options: WorkerOriginReaderOptions

  constructor(options: WorkerOriginReaderOptions) {
    this.#options = options
  }

  /**
   * See OriginReader. @throws SkeinError unavailable (`no_worker`) when no worker is live, what the
   * last worker failed with when all failed, and what the store throws
   */
  async *readOrigin(
    file: FileInfo,
    offset: number,
    length: number,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { data, logger } = this.#options
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
        for await (const chunk of data.readStore(worker.dataAddress, rest, signal)) {
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
        // Every turn of a worker brings bytes, or is its last.
        if (got > before) waiting.push(worker)
      }
    }
    throw last
  }

  async #liveWorkers(blockId: number, signal: AbortSignal): Promise<WorkerInfo[]> {
    throwIfAborted(signal)
    const { master, hostname } = this.#options
    const { workers } = await master.listWorkers({}, { signal })
    return workers
      .filter(({ live }) => live)
      .map((worker) => ({ worker, rank: rankOf(worker, blockId, hostname) }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ worker }) => worker)
  }
}

/**
 * Nearest first; one that is being emptied last; in between an order of the block's own (rendezvous
 * hashing).
 */
function rankOf(worker: WorkerInfo, blockId: number, hostname: string): number {
  const place = createHash('md5').update(`${blockId} ${worker.workerId}`).digest().readUInt32LE() / 2 ** 32
  return (worker.decommissioning === true ? 2 : 0) + (worker.hostname === hostname ? 0 : 1) + place / 2
}

/** The block that the wanted bytes are of. */
function blockAt(file: FileInfo, offset: number, length: number): CacheableBlock {
  const index = Math.floor(offset / file.blockSizeBytes)
  const start = index * file.blockSizeBytes
  const block = {
    blockId: blockIdOf(file.fileId, index),
    offset: start,
    length: blockLength(file.length, file.blockSizeBytes, index),
  }
  assert(offset + length <= start + block.length, 'a store is read block by block')
  return block
}

function mayBeKept(file: FileInfo): boolean {
  return file.replicationMax !== 0 && file.persistenceState === 'PERSISTED'
}
