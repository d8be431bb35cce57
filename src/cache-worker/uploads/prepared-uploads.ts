// Why: the bytes of an object come to a worker before anybody may see the object: the file has to
// be complete at the master first. How: one upload a file. When its bytes have ended it is held,
// and the master says whether it becomes an object or is given up. Only so many are held, and for
// so long. What became of one is remembered for a while: the master may ask again.
import type { StoredMetadata } from '../../base/attributes/object-metadata.ts'
import { type Clock, untilAborted } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import { Budget } from '../../base/flow/budget.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { type OpenStore, StoreCache, type StoreLease } from '../../ufs/store-cache.ts'
import type { ObjectUpload } from '../../ufs/under-file-system.ts'
import type { FinishUploadRequest, PersistFileResponse } from '../../wire/generated/lifecycle.ts'

export interface UploadLimits {
  /** Whose bytes are coming. Each holds a few parts of 8 MiB in memory. */
  readonly writingMax: number
  /** Together with those whose bytes are coming. */
  readonly heldMax: number
  /** How long one is held after its last byte. */
  readonly heldMs: number
}

const defaultUploadLimits: UploadLimits = { writingMax: 8, heldMax: 256, heldMs: 600_000 }

/** What became of uploads is remembered of so many. */
const finishedMax = 1000
const idleStoresMax = 4
const renewPauseMs = 10_000

interface PreparedUploadsParts {
  readonly openStore: OpenStore
  /** From now on the store of the namespace must use this definition or a newer one. */
  readonly requireDefinition?: ((namespaceId: string, version: number) => void) | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly limits?: Partial<UploadLimits> | undefined
}

interface UploadedFile {
  readonly fileId: number
  readonly namespaceId: string
  readonly key: string
  readonly metadata: StoredMetadata
}

/** For who gives the bytes; it ends with `prepare` or `giveUp`. */
interface FileUpload {
  readonly length: number
  /** @throws SkeinError see ObjectUpload.write; cancelled when the file was abandoned */
  write(chunk: Uint8Array): Promise<void>
  /** The bytes have ended; the upload is held from now on. */
  prepare(): Promise<void>
  /** Never throws. */
  giveUp(): Promise<void>
}

interface Entry {
  readonly file: UploadedFile
  readonly ending: AbortController
  lease: StoreLease | undefined
  upload: ObjectUpload | undefined
  isPrepared: boolean
  /** The call that is finishing it. */
  finishing: Promise<PersistFileResponse> | undefined
  cancelTimer: () => void
}

interface Finished extends PersistFileResponse {
  readonly namespaceId: string
  readonly key: string
  readonly length: number
}

export class PreparedUploads {
  readonly #parts: PreparedUploadsParts
  readonly #limits: UploadLimits
  readonly #stores: StoreCache
  readonly #writing: Budget
  readonly #entries = new Map<number, Entry>()
  readonly #finished = new Map<number, Finished>()
  #isClosed = false

  constructor(parts: PreparedUploadsParts) {
    const { openStore, clock } = parts
    this.#parts = parts
    this.#limits = { ...defaultUploadLimits, ...parts.limits }
    this.#stores = new StoreCache({ openStore, clock, idleStoresMax, renewPauseMs })
    this.#writing = new Budget('uploads whose bytes are coming', this.#limits.writingMax)
  }

  /**
   * Waits while as many are being written as may be.
   * @throws SkeinError already_exists (there is one of this file), resource_exhausted, and what the
   *   store says
   */
  async begin(file: UploadedFile, signal: AbortSignal): Promise<FileUpload> {
    const entry = this.#take(file)
    let slot: { release(): void } | undefined
    const release = (): void => {
      slot?.release()
      slot = undefined
    }
    try {
      slot = await this.#writing.acquire(1, AbortSignal.any([signal, entry.ending.signal]))
      entry.lease = await this.#stores.lease(file.namespaceId)
      const { key, metadata } = file
      const upload = await entry.lease.store.beginUpload(key, { metadata }, entry.ending.signal)
      entry.upload = upload
      if (entry.ending.signal.aborted) throw givenUp()
      return {
        get length() {
          return upload.length
        },
        write: (chunk) => upload.write(chunk),
        prepare: async () => {
          await upload.seal()
          if (entry.ending.signal.aborted) throw givenUp()
          release()
          entry.isPrepared = true
          this.#hold(entry)
        },
        giveUp: async () => {
          await this.#giveUp(entry)
          release()
        },
      }
    } catch (thrown) {
      await this.#giveUp(entry)
      release()
      throw thrown
    }
  }

  /** See PersistService.FinishUpload. */
  async finish(request: FinishUploadRequest, signal: AbortSignal): Promise<PersistFileResponse> {
    const { fileId, namespaceId, key, length } = request
    for (;;) {
      const done = this.#finished.get(fileId)
      if (done !== undefined && isOf(done, request)) return { etag: done.etag, modifiedMs: done.modifiedMs }
      const entry = this.#entries.get(fileId)
      if (
        entry?.upload === undefined ||
        !entry.isPrepared ||
        !isOf({ ...entry.file, length: entry.upload.length }, request)
      )
        throw new SkeinError(
          'failed_precondition',
          `this worker does not have ${length} bytes of ${key} (any more): write the file again`,
          { reason: 'upload_lost' },
        )
      if (entry.finishing !== undefined) {
        // Its caller is gone, or asks twice: the answer is the same.
        await untilAborted(
          entry.finishing.catch(() => undefined),
          signal,
        )
        continue
      }
      this.#parts.requireDefinition?.(namespaceId, request.namespaceVersion ?? 0)
      entry.cancelTimer()
      entry.finishing = this.#finish(entry, entry.upload, request, signal)
      try {
        return await entry.finishing
      } finally {
        entry.finishing = undefined
        if (this.#entries.get(fileId) === entry) this.#hold(entry)
      }
    }
  }

  /** Gives up what there is of a file. Never throws. */
  async abandon(fileId: number): Promise<void> {
    const entry = this.#entries.get(fileId)
    if (entry !== undefined) await this.#giveUp(entry)
  }

  /** Gives up all. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#entries.values()].map((entry) => this.#giveUp(entry)))
    await this.#stores.close()
  }

  #take(file: UploadedFile): Entry {
    if (this.#isClosed) throw new SkeinError('unavailable', 'the worker is stopping')
    if (this.#entries.has(file.fileId))
      throw new SkeinError('already_exists', `the object of ${file.key} is being written here, or was`)
    if (this.#entries.size >= this.#limits.heldMax) {
      const message = `${this.#entries.size} objects are being written or wait to be completed here: try again`
      throw new SkeinError('resource_exhausted', message)
    }
    const entry: Entry = {
      ...{ file, ending: new AbortController(), lease: undefined, upload: undefined },
      ...{ isPrepared: false, finishing: undefined, cancelTimer: () => undefined },
    }
    this.#entries.set(file.fileId, entry)
    return entry
  }

  #hold(entry: Entry): void {
    const { clock, logger } = this.#parts
    entry.cancelTimer()
    entry.cancelTimer = clock.schedule(this.#limits.heldMs, () => {
      logger.warn('an object that was written was given up: its file was not completed', { key: entry.file.key })
      void this.#giveUp(entry)
    })
  }

  async #finish(
    entry: Entry,
    upload: ObjectUpload,
    { fileId, namespaceId, key, length, overwrite, replacedEtag: replaces }: FinishUploadRequest,
    signal: AbortSignal,
  ): Promise<PersistFileResponse> {
    const { etag, modifiedMs } = await upload.finish({ overwrite, replaces }, signal)
    this.#finished.set(fileId, { namespaceId, key, length, etag, modifiedMs })
    const [oldest] = this.#finished.keys()
    if (this.#finished.size > finishedMax && oldest !== undefined) this.#finished.delete(oldest)
    await this.#release(entry)
    return { etag, modifiedMs }
  }

  async #giveUp(entry: Entry): Promise<void> {
    entry.ending.abort(givenUp())
    await entry.upload?.abort()
    await this.#release(entry)
  }

  async #release(entry: Entry): Promise<void> {
    entry.cancelTimer()
    if (this.#entries.get(entry.file.fileId) === entry) this.#entries.delete(entry.file.fileId)
    const { lease } = entry
    entry.lease = undefined
    await lease?.release()
  }
}

function isOf(
  one: Pick<Finished, 'namespaceId' | 'key' | 'length'>,
  { namespaceId, key, length }: FinishUploadRequest,
): boolean {
  return one.namespaceId === namespaceId && one.key === key && one.length === length
}

function givenUp(): SkeinError {
  return new SkeinError('cancelled', 'the upload was given up: its file was abandoned, or the worker stops')
}
