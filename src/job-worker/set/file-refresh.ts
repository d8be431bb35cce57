// Why: an object that changed or vanished while it is loaded must start again as its new version,
// never be mixed. How: the master looks at the object once a file, however many blocks ran into the
// change; the answer is a replacement for the job master, or an error for each block where the
// master could not say.
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
  /** How long a master that does not answer is waited for. */
  readonly policy: RetryPolicy
}

/** Whether a read error says that the store no longer has this version. */
export function isChange(error: SkeinError): boolean {
  return error.code === 'not_found' || isSkeinError(error, 'aborted', 'object_changed')
}

/** The changed files of one set. */
export class FileRefresh {
  readonly #options: FileRefreshOptions
  readonly #namespaceId: string
  readonly #stagingId: string | undefined
  readonly #replacements: FileReplacement[]
  readonly #asked = new Map<number, Promise<SkeinError | undefined>>()

  /** `stagingId`: of an atomic load, whose new versions nobody else sees. */
  constructor(options: FileRefreshOptions, namespaceId: string, replacements: FileReplacement[], stagingId?: string) {
    this.#options = options
    this.#namespaceId = namespaceId
    this.#replacements = replacements
    this.#stagingId = stagingId
  }

  /** Undefined while the file is not known to have changed; else as `refresh` answers. */
  known(fileId: number): Promise<SkeinError | undefined> | undefined {
    return this.#asked.size === 0 ? undefined : this.#asked.get(fileId)
  }

  /**
   * Asks the master, once a file. Undefined: the file has a replacement now and its blocks need no
   * report. An error: what to report for each of its blocks.
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
      if (file === undefined)
        return new SkeinError('internal', `the answer of the master has no entry for ${piece.key}`)
      if (file.problem !== '') return new SkeinError('failed_precondition', file.problem)
      if (file.fileId === piece.fileId) {
        return new SkeinError('aborted', `${piece.key}: the store gave another version than it lists`, {
          reason: 'object_changed',
        })
      }
      const { fileId, key, etag, length, blockSizeBytes } = file
      this.#replacements.push({ oldFileId: piece.fileId, fileId, key, etag, length, blockSizeBytes })
      return undefined
    } catch (thrown) {
      const error = toSkeinError(thrown)
      // With a reason it is not the object that is gone, but its bucket or namespace.
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
