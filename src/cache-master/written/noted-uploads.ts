// Why: bytes of a file's object may be at the store before the file is complete, and only one
// worker can make the object of them. How: that worker says so, and it is remembered until the file
// ends. In memory: after a start of the master such a file is refused, and written again.
import { SkeinError } from '../../base/errors.ts'
import type { PendingInode } from '../../meta/meta-tables.ts'
import type { CompleteFileRequest } from '../../wire/generated/lifecycle.ts'

/** Who has the bytes, and how many. */
export interface NotedUpload {
  readonly workerId: string
  readonly length: number
}

/** So many may be kept before those are looked for that nobody writes any more. */
const sweepFilesMin = 1000

/** @throws SkeinError failed_precondition, invalid_argument: it cannot become what it is to */
export function checkUploaded(
  { key }: PendingInode,
  upload: NotedUpload,
  { length, contentType, userMetadata }: CompleteFileRequest,
): void {
  if (upload.length !== length) {
    const message = `${upload.length} bytes of ${key} were sent to the store, not ${length}: write the file again`
    throw new SkeinError('failed_precondition', message, { reason: 'blocks_differ' })
  }
  if (contentType !== undefined || userMetadata !== undefined)
    throw new SkeinError('invalid_argument', `the metadata of ${key} are at the store already: give them to CreateFile`)
}

export class NotedUploads {
  readonly #files = new Map<number, NotedUpload>()
  readonly #isPending: (fileId: number) => boolean
  #sweepAt = sweepFilesMin

  constructor(isPending: (fileId: number) => boolean) {
    this.#isPending = isPending
  }

  /** @throws SkeinError already_exists with another worker or length */
  note({ id, key }: PendingInode, upload: NotedUpload): void {
    const known = this.#files.get(id)
    if (known !== undefined && (known.workerId !== upload.workerId || known.length !== upload.length))
      throw new SkeinError('already_exists', `the object of ${key} was sent before, with ${known.length} bytes`)
    if (this.#files.size >= this.#sweepAt) {
      for (const fileId of this.#files.keys()) if (!this.#isPending(fileId)) this.#files.delete(fileId)
      this.#sweepAt = Math.max(sweepFilesMin, 2 * this.#files.size)
    }
    this.#files.set(id, upload)
  }

  of(fileId: number): NotedUpload | undefined {
    return this.#files.get(fileId)
  }

  /** @returns what was known of it */
  forget(fileId: number): NotedUpload | undefined {
    const known = this.#files.get(fileId)
    this.#files.delete(fileId)
    return known
  }
}
