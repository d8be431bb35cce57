// Why: the length of what is written may be known only at its end. How: full parts are sent as
// they come, a few at once; the rest when the upload is sealed. Until it is completed nothing is
// seen. An object of at most 1 MiB is one PUT, sent at the end. The ETag of the whole is known here
// (the MD5 of the bytes, or of the parts' MD5s), so a second finish knows what the first one made.
import { createHash, hash } from 'node:crypto'
import { abortReason, type Clock, throwIfAborted } from '../../base/clock.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import type { ObjectInfo, ObjectUpload, UploadConditions, UploadOptions } from '../under-file-system.ts'
import type { ConditionalCreates } from './conditional-creates.ts'
import type { ObjectCalls } from './object-calls.ts'
import { growingPartBytes, PartBuffer, partsMax } from './part-buffer.ts'
import type { Body, ObjectRequests } from './request/write-requests.ts'
import { UploadCleanup, type UploadCleanupContext } from './upload-cleanup.ts'

const mebibyte = 1024 * 1024
const partBytesDefault = 8 * mebibyte
/** At most so many bytes are sent as one object at the end. */
const wholeBytesMax = mebibyte
/** On their way at once; one more part is being filled. A larger part goes alone. */
const sentBytesMax = 16 * mebibyte
/** "Amazon S3 multipart upload limits". */
const objectBytesMax = 5 * 1024 ** 4

export interface S3UploadParts extends ObjectCalls, UploadCleanupContext {
  readonly objects: ObjectRequests
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: MetricRegistry
  readonly creates: ConditionalCreates
  /** See S3Writer. */
  readonly checked: (key: string, conditions: UploadConditions, signal: AbortSignal) => Promise<UploadConditions>
  readonly written: (key: string, length: number, etag: string, signal: AbortSignal) => Promise<ObjectInfo>
}

export class S3Upload implements ObjectUpload {
  readonly #key: string
  readonly #options: UploadOptions
  readonly #parts: S3UploadParts
  readonly #cleanup: UploadCleanup
  readonly #ending = new AbortController()
  readonly #signal: AbortSignal
  readonly #sending = new Set<Promise<void>>()
  readonly #digests: Buffer[] = []
  readonly #etags: string[] = []
  #sentBytes = 0
  #length = 0
  #count = 0
  #part: PartBuffer
  #uploadId: string | undefined
  #failure: SkeinError | undefined
  #running: Promise<unknown> = Promise.resolve()
  #isSealed = false
  #mayBeThere = false
  #finished: ObjectInfo | undefined

  constructor(key: string, options: UploadOptions, parts: S3UploadParts, signal: AbortSignal) {
    this.#key = key
    this.#options = options
    this.#parts = parts
    this.#cleanup = new UploadCleanup(key, parts)
    this.#signal = AbortSignal.any([signal, this.#ending.signal])
    this.#part = this.#nextPart()
  }

  get length(): number {
    return this.#length
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#run(async () => {
      if (this.#isSealed) throw new SkeinError('internal', 'an upload that is sealed takes no more bytes')
      if (this.#length + chunk.length > objectBytesMax)
        throw new SkeinError('invalid_argument', `${JSON.stringify(this.#key)} is larger than an object can be (5 TiB)`)
      for (let from = 0; from < chunk.length;) {
        this.#throwFailure()
        const taken = this.#part.add(chunk.subarray(from))
        this.#length += taken
        from += taken
        if (this.#part.isFull) await this.#sendPart()
      }
    })
  }

  seal(): Promise<void> {
    return this.#run(() => this.#seal())
  }

  finish(conditions: UploadConditions, signal: AbortSignal): Promise<ObjectInfo> {
    return this.#run(async () => {
      if (this.#finished !== undefined) return this.#finished
      await this.#seal()
      const joined = AbortSignal.any([signal, this.#ending.signal])
      const finished = await this.#create(conditions, joined).catch(async (thrown: unknown) => {
        const made = this.#mayBeThere ? await this.#madeBefore(joined) : undefined
        this.#mayBeThere ||= !isRefused(toSkeinError(thrown))
        if (made === undefined) throw thrown
        return made
      })
      this.#finished = finished
      this.#part = new PartBuffer(0)
      this.#parts.metrics.add('skein_ufs_written_bytes_total', this.#length)
      await this.#cleanup.end('completed')
      return finished
    })
  }

  async abort(): Promise<void> {
    this.#ending.abort(new SkeinError('cancelled', 'the upload was given up'))
    await this.#running
    await Promise.all(this.#sending)
    this.#part = new PartBuffer(0)
    if (this.#finished === undefined) await this.#cleanup.end('failed')
  }

  #run<Result>(act: () => Promise<Result>): Promise<Result> {
    if (this.#finished === undefined && this.#ending.signal.aborted)
      return Promise.reject(abortReason(this.#ending.signal))
    const running = act()
    this.#running = running.catch(() => undefined)
    return running
  }

  async #seal(): Promise<void> {
    this.#throwFailure()
    const isSmall = this.#count === 0 && this.#length <= wholeBytesMax
    if (!this.#isSealed && !isSmall && this.#part.length > 0) await this.#sendPart()
    this.#isSealed = true
    await Promise.all(this.#sending)
    this.#throwFailure()
  }

  async #sendPart(): Promise<void> {
    const bytes = this.#part.bytes
    while (this.#sentBytes > 0 && this.#sentBytes + bytes.length > sentBytesMax) await Promise.race(this.#sending)
    this.#throwFailure()
    if (this.#count >= partsMax)
      throw new SkeinError('invalid_argument', `${JSON.stringify(this.#key)} has more than ${partsMax} parts`)
    const uploadId = (this.#uploadId ??= await this.#begin())
    const index = this.#count
    this.#count += 1
    this.#part = this.#nextPart()
    this.#sentBytes += bytes.length
    const sending: Promise<void> = this.#put(bytes, index, uploadId)
      .catch((thrown: unknown) => void (this.#failure ??= toSkeinError(thrown)))
      .finally(() => {
        this.#sending.delete(sending)
        this.#sentBytes -= bytes.length
      })
    this.#sending.add(sending)
  }

  async #put(bytes: Buffer, index: number, uploadId: string): Promise<void> {
    const { objects, send } = this.#parts
    const body = bodyOf(bytes)
    const etag = await send(`PART ${index + 1}`, this.#key, this.#signal, (abortSignal) =>
      objects.putPart(this.#key, uploadId, index + 1, body, abortSignal),
    )
    this.#digests[index] = body.md5
    this.#etags[index] = etag ?? body.md5.toString('hex')
  }

  #begin(): Promise<string> {
    const { objects, send } = this.#parts
    return send('CREATE UPLOAD', this.#key, this.#signal, (abortSignal) =>
      this.#cleanup.begin(() => objects.beginUpload(this.#key, this.#options.metadata ?? {}, abortSignal)),
    )
  }

  async #create(conditions: UploadConditions, signal: AbortSignal): Promise<ObjectInfo> {
    const { objects, creates, checked, written } = this.#parts
    const now = await checked(this.#key, conditions, signal)
    const uploadId = this.#uploadId
    const whole = { length: this.#length, etag: this.#etag }
    const body = uploadId === undefined ? bodyOf(this.#part.bytes) : undefined
    const etag = await creates.create(this.#key, now, whole, signal, (condition, abortSignal) =>
      uploadId === undefined || body !== undefined
        ? objects.put(this.#key, body ?? bodyOf(Buffer.alloc(0)), this.#options.metadata ?? {}, condition, abortSignal)
        : objects.completeUpload(this.#key, uploadId, this.#etags, condition, abortSignal),
    )
    this.#mayBeThere = true
    return await written(this.#key, this.#length, etag ?? whole.etag, signal)
  }

  /** The object, if it is certainly the one that a call before this one made. */
  async #madeBefore(signal: AbortSignal): Promise<ObjectInfo | undefined> {
    const found = await this.#parts.find(this.#key, signal).catch(() => undefined)
    return found?.length === this.#length && found.etag === this.#etag ? found : undefined
  }

  get #etag(): string {
    if (this.#uploadId === undefined) return hash('md5', this.#part.bytes)
    return `${hash('md5', Buffer.concat(this.#digests))}-${this.#digests.length}`
  }

  #nextPart(): PartBuffer {
    return new PartBuffer(growingPartBytes(this.#count, this.#options.partBytes ?? partBytesDefault))
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure
    throwIfAborted(this.#signal)
  }
}

function bodyOf(bytes: Buffer): Body {
  return { bytes, md5: createHash('md5').update(bytes).digest() }
}

/** Whether the store certainly made nothing. */
function isRefused({ code }: SkeinError): boolean {
  return code === 'already_exists' || code === 'permission_denied' || code === 'unauthenticated'
}
