// Why: a write must not replace what another client put there, and not every store knows the
// conditions for that. How: the condition is sent until the store refuses it as unknown, or refuses
// a version that is there; from then on the caller's own look right before the write has to do.
import { isSkeinError, toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { changedError, existsError } from '../rename-by-copy.ts'
import type { WriteOptions } from '../under-file-system.ts'
import type { ObjectCalls } from './object-calls.ts'
import type { WriteCondition } from './request/write-requests.ts'

export interface ConditionalCreatesParts extends ObjectCalls {
  readonly logger: Logger
}

export class ConditionalCreates {
  readonly #parts: ConditionalCreatesParts
  /** Whether the store supports If-None-Match and If-Match on writes, as far as is known. */
  #conditional = true
  #conditionalReplaces = true

  constructor(parts: ConditionalCreatesParts) {
    this.#parts = parts
  }

  /**
   * Sends the request that creates the object, with the condition if it is wanted and supported. If
   * the response of an earlier attempt was lost, the existing object may be the result of that
   * attempt.
   * @param wanted what the object is then; with a key: it is a copy of this object
   */
  async create(
    key: string,
    { overwrite, replaces }: WriteOptions,
    wanted: { readonly length: number; readonly etag: string; readonly key?: string },
    signal: AbortSignal,
    send: (condition: WriteCondition, abortSignal: AbortSignal) => Promise<string | undefined>,
  ): Promise<string | undefined> {
    let attempts = 0
    // Of the last request: another write may find out meanwhile that the store knows no condition.
    let hadCondition = false
    const attempt = (): Promise<string | undefined> =>
      this.#parts.send('PUT', key, signal, (abortSignal) => {
        attempts += 1
        const condition = {
          isNew: !overwrite && this.#conditional,
          replaces: overwrite && this.#conditionalReplaces ? replaces : undefined,
        }
        hadCondition = condition.isNew || condition.replaces !== undefined
        return send(condition, abortSignal)
      })
    try {
      return await attempt().catch(async (thrown: unknown) => {
        const isUnknown = isSkeinError(thrown, 'unimplemented')
        if (!hadCondition || !(isUnknown || (await this.#isMisread(key, replaces, wanted, thrown, signal))))
          throw thrown
        if (overwrite) this.#conditionalReplaces = false
        else this.#conditional = false
        this.#parts.logger.info(
          'this store does not support conditional writes; Skein only checks for the object before a write',
        )
        return attempt()
      })
    } catch (thrown) {
      const error = toSkeinError(thrown)
      const isGone = replaces !== undefined && error.code === 'not_found' && error.reason === undefined
      const isChanged = error.code === 'aborted' && error.reason === 'object_changed'
      const refused = isGone || isChanged || error.code === 'already_exists'
      if (!refused && error.reason !== 'no_such_upload') throw error
      const found = attempts > 1 ? await this.#parts.find(key, signal) : undefined
      if (found?.length === wanted.length && found.etag === wanted.etag) return found.etag
      throw refused ? (overwrite ? changedError(key) : existsError(key)) : error
    }
  }

  /**
   * Whether a version was refused that is there. Ceph's gateway (radosgw 16.2) compares the header
   * of a write with its quotes, so that no version is the right one.
   */
  async #isMisread(
    key: string,
    replaces: string | undefined,
    source: { readonly key?: string; readonly etag: string },
    thrown: unknown,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (replaces === undefined || !isSkeinError(thrown, 'aborted', 'object_changed')) return false
    // The source of a copy has a condition of its own, with the same refusal.
    if (source.key !== undefined && (await this.#parts.find(source.key, signal))?.etag !== source.etag) return false
    return (await this.#parts.find(key, signal))?.etag === replaces
  }
}
