// Why: a block that a worker has is copied from there for another replica, and not read from the
// store again. How: the workers that have it, as the job master says, are asked one after the
// other. Whatever goes wrong is no fault of the set: the caller reads at the store what did not
// come. Pages are checked by the worker, lengths and ids here.
import { throwIfAborted } from '../../base/clock.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import type { SetPiece, SetTarget } from '../../wire/generated/job.ts'
import type { BlockHeader } from '../../wire/generated/worker.ts'
import type { CachedBlocks } from './set-verify.ts'

export interface CachedCopiesOptions {
  readonly sources: readonly SetTarget[]
  readonly cached: Pick<CachedBlocks, 'read'>
  readonly logger: Pick<Logger, 'debug'>
  readonly metrics: Pick<MetricRegistry, 'add'>
}

export class CachedCopies {
  readonly #options: CachedCopiesOptions
  readonly #sources: ReadonlyMap<string, SetTarget>

  constructor(options: CachedCopiesOptions) {
    this.#options = options
    this.#sources = new Map(options.sources.map((source) => [source.workerId, source]))
  }

  /**
   * The first bytes of a block, as many as a worker gives: all of them, some, or none. @throws the
   * signal's reason
   */
  async *read(piece: SetPiece, header: BlockHeader, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const { cached, logger, metrics } = this.#options
    const { blockId, length } = header
    // A file that was moved has its blocks under its key of before.
    const expected = { ...header, keyMoved: true }
    let received = 0
    for (const workerId of piece.sourceIds) {
      const source = this.#sources.get(workerId)
      if (source === undefined) continue
      try {
        for await (const chunk of cached.read(source, blockId, expected, signal)) {
          if (received + chunk.length > length) throw new SkeinError('data_loss', `more than ${length} bytes came`)
          received += chunk.length
          metrics.add('skein_job_worker_copied_bytes_total', chunk.length)
          yield chunk
        }
      } catch (thrown) {
        throwIfAborted(signal)
        logger.debug('a block could not be copied from a worker', {
          blockId,
          workerId,
          error: toSkeinError(thrown).message,
        })
      }
      if (received > 0) return
    }
  }

  /** The whole block; undefined when no worker gives all of it. @throws the signal's reason */
  async readWhole(piece: SetPiece, header: BlockHeader, signal: AbortSignal): Promise<Uint8Array | undefined> {
    if (piece.sourceIds.length === 0) return undefined
    const bytes = new Uint8Array(header.length)
    let at = 0
    for await (const chunk of this.read(piece, header, signal)) {
      bytes.set(chunk, at)
      at += chunk.length
    }
    return at === header.length ? bytes : undefined
  }
}
