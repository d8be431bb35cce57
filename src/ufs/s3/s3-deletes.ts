// Why: objects are deleted in one version, or in whichever is there. How: with If-Match where the
// store supports it. When a response is lost, an earlier attempt may have deleted the version
// before another client wrote the key.
import type { Clock } from '../../base/clock.ts'
import { isSkeinError, toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { changedError } from '../rename-by-copy.ts'
import type { ObjectInfo } from '../under-file-system.ts'
import type { ObjectCalls } from './object-calls.ts'
import type { ObjectRequests } from './request/write-requests.ts'
import { undoing } from './upload-cleanup.ts'

export interface S3DeletesParts extends ObjectCalls {
  readonly objects: Pick<ObjectRequests, 'delete'>
  readonly clock: Clock
  readonly logger: Logger
}

export class S3Deletes {
  readonly #parts: S3DeletesParts
  /** Whether the store supports If-Match on deletes, as far as is known. */
  #conditional = true

  constructor(parts: S3DeletesParts) {
    this.#parts = parts
  }

  /** See UnderFileSystem.delete. */
  async delete(key: string, etag: string | undefined, signal: AbortSignal): Promise<void> {
    const { objects, find, send } = this.#parts
    if (etag !== undefined) {
      const found = await find(key, signal)
      if (found === undefined) return
      if (found.etag !== etag || (await this.deleteVersion(key, etag, signal)) === 'changed') throw changedError(key)
      return
    }
    try {
      await send('DELETE', key, signal, (abortSignal) => objects.delete(key, undefined, abortSignal))
    } catch (thrown) {
      if (!isSkeinError(thrown, 'not_found') || thrown.reason !== undefined) throw thrown
    }
  }

  /** See RenameSteps in rename-by-copy.ts. */
  async deleteVersion(key: string, etag: string, signal: AbortSignal): Promise<'deleted' | 'changed'> {
    const { objects, find, send } = this.#parts
    let attempts = 0
    // Of the last request: another delete may find out meanwhile that the store knows no condition.
    let hadCondition = false
    const attempt = (): Promise<unknown> =>
      send('DELETE', key, signal, (abortSignal) => {
        attempts += 1
        hadCondition = this.#conditional
        return objects.delete(key, hadCondition ? etag : undefined, abortSignal)
      })
    try {
      await attempt().catch((thrown: unknown) => {
        if (!hadCondition || !isSkeinError(thrown, 'unimplemented')) throw thrown
        this.#conditional = false
        attempts = 0
        return attempt()
      })
      return 'deleted'
    } catch (thrown) {
      if (isSkeinError(thrown, 'not_found') && thrown.reason === undefined) return 'deleted'
      if (!isSkeinError(thrown, 'aborted', 'object_changed')) throw thrown
      if ((await find(key, signal)) === undefined) return 'deleted'
      // An earlier attempt may have deleted it before another client wrote the key.
      if (attempts === 1) return 'changed'
      throw thrown
    }
  }

  /** Removes the copy of a failed rename if it is unchanged. Never throws. */
  async undoCopy({ key, etag }: ObjectInfo): Promise<void> {
    const { clock, logger, find } = this.#parts
    try {
      await undoing(clock, async (signal) => {
        if ((await find(key, signal))?.etag === etag) await this.deleteVersion(key, etag, signal)
      })
    } catch (thrown) {
      logger.warn('could not remove the copy of a failed rename', { key, error: toSkeinError(thrown) })
    }
  }
}
