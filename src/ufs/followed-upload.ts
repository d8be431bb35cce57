// Why: an upload is held for minutes, and the definition of its namespace may change meanwhile: the
// old store must get nothing more, and is closed only when nobody uses it. How: the upload is given
// up the moment the definition is retired, and whoever uses it then is told so.
import type { ObjectInfo, ObjectUpload, UploadConditions } from './under-file-system.ts'

export interface FollowedUploadParts {
  /** Aborted when the definition changes. */
  readonly retired: AbortSignal
  readonly otherDefinition: () => Error
  /** Called once, when the upload is finished or given up. */
  readonly onEnd: () => void
}

export class FollowedUpload implements ObjectUpload {
  readonly #upload: ObjectUpload
  readonly #parts: FollowedUploadParts
  readonly #onRetired = (): void => void this.abort()
  #isEnded = false

  constructor(upload: ObjectUpload, parts: FollowedUploadParts) {
    this.#upload = upload
    this.#parts = parts
    if (parts.retired.aborted) this.#onRetired()
    else parts.retired.addEventListener('abort', this.#onRetired, { once: true })
  }

  get length(): number {
    return this.#upload.length
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#unlessRetired(() => this.#upload.write(chunk))
  }

  seal(): Promise<void> {
    return this.#unlessRetired(() => this.#upload.seal())
  }

  async finish(conditions: UploadConditions, signal: AbortSignal): Promise<ObjectInfo> {
    const finished = await this.#unlessRetired(() => this.#upload.finish(conditions, signal))
    this.#end()
    return finished
  }

  async abort(): Promise<void> {
    await this.#upload.abort()
    this.#end()
  }

  async #unlessRetired<Result>(act: () => Promise<Result>): Promise<Result> {
    const { retired, otherDefinition } = this.#parts
    if (retired.aborted) throw otherDefinition()
    try {
      return await act()
    } catch (thrown) {
      throw retired.aborted ? otherDefinition() : thrown
    }
  }

  #end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#parts.retired.removeEventListener('abort', this.#onRetired)
    this.#parts.onEnd()
  }
}
