// Why: an object that changes or disappears during its load must be loaded again in its new
// version. Versions must never be mixed. How: the master looks the object up once per file, however
// many of its blocks failed. The result is a replacement for the job master, or an error for each
// block if the master could not decide.
import { type Clock, type Random } from '../../base/clock.ts'
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import { retry, type RetryPolicy } from '../../base/flow/retry.ts'
import type { FileReplacement, SetPiece } from '../../wire/generated/job.ts'
import type { MasterServiceDefinition } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'

export interface FileRefreshOptions {
  readonly master: Pick<Service<MasterServiceDefinition>, 'refreshFile'>
  readonly clock: Clock
  readonly random: Random
  /** How long to retry when the master does not answer. */
  readonly policy: RetryPolicy
}

/** Whether a read error means that the store no longer has this version. */
export function isChange(error: SkeinError): boolean {
  return error.code === 'not_found' || isSkeinError(error, 'aborted', 'object_changed')
}

/** Changed files of one set. */
export class FileRefresh {
  readonly #options: FileRefreshOptions
  readonly #namespaceId: string
  readonly #stagingId: string | undefined
  readonly #replacements: FileReplacement[]
  readonly #asked = new Map<number, Promise<SkeinError | undefined>>()

  /** @param stagingId set for an atomic load, whose new versions are hidden from others */
  constructor(options: FileRefreshOptions, namespaceId: string, replacements: FileReplacement[], stagingId?: string) {
    this.#options = options
    this.#namespaceId = namespaceId
    this.#replacements = replacements
    this.#stagingId = stagingId
  }

  /** Undefined if no change of the file is known; else the result of `refresh`. */
  known(fileId: number): Promise<SkeinError | undefined> | undefined {
    return this.#asked.size === 0 ? undefined : this.#asked.get(fileId)
  }

  /**
   * Asks the master about the file, once.
   * @returns undefined when the file has a replacement and its blocks need no report; else the
   *   error to report for each of its blocks
   */
  refresh(piece: SetPiece, signal: AbortSignal): Promise<SkeinError | undefined> {
    const asked = this.#asked.get(piece.fileId)
    if (asked !== undefined) return asked
    const asking = this.#ask(piece, signal)
    this.#asked.set(piece.fileId, asking)
    return asking
  }

  async #ask(piece: SetPiece, signal: AbortSignal): Promise<SkeinError | undefined> {
    const staging = this.#stagingId === undefined ? {} : { stagingId: this.#stagingId }
    const request = { namespaceId: this.#namespaceId, key: piece.key, ...staging }
    try {
      const { file } = await retry(() => this.#options.master.refreshFile(request, { signal }), {
        ...this.#options,
        signal,
      })
      if (file === undefined) return new SkeinError('internal', `the master's answer has no entry for ${piece.key}`)
      if (file.problem !== '') return new SkeinError('failed_precondition', file.problem)
      if (file.fileId === piece.fileId) {
        return new SkeinError('aborted', `${piece.key}: the store returned another version than it lists`, {
          reason: 'object_changed',
        })
      }
      const { fileId, key, etag, length, blockSizeBytes } = file
      this.#replacements.push({ oldFileId: piece.fileId, fileId, key, etag, length, blockSizeBytes })
      return undefined
    } catch (thrown) {
      const error = toSkeinError(thrown)
      // With a reason, the bucket or the namespace is missing, not the object.
      if (error.code !== 'not_found' || error.reason !== undefined) return error
      this.#replacements.push({
        oldFileId: piece.fileId,
        fileId: 0,
        key: piece.key,
        etag: '',
        length: 0,
        blockSizeBytes: 0,
      })
      return undefined
    }
  }
}
