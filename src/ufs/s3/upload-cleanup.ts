// Why: the parts of an unfinished upload cost money until they are removed. How: the writer reports
// each attempt to create an upload. At the end, uploads that were not completed are aborted, also
// if the response was lost or could not be read: then the store's list of uploads for the key shows
// which ones exist.
import type { Clock } from '../../base/clock.ts'
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { ObjectRequests } from './request/write-requests.ts'
import { requestName } from '../trust/s3-errors.ts'

export interface UploadCleanupContext {
  readonly objects: Pick<ObjectRequests, 'abortUpload' | 'uploads' | 'storeNowMs'>
  readonly clock: Clock
  readonly logger: Logger
  /** Sends with the store's retries, SlowDown gate and error messages. */
  readonly retrying: <T>(
    signal: AbortSignal,
    what: string,
    send: (abortSignal: AbortSignal) => Promise<T>,
  ) => Promise<T>
}

const undoMs = 30_000
/**
 * Maximum clock difference between the machines of a store, plus the one second to which it
 * truncates times.
 */
const skewMs = 2000

export class UploadCleanup {
  readonly #key: string
  readonly #context: UploadCleanupContext
  readonly #beganMs: number
  /** Attempts to create an upload whose result is unknown. */
  #unknown = 0
  #uploadId: string | undefined

  constructor(key: string, context: UploadCleanupContext) {
    this.#key = key
    this.#context = context
    this.#beganMs = context.clock.monotonicMs()
  }

  /** Runs one attempt to create the upload. @returns its id @throws the error of the attempt */
  async begin(beginning: () => Promise<string>): Promise<string> {
    try {
      this.#uploadId = await beginning()
      return this.#uploadId
    } catch (thrown) {
      if (!isRefused(thrown)) this.#unknown += 1
      throw thrown
    }
  }

  /** Aborts what is open. Never throws. */
  async end(how: 'completed' | 'failed'): Promise<void> {
    if (how === 'failed' && this.#uploadId !== undefined) await this.#abort(this.#uploadId)
    if (this.#unknown === 0) return
    try {
      const { objects, retrying, clock } = this.#context
      const uploads = await undoing(clock, (signal) =>
        retrying(signal, requestName('LIST UPLOADS', this.#key), (abortSignal) =>
          objects.uploads(this.#key, abortSignal),
        ),
      )
      const beganMs = objects.storeNowMs() - (clock.monotonicMs() - this.#beganMs)
      for (const { uploadId, initiatedMs } of uploads) {
        const isOurs = initiatedMs !== undefined && initiatedMs >= beganMs - skewMs
        if (isOurs && uploadId !== this.#uploadId) await this.#abort(uploadId)
      }
    } catch (thrown) {
      this.#warn(
        'could not list the uploads of an object: ' +
          'an unfinished upload may stay in the bucket until its lifecycle rules remove it',
        thrown,
      )
    }
  }

  async #abort(uploadId: string): Promise<void> {
    const { objects, retrying, clock } = this.#context
    try {
      await undoing(clock, (signal) =>
        retrying(signal, requestName('ABORT UPLOAD', this.#key), (abortSignal) =>
          objects.abortUpload(this.#key, uploadId, abortSignal),
        ),
      )
    } catch (thrown) {
      // The upload is gone, as intended.
      if (isSkeinError(thrown, 'not_found')) return
      this.#warn(
        'could not abort an upload: its parts stay in the bucket until its lifecycle rules remove them',
        thrown,
        uploadId,
      )
    }
  }

  #warn(message: string, thrown: unknown, uploadId?: string): void {
    this.#context.logger.warn(message, {
      key: this.#key,
      ...(uploadId !== undefined && { uploadId }),
      error: toSkeinError(thrown).message,
    })
  }
}

/**
 * Undoes something, in limited time. Does not use the caller's signal, which is often the reason
 * for the undo.
 */
export async function undoing<T>(clock: Clock, undo: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const limit = new AbortController()
  const cancel = clock.schedule(undoMs, () =>
    limit.abort(new SkeinError('deadline_exceeded', 'the cleanup did not finish in time')),
  )
  try {
    return await undo(limit.signal)
  } finally {
    cancel()
  }
}

/** Whether the store's response means that it created nothing. */
function isRefused(thrown: unknown): boolean {
  const { code, reason } = toSkeinError(thrown)
  if (reason === 'answer_not_understood') return false
  return (
    code === 'permission_denied' ||
    code === 'unauthenticated' ||
    code === 'not_found' ||
    code === 'unimplemented' ||
    reason === 'slow_down'
  )
}
