// Why: the parts of an upload arrive at any door, in any order, and must be found by all of them
// until somebody completes the upload or nobody does. How: files that only doors see (`.skein/`,
// see client/file-system.ts): one for the upload, and one for each part. Both have a TTL, so what
// is left behind goes by itself, and no door has to remember anything.
//   .skein/uploads/open/<id>             no bytes; what the object will have, as metadata
//   .skein/uploads/parts/<id>/<number>   the bytes of a part, with the digests that clients know
// A pending file of the master would be no place for them: it has one writer, in order.
import { randomBytes } from 'node:crypto'
import { isSkeinError } from '../../../base/errors.ts'
import { internalKeyPrefix } from '../../../base/paths.ts'
import type { CallSignal, FileStatus, FileSystem } from '../../../client/file-system.ts'
import { s3Error } from '../answer/error-table.ts'
import type { ObjectAddress } from '../request/object-address.ts'
import { bucketFailure, pathOf } from '../objects/object-access.ts'
import { type UploadRecord, uploadMetadata, uploadRecord } from './upload-metadata.ts'

const openFolder = `${internalKeyPrefix}uploads/open/`
const partsFolder = `${internalKeyPrefix}uploads/parts/`
const idPattern = /^[0-9a-f]{32}$/
const timeDigits = 12
const randomIdBytes = 10
const partDigits = 5

/** Ids are in the order of their times. */
export function newUploadId(nowMs: number): string {
  return nowMs.toString(16).padStart(timeDigits, '0') + randomBytes(randomIdBytes).toString('hex')
}

export function partKey(uploadId: string, number: number): string {
  return `${partsFolder}${uploadId}/${partName(number)}`
}

export function partName(number: number): string {
  return String(number).padStart(partDigits, '0')
}

export class UploadRecords {
  readonly #fileSystem: FileSystem
  readonly #bucket: string
  readonly #options: CallSignal

  constructor(fileSystem: FileSystem, bucket: string, options: CallSignal) {
    this.#fileSystem = fileSystem
    this.#bucket = bucket
    this.#options = { ...(options.signal !== undefined && { signal: options.signal }) }
  }

  /** Begins an upload, or replaces what is known of it. @throws S3 NoSuchBucket */
  async put(record: UploadRecord, expiryMs: number): Promise<void> {
    try {
      const output = await this.#fileSystem.create(this.#path(openFolder + record.id), {
        ...uploadMetadata(record),
        ...this.#options,
        ifExists: 'overwrite',
        ttl: { ms: expiryMs, action: 'DELETE' },
      })
      await output.close()
    } catch (thrown) {
      throw await bucketFailure(thrown, this.#fileSystem, this.#bucket, this.#options)
    }
  }

  /** Also one that was completed. @throws S3 NoSuchUpload, NoSuchBucket */
  async find(key: string, id: string | undefined): Promise<UploadRecord> {
    if (id === undefined || !idPattern.test(id)) throw s3Error('NoSuchUpload')
    try {
      const record = uploadRecord(await this.#fileSystem.stat(this.#path(openFolder + id), this.#options))
      if (record?.key === key) return record
    } catch (thrown) {
      const failure = await bucketFailure(thrown, this.#fileSystem, this.#bucket, this.#options)
      if (!isSkeinError(failure, 'not_found') || failure.reason !== undefined) throw failure
    }
    throw s3Error('NoSuchUpload')
  }

  /** One that takes parts. @throws S3 NoSuchUpload, NoSuchBucket */
  async findOpen(key: string, id: string | undefined): Promise<UploadRecord> {
    const record = await this.find(key, id)
    if (record.completed !== undefined) throw s3Error('NoSuchUpload')
    return record
  }

  /** All that take parts, in the order of their ids. @throws S3 NoSuchBucket */
  async *open(): AsyncGenerator<UploadRecord> {
    for await (const status of this.#list(openFolder, {})) {
      const record = uploadRecord(status)
      if (record !== undefined && record.completed === undefined) yield record
    }
  }

  /** Its parts, by their numbers. @param after numbers up to this one are left out */
  async *parts(id: string, after = 0, pageSize = 1000): AsyncGenerator<{ number: number; status: FileStatus }> {
    const start = after === 0 ? {} : { startAfter: partName(after) }
    for await (const status of this.#list(`${partsFolder}${id}/`, { ...start, pageSize }))
      yield { number: Number(status.name), status }
  }

  /** Ends an upload: first nobody can find it, then its parts go. */
  async remove(id: string): Promise<void> {
    await this.#delete(openFolder + id, false)
    await this.removeParts(id)
  }

  async removeParts(id: string): Promise<void> {
    await this.#delete(`${partsFolder}${id}/`, true)
  }

  async removePart(id: string, number: number): Promise<void> {
    await this.#delete(partKey(id, number), false)
  }

  partAddress(id: string, number: number): ObjectAddress {
    return { bucket: this.#bucket, key: partKey(id, number) }
  }

  async #delete(key: string, recursive: boolean): Promise<void> {
    try {
      await this.#fileSystem.delete(this.#path(key), { recursive, ...this.#options })
    } catch (thrown) {
      if (!isSkeinError(thrown, 'not_found')) throw thrown
    }
  }

  async *#list(
    folder: string,
    options: { readonly startAfter?: string; readonly pageSize?: number },
  ): AsyncGenerator<FileStatus> {
    try {
      for await (const page of this.#fileSystem.list(this.#path(folder), { ...options, ...this.#options })) yield* page
    } catch (thrown) {
      const failure = await bucketFailure(thrown, this.#fileSystem, this.#bucket, this.#options)
      if (!isSkeinError(failure, 'not_found') || failure.reason !== undefined) throw failure
    }
  }

  #path(key: string): string {
    return pathOf({ bucket: this.#bucket, key })
  }
}
