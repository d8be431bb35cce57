// Why: a writer on the same host as a worker does not need a socket for large blocks: it writes the
// reserved file itself (short circuit). How: call ReserveBlock, write the temporary file, call
// CommitBlock with the page checksums that were computed on the way. If the file is not reachable
// (another disk, another user), this worker is written over HTTP from then on. A file that is not
// one of the worker's reservations (block/disk/known-place.ts) is never opened. Small blocks always
// use HTTP: three round trips would cost more than the copy.
import type { FileHandle } from 'node:fs/promises'
import { type Clock, throwIfAborted } from '../../base/clock.ts'
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import { openReserved, type ReservedPlace } from '../../block/disk/known-place.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { WriteHints } from '../../wire/data/data-plane.ts'
import type { BlockHeader, WorkerServiceDefinition } from '../../wire/generated/worker.ts'
import type { Service } from '../../wire/service.ts'
import type { BlockSink, BlockTarget, SmallBlock } from './block-target.ts'
import { ReservationRenewer } from './reservation-renewer.ts'
import type { DirectoriesOf } from '../worker-directories.ts'
import { ReservedFileSink } from './reserved-file-sink.ts'

const releaseDeadlineMs = 5000

/**
 * Well below the time after which a worker aborts reservations that are not renewed
 * (skein.worker.reservation.timeout).
 */
const renewDefaultMs = 3000

export interface ShortCircuitOptions {
  readonly workerId: string
  readonly worker: Service<WorkerServiceDefinition>
  /**
   * The same worker over HTTP: for small blocks, and for all blocks if the file is not reachable.
   */
  readonly http: BlockTarget
  /** Directories of the worker's block files. */
  readonly directoriesOf: DirectoriesOf
  readonly clock: Clock
  readonly logger: Logger
  /**
   * Interval for renewing open reservations. The worker aborts them after 60 s without a renewal.
   */
  readonly renewMs?: number
}

export class ShortCircuitBlockTarget implements BlockTarget {
  readonly workerId: string
  readonly #options: ShortCircuitOptions
  readonly #renewer: ReservationRenewer
  #reachable = true
  #directories: readonly string[] | undefined

  constructor(options: ShortCircuitOptions) {
    this.workerId = options.workerId
    this.#options = options
    this.#renewer = new ReservationRenewer(
      options.worker,
      options.clock,
      options.logger,
      options.renewMs ?? renewDefaultMs,
    )
  }

  async open(header: BlockHeader, signal: AbortSignal, hints?: WriteHints): Promise<BlockSink | undefined> {
    const { worker, http } = this.#options
    if (!this.#reachable) return await http.open(header, signal, hints)
    const { openEnded: _, ...placing } = hints ?? {}
    const reserved = await worker.reserveBlock({ header, mediumHint: '', ...placing }, { signal })
    if (reserved.alreadyThere) return undefined
    const place = { path: reserved.path, blockId: header.blockId, reservation: reserved.reservation }
    const file = await this.#openReserved(place, signal)
    if (file instanceof SkeinError || file === undefined || signal.aborted) {
      if (file !== undefined && !(file instanceof SkeinError)) await file.close()
      await this.#release(header.blockId, reserved.reservation)
      throwIfAborted(signal)
      if (file instanceof SkeinError) throw file
      return await http.open(header, signal, hints)
    }
    const ended = this.#renewer.add(reserved.reservation)
    return new ReservedFileSink({ worker, header, reservation: reserved.reservation, file, signal, ended })
  }

  put(block: SmallBlock, signal: AbortSignal, hints?: WriteHints): Promise<void> {
    return this.#options.http.put(block, signal, hints)
  }

  /** Stops renewing. The caller must end open sinks. */
  close(): void {
    this.#renewer.close()
  }

  // Does not use the caller's signal: the reservation must be released even if it is aborted.
  async #release(blockId: number, reservation: string): Promise<void> {
    const options = { signal: new AbortController().signal, deadlineMs: releaseDeadlineMs }
    await this.#options.worker.abortBlock({ blockId, reservation }, options).catch((thrown: unknown) => {
      this.#options.logger.debug('cannot abort an unused reservation', { error: toSkeinError(thrown).message })
    })
  }

  /**
   * Returns the file, undefined when it is not reachable from here, or an error that HTTP would not
   * avoid.
   */
  async #openReserved(place: ReservedPlace, signal: AbortSignal): Promise<FileHandle | SkeinError | undefined> {
    try {
      this.#directories ??= await this.#options.directoriesOf(this.workerId, signal)
      return await openReserved(place, this.#directories)
    } catch (thrown) {
      if (thrown instanceof SkeinError) {
        // Looked up again for the next block: the worker may have a new directory.
        this.#directories = undefined
        const level = isSkeinError(thrown, 'permission_denied') ? 'warn' : 'debug'
        this.#options.logger[level]('writing a block over HTTP', {
          worker: this.workerId,
          blockId: place.blockId,
          error: thrown.message,
        })
        return undefined
      }
      const { code } = thrown as NodeJS.ErrnoException
      if (code === 'EMFILE' || code === 'ENFILE') {
        return new SkeinError('resource_exhausted', `too many open files (${code}): raise the limit of open files`, {
          cause: thrown,
        })
      }
      this.#reachable = false
      this.#options.logger.info('writing to this worker over HTTP: its reserved file is not reachable from here', {
        worker: this.workerId,
        code,
      })
      return undefined
    }
  }
}
