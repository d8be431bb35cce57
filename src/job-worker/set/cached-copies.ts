// Why: to create another replica, a block is copied from a worker that has it instead of reading
// the store again. How: the workers that the job master names are tried in turn. A failure never
// fails the set: the caller reads the missing bytes from the store. The worker verifies pages; this
// class checks lengths and ids.
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
   * Yields the first bytes of a block, as many as the workers deliver: all, some, or none.
   * @throws the signal's reason
   */
  async *read(piece: SetPiece, header: BlockHeader, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const { cached, logger, metrics } = this.#options
    const { blockId, length } = header
    // The blocks of a moved file keep the key that the file had before.
    const expected = { ...header, keyMoved: true }
    let received = 0
    for (const workerId of piece.sourceIds) {
      const source = this.#sources.get(workerId)
      if (source === undefined) continue
      try {
        for await (const chunk of cached.read(source, blockId, expected, signal)) {
          if (received + chunk.length > length) throw new SkeinError('data_loss', `received more than ${length} bytes`)
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

  /**
   * Reads a whole block. Undefined: no worker delivers all of it.
   * @throws the signal's reason
   */
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
