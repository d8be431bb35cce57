// Why: write to COS and every S3 store. How: small objects in one PUT, larger ones as a multipart
// upload (request/sdk-requests.ts). An upload that was, or may have been, created is aborted after
// any failure (upload-cleanup.ts). A create that must not overwrite checks for the object first,
// and also sends the condition if the store supports it. When a response is lost, the ETag shows
// whether the write happened: it is the MD5 of the bytes, or of the parts' MD5s with `-<count>`
// ("Checking object integrity", Amazon S3 User Guide). Renames: rename-by-copy.ts.
import { createHash, hash } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import { exactParts, sendAll } from './exact-parts.ts'
import {
  changedError,
  existsError,
  hasSameBytes,
  renameByCopy,
  renameOverByCopy,
  type RenameSteps,
} from '../rename-by-copy.ts'
import { partBytesMax, partBytesMin, partsMax } from './part-buffer.ts'
import { S3Upload, type S3UploadParts } from './s3-upload.ts'
import type { Body, ObjectRequests } from './request/write-requests.ts'
import { requestName } from '../trust/s3-errors.ts'
import type { S3Options } from '../store-options.ts'
import type {
  ObjectInfo,
  ObjectUpload,
  ReplacingVersions,
  UnderFileSystem,
  UploadConditions,
  UploadOptions,
  WriteOptions,
} from '../under-file-system.ts'
import { ConditionalCreates, type ConditionalCreatesParts } from './conditional-creates.ts'
import { S3Deletes, type S3DeletesParts } from './s3-deletes.ts'
import { UploadCleanup } from './upload-cleanup.ts'

const mebibyte = 1024 * 1024
const partBytesDefault = 16 * mebibyte
/** The largest object that CopyObject accepts. */
const copyBytesMaxDefault = 5 * 1024 * mebibyte

export interface S3WriterContext {
  readonly options: S3Options
  readonly objects: ObjectRequests
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: MetricRegistry
  /** Sends with the store's retries, SlowDown gate and error messages. */
  readonly retrying: <T>(
    signal: AbortSignal,
    what: string,
    send: (abortSignal: AbortSignal) => Promise<T>,
  ) => Promise<T>
  readonly store: Pick<UnderFileSystem, 'stat' | 'read'>
  /**
   * Larger objects are copied by reading and writing them. Default: the limit of the store's own
   * copy.
   */
  readonly copyBytesMax?: number | undefined
}

export class S3Writer {
  readonly #context: S3WriterContext
  readonly #creates: ConditionalCreates
  readonly #deletes: S3Deletes
  readonly #renameSteps: RenameSteps
  readonly #uploadParts: S3UploadParts

  constructor(context: S3WriterContext) {
    this.#context = context
    const parts = {
      ...context,
      find: (key, signal) => this.#find(key, signal),
      send: (verb, key, signal, send) => this.#send(verb, key, signal, send),
    } satisfies ConditionalCreatesParts & S3DeletesParts
    this.#creates = new ConditionalCreates(parts)
    this.#deletes = new S3Deletes(parts)
    this.#uploadParts = {
      ...{ ...parts, creates: this.#creates },
      checked: (key, conditions, signal) => this.#checked(key, conditions, signal),
      written: (key, length, etag, signal) => this.#written(key, length, etag, signal),
    }
    this.#renameSteps = {
      find: (key, signal) => this.#find(key, signal),
      copyNew: (source, to, signal) => this.#copyVersion(source, to, undefined, signal),
      copyOver: (source, to, replaces, signal) => this.#copyVersion(source, to, replaces, signal),
      deleteVersion: (key, etag, signal) => this.#deletes.deleteVersion(key, etag, signal),
      undo: (copied) => this.#deletes.undoCopy(copied),
    }
  }

  /** See UnderFileSystem.write. */
  async write(
    key: string,
    length: number,
    chunks: AsyncIterable<Uint8Array>,
    options: WriteOptions,
    signal: AbortSignal,
  ): Promise<ObjectInfo> {
    if (!Number.isSafeInteger(length) || length < 0 || key === '') {
      throw new SkeinError('invalid_argument', `${JSON.stringify(key)} of ${length} bytes cannot be written`)
    }
    const checked = await this.#checked(key, options, signal)
    const partBytes = partBytesFor(length, options.partBytes)
    const parts = exactParts(chunks, length, partBytes, signal)
    const written = await (length <= partBytes
      ? this.#putWhole(key, parts, checked, signal)
      : this.#putParts(key, length, parts, checked, signal))
    this.#context.metrics.add('skein_ufs_written_bytes_total', length)
    return written
  }

  /** See UnderFileSystem.beginUpload. */
  beginUpload(key: string, options: UploadOptions, signal: AbortSignal): ObjectUpload {
    if (key === '') throw new SkeinError('invalid_argument', 'an object without a name cannot be written')
    return new S3Upload(key, options, this.#uploadParts, signal)
  }

  /** What may be replaced; where there is no object, the write must create it. */
  async #checked<Conditions extends UploadConditions>(
    key: string,
    options: Conditions,
    signal: AbortSignal,
  ): Promise<Conditions> {
    if (options.overwrite && options.replaces === undefined) return options
    const found = await this.#find(key, signal)
    if (found === undefined) return { ...options, overwrite: false, replaces: undefined }
    if (!options.overwrite) throw existsError(key)
    if (found.etag !== options.replaces) throw changedError(key)
    return options
  }

  /** The object in the store, if it is the one that was written. */
  async #written(key: string, length: number, etag: string, signal: AbortSignal): Promise<ObjectInfo> {
    const written = await this.#context.store.stat(key, signal)
    if (written.length === length && written.etag === etag) return written
    throw new SkeinError(
      'aborted',
      `${JSON.stringify(key)} is not the object that was written: another client wrote it at the same time`,
      {
        reason: 'object_changed',
        retryable: false,
      },
    )
  }

  /** See UnderFileSystem.delete. */
  delete(key: string, signal: AbortSignal, etag?: string): Promise<void> {
    return this.#deletes.delete(key, etag, signal)
  }

  /** See UnderFileSystem.copy. */
  async copy(from: string, to: string, signal: AbortSignal): Promise<ObjectInfo> {
    const { store, objects } = this.#context
    const source = await store.stat(from, signal)
    if (from === to) return source
    if (source.length > this.#copyBytesMax) return await this.#copyBytes(source, to, { overwrite: true }, signal)
    await this.#send('COPY', from, signal, (abortSignal) => objects.copy(source, to, {}, abortSignal))
    const copied = await store.stat(to, signal)
    if (copied.length === source.length) return copied
    throw notWhatWasCopied(to)
  }

  /** See UnderFileSystem.rename. */
  rename(from: string, to: string, etag: string, signal: AbortSignal): Promise<ObjectInfo> {
    return renameByCopy(this.#renameSteps, from, to, etag, signal)
  }

  /** See UnderFileSystem.renameOver. */
  renameOver(from: string, to: string, versions: ReplacingVersions, signal: AbortSignal): Promise<ObjectInfo> {
    return renameOverByCopy(this.#renameSteps, from, to, versions, signal)
  }

  /** @param replaces undefined: the key must not exist */
  async #copyVersion(
    source: ObjectInfo,
    to: string,
    replaces: string | undefined,
    signal: AbortSignal,
  ): Promise<ObjectInfo> {
    const { store, objects } = this.#context
    const options = { overwrite: replaces !== undefined, replaces }
    if (source.length > this.#copyBytesMax) return await this.#copyBytes(source, to, options, signal)
    let attempts = 0
    const copying = this.#creates.create(to, options, source, signal, async (condition, abortSignal) => {
      attempts += 1
      // Some stores do not know the condition, and an earlier attempt may have made the copy.
      const there = attempts === 1 ? undefined : await this.#findOnce(to, abortSignal)
      if (there === undefined || there.etag === replaces) return await objects.copy(source, to, condition, abortSignal)
      if (!hasSameBytes(source, there)) throw replaces === undefined ? existsError(to) : changedError(to)
      return there.etag
    })
    const etag = await copying.catch(async (thrown: unknown) => {
      // Both conditions have the same refusal.
      if (isSkeinError(thrown, 'already_exists') && (await this.#find(to, signal)) === undefined)
        throw changedError(source.key)
      throw thrown
    })
    const copied = await store.stat(to, signal)
    const isCopy =
      etag === undefined ? copied.length === source.length : copied.etag === etag || hasSameBytes(source, copied)
    if (isCopy && copied.length === source.length) return copied
    throw notWhatWasCopied(to)
  }

  get #copyBytesMax(): number {
    return this.#context.copyBytesMax ?? copyBytesMaxDefault
  }

  /** Reads and writes the bytes of an object that the store does not copy itself. */
  #copyBytes(
    { key, etag, length, metadata }: ObjectInfo,
    to: string,
    options: WriteOptions,
    signal: AbortSignal,
  ): Promise<ObjectInfo> {
    const bytes = this.#context.store.read({ key, etag, offset: 0, length, objectLength: length }, signal)
    return this.write(to, length, bytes, { ...options, metadata }, signal)
  }

  async #putWhole(
    key: string,
    parts: AsyncGenerator<Buffer>,
    options: WriteOptions,
    signal: AbortSignal,
  ): Promise<ObjectInfo> {
    const { value: bytes } = await parts.next()
    if (bytes === undefined) throw new SkeinError('internal', `no bytes for ${JSON.stringify(key)}`)
    const body = bodyOf(bytes)
    const whole = { length: bytes.length, etag: body.md5.toString('hex') }
    const etag = await this.#creates.create(key, options, whole, signal, (condition, abortSignal) =>
      this.#context.objects.put(key, body, options.metadata ?? {}, condition, abortSignal),
    )
    return await this.#written(key, whole.length, etag ?? whole.etag, signal)
  }

  async #putParts(
    key: string,
    length: number,
    parts: AsyncGenerator<Buffer>,
    options: WriteOptions,
    signal: AbortSignal,
  ): Promise<ObjectInfo> {
    const { objects } = this.#context
    const cleanup = new UploadCleanup(key, this.#context)
    try {
      const uploadId = await this.#send('CREATE UPLOAD', key, signal, (abortSignal) =>
        cleanup.begin(() => objects.beginUpload(key, options.metadata ?? {}, abortSignal)),
      )
      const digests: Buffer[] = []
      const etags: string[] = []
      await sendAll(parts, signal, async (bytes, index, ending) => {
        const body = bodyOf(bytes)
        const etag = await this.#send(`PART ${index + 1}`, key, ending, (abortSignal) =>
          objects.putPart(key, uploadId, index + 1, body, abortSignal),
        )
        digests[index] = body.md5
        etags[index] = etag ?? body.md5.toString('hex')
      })
      const whole = { length, etag: `${hash('md5', Buffer.concat(digests))}-${digests.length}` }
      // The parts took their time, and not every store knows the condition.
      const now = options.replaces === undefined ? options : await this.#checked(key, options, signal)
      const etag = await this.#creates.create(key, now, whole, signal, (condition, abortSignal) =>
        objects.completeUpload(key, uploadId, etags, condition, abortSignal),
      )
      // Ceph's gateway returns an empty ETag here.
      const written = await this.#written(key, length, etag ?? whole.etag, signal)
      await cleanup.end('completed')
      return written
    } catch (thrown) {
      await cleanup.end('failed')
      throw thrown
    }
  }

  /** Runs within the attempts of another request, so its errors are not retried here. */
  async #findOnce(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    try {
      return await this.#find(key, signal)
    } catch (thrown) {
      const { code, message, reason } = toSkeinError(thrown)
      throw new SkeinError(code, message, { reason, retryable: false })
    }
  }

  async #find(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    try {
      return await this.#context.store.stat(key, signal)
    } catch (thrown) {
      if (isSkeinError(thrown, 'not_found')) return undefined
      throw thrown
    }
  }

  #send<T>(verb: string, key: string, signal: AbortSignal, send: (abortSignal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#context.retrying(signal, requestName(verb, key), (abortSignal) => {
      this.#context.metrics.add('skein_ufs_requests_total', 1, { operation: 'write' })
      return send(abortSignal)
    })
  }
}

function bodyOf(bytes: Buffer): Body {
  return { bytes, md5: createHash('md5').update(bytes).digest() }
}

function partBytesFor(length: number, wanted = partBytesDefault): number {
  return Math.min(partBytesMax, Math.max(partBytesMin, Math.floor(wanted), Math.ceil(length / partsMax)))
}

function notWhatWasCopied(key: string): SkeinError {
  return new SkeinError('aborted', `${JSON.stringify(key)} is not the object that was copied`, {
    reason: 'object_changed',
    retryable: false,
  })
}
