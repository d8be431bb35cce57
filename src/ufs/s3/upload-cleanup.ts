// Why: the parts of an upload that nobody ends are paid for until somebody looks. How: whoever
// writes by an upload tells this of each try to begin one. At the end what was begun is aborted,
// also where the answer to a try was lost or could not be read: then the store's list of uploads of
// the key says which have begun since.
import type { Clock } from '../../base/clock.ts'
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { ObjectRequests } from './request/object-requests.ts'
import { requestName } from '../trust/s3-errors.ts'

export interface UploadCleanupContext {
  readonly objects: Pick<ObjectRequests, 'abortUpload' | 'uploads' | 'storeNowMs'>
  readonly clock: Clock
  readonly logger: Logger
  /** Sends with the store's retries, its gate and its errors. */
  readonly retrying: <T>(
    signal: AbortSignal,
    what: string,
    send: (abortSignal: AbortSignal) => Promise<T>,
  ) => Promise<T>
}

const undoMs = 30_000
/**
 * What the clocks of a store's machines may differ by, and the second that its times are cut to.
 */
const skewMs = 2000

export class UploadCleanup {
  readonly #key: string
  readonly #context: UploadCleanupContext
  readonly #beganMs: number
  /** Tries to begin an upload of which nobody knows whether they did. */
  #unknown = 0
  #uploadId: string | undefined

  constructor(key: string, context: UploadCleanupContext) {
    this.#key = key
    this.#context = context
    this.#beganMs = context.clock.monotonicMs()
  }

  /** One try to begin the upload. @returns its id @throws what the try throws */
  async begin(beginning: () => Promise<string>): Promise<string> {
    try {
      this.#uploadId = await beginning()
      return this.#uploadId
    } catch (thrown) {
      if (!isRefused(thrown)) this.#unknown += 1
      throw thrown
    }
  }

  /** Ends what is open. Throws nothing. */
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
        'the uploads of an object could not be listed: ' +
          'one that was begun may stay in the bucket until its lifecycle rules remove it',
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
      // Gone is what is wanted.
      if (isSkeinError(thrown, 'not_found')) return
      this.#warn(
        'an upload could not be aborted: its parts stay in the bucket until its lifecycle rules remove them',
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
 * Undoes something, in bounded time, and not with the caller's signal: that is often why there is
 * something to undo.
 */
export async function undoing<T>(clock: Clock, undo: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const limit = new AbortController()
  const cancel = clock.schedule(undoMs, () =>
    limit.abort(new SkeinError('deadline_exceeded', 'what was begun could not be undone in time')),
  )
  try {
    return await undo(limit.signal)
  } finally {
    cancel()
  }
}

/** Whether the store, by its answer, has not begun anything. */
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
