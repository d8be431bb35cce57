// Why: the one interface between Skein and the stores (COS, S3, a mounted file system).
// Implementations: s3.ts, local.ts, and the fakes and fault wrappers of the tests; all pass one
// conformance suite. Keys are relative to the namespace's prefix and spelled as in the store.
import type { StoredMetadata } from '../base/attributes/object-metadata.ts'
import type { Lend } from '../base/flow/lent-share.ts'

/** The error reason of an object that exists but cannot be read. */
export const unusableReason = 'object_unusable'

export interface ObjectInfo {
  readonly key: string
  readonly length: number
  /**
   * The store's version of the content, without quotes. For local files: derived from inode, size
   * and mtime.
   */
  readonly etag: string
  readonly modifiedMs: number
  /** `STANDARD` if the store does not report it. */
  readonly storageClass: string
  /** CRC-64/XZ of the whole object in decimal, if the store has it (`x-cos-hash-crc64ecma`). */
  readonly crc64?: string
  /**
   * What is stored with the object. Undefined: not known from this answer (a listing), or the store
   * keeps none (local files).
   */
  readonly metadata?: StoredMetadata
  /**
   * Only in listings: an irregularity of the entry. Call `stat` for the actual length and version.
   */
  readonly doubt?: string
  /**
   * Why the entry cannot be read as an object (such as a name that is not UTF-8, or a link out of
   * the root). The key is for display only. If it ends in a slash, nothing below it could be
   * listed.
   */
  readonly problem?: string
}

export interface ListRequest {
  /** Only keys with this prefix. */
  readonly prefix: string
  /**
   * `/`: keys below the next `/` are folded into `prefixes`. Undefined: all keys below the prefix
   * are listed.
   */
  readonly delimiter: '/' | undefined
  /**
   * Continue after this key (exclusive), or from this token of an earlier page. Undefined: from the
   * start.
   */
  readonly after: ListPosition | undefined
  /** Maximum objects per page, at most 1000. */
  readonly limit: number
}
export interface ListPosition {
  readonly key: string
  /** The store's continuation token. Faster, but it may have expired; then `key` is used. */
  readonly token: string | undefined
  /**
   * Version of the object at `key`, when the listing ended with it. A store may repeat it on the
   * next page, but not in another version.
   */
  readonly version?: string | undefined
}
export interface ListPage {
  /**
   * In ascending order of the UTF-8 bytes of the keys, and so are the prefixes. All come after the
   * requested position.
   */
  readonly objects: readonly ObjectInfo[]
  readonly prefixes: readonly string[]
  /**
   * Undefined at the end of the listing. Otherwise its key is after the requested position, so
   * every listing ends.
   */
  readonly next: ListPosition | undefined
}

export interface ReadRequest {
  readonly key: string
  readonly offset: number
  readonly length: number
  /** The requested version. The read fails if the store has another one. */
  readonly etag: string
  /** The size of the whole object, if known. A response with another size is refused. */
  readonly objectLength?: number | undefined
  /**
   * Read the whole object in one response and resume nothing, so that all bytes are of one version
   * even if the store names none. After an error the caller starts over.
   */
  readonly inOneAnswer?: boolean | undefined
  /**
   * Runs each wait in which nothing of this request is in flight: the store asked to slow down, or
   * the request backs off. Resources that are held for the request may be lent to others meanwhile.
   * Undefined: just wait.
   */
  readonly lend?: Lend | undefined
  /**
   * Supplies the buffers for the bytes. The reader returns them. Undefined: each chunk has its own
   * memory.
   */
  readonly pieces?: PieceSource | undefined
  /**
   * Called with what is stored with the object, once an answer is known to be of this version and
   * before its bytes; again for each further answer. A store that keeps no metadata never calls it.
   */
  readonly onMetadata?: ((metadata: StoredMetadata) => void) | undefined
}

export interface StoreReadAhead {
  readonly rangeBytes: number
  readonly rangesAhead: number
  /** Whether the namespace itself sets the bytes of a range. */
  readonly isRangeGiven?: boolean
}

export interface StoreCounters {
  readonly readBytes: number
  /** Requests sent. */
  readonly readRequests: number
  /**
   * How long data took to begin, from its request on. Begins again at 0 when the definition of the
   * namespace changes. Undefined: not measured.
   */
  readonly firstBytes?: FirstBytes
}

export interface FirstBytes {
  /** Answers with data that have begun. */
  readonly answers: number
  /**
   * Sum of the natural logarithms of milliseconds: a mean of these is the typical time, and single
   * slow answers count little.
   */
  readonly logMsSum: number
}

/** See s3/request/slow-down-gate.ts. */
export interface StoreGate {
  /** Requests have to wait now. */
  readonly closed: boolean
  /** The store has asked to slow down, and has not yet responded normally for long enough. */
  readonly isSlow: boolean
  /** Waits until requests may be sent. @throws the signal's reason */
  wait(signal: AbortSignal): Promise<void>
}

/** See base/flow/piece-pool.ts. */
export interface PieceSource {
  readonly pieceBytes: number
  /** The most bytes of one `take`; at least `pieceBytes`. */
  readonly wholeBytesMax: number
  take(bytes: number): Uint8Array
}

export interface WriteOptions {
  /** False: fail with already_exists if the object exists, and leave it unchanged. */
  readonly overwrite: boolean
  /** Stored with the object, where the store can. */
  readonly metadata?: StoredMetadata | undefined
  /**
   * With `overwrite`: only this version (an ETag), or none, is replaced; another one stays, and the
   * write fails with aborted `object_changed`. Where the store knows no If-Match on writes, the
   * version is looked up right before.
   */
  readonly replaces?: string | undefined
  /**
   * Objects above this many bytes are uploaded in parts of this size, a few of them in memory at
   * once. Default 16 MiB; adjusted to the store's limits.
   */
  readonly partBytes?: number
}

export type UploadOptions = Pick<WriteOptions, 'metadata' | 'partBytes'>

/** What may be at the key when an upload is finished: as for WriteOptions. */
export type UploadConditions = Pick<WriteOptions, 'overwrite' | 'replaces'>

/**
 * An object whose length is known only at its end. Nothing of it is seen before `finish`. One call
 * at a time; only `abort` may come while another call runs, and makes that fail. After an error of
 * `finish` it may be called again. In the end `abort` leaves nothing of what is not finished.
 */
export interface ObjectUpload {
  /** Bytes that were given so far. */
  readonly length: number
  /**
   * Takes the next bytes; they may be changed again when it returns. Waits while as much is on its
   * way as may be in memory.
   * @throws SkeinError what the store says, and invalid_argument above what an object can have
   */
  write(chunk: Uint8Array): Promise<void>
  /**
   * No more bytes come. Everything is sent, but for an object of at most 1 MiB, which stays in
   * memory.
   */
  seal(): Promise<void>
  /**
   * Makes the object be there, in one step; seals first. Of two calls the second one finds what the
   * first one made, also when that was cut off. The errors are those of `write` of the store.
   */
  finish(conditions: UploadConditions, signal: AbortSignal): Promise<ObjectInfo>
  /** Gives it up, unless it is finished. Repeatable. Never throws. */
  abort(): Promise<void>
}

/** ETags of a rename that replaces an object. */
export interface ReplacingVersions {
  /** Of the object that is moved. */
  readonly etag: string
  /** Of the object that is replaced. */
  readonly replaces: string
}

/**
 * Errors of every method: not_found (no such object or bucket), permission_denied and
 * unauthenticated (wrong secret, expired token: reason `expired_token`), failed_precondition with
 * reason `object_archived` or `object_unusable`, aborted with reason `object_changed` (not
 * retryable: stat the object again), unavailable (endpoint down, connection cut, SlowDown:
 * retryable), deadline_exceeded (stalled). Messages name the store's address and code, never a
 * secret. All methods may be called concurrently, and all are idempotent; for rename, see its own
 * comment.
 */
export interface UnderFileSystem {
  /** Whether the store serves this bucket and prefix. @throws the problem, in one line */
  check(signal: AbortSignal): Promise<void>
  stat(key: string, signal: AbortSignal): Promise<ObjectInfo>
  /**
   * Returns one page.
   * @throws SkeinError failed_precondition, too, when the response breaks a rule of
   *   docs/store-trust.md
   */
  list(request: ListRequest, signal: AbortSignal): Promise<ListPage>
  /**
   * Yields exactly `length` bytes in order, as chunks of any size. Cut and stalled bodies are
   * resumed, within the retry limit, and no byte is yielded twice. Ending the loop early releases
   * the connection.
   */
  read(request: ReadRequest, signal: AbortSignal): AsyncIterable<Uint8Array>
  /** Reads a small object in one request, as one buffer of exactly `length` bytes. Same errors. */
  readWhole(request: ReadRequest, signal: AbortSignal): Promise<Uint8Array>
  /**
   * Writes the object `key` of exactly `length` bytes, and verifies it during and after the write.
   * Readers see it whole or not at all, and a failed write leaves nothing behind. `chunks` is read
   * once; its error is thrown unchanged.
   * @throws SkeinError already_exists (see WriteOptions), invalid_argument (more or fewer bytes
   *   than `length`, or a key that this kind of store cannot have), aborted `object_changed`
   *   (another client wrote the key at the same time)
   */
  write(
    key: string,
    length: number,
    chunks: AsyncIterable<Uint8Array>,
    options: WriteOptions,
    signal: AbortSignal,
  ): Promise<ObjectInfo>
  /**
   * Begins an object of unknown length. What the process leaves when it ends in the middle is no
   * object: a file that listings omit, or an upload that lifecycle rules of the bucket remove.
   * @param signal ends the upload itself, until `finish`
   * @throws SkeinError invalid_argument (a key that this kind of store cannot have)
   */
  beginUpload(key: string, options: UploadOptions, signal: AbortSignal): Promise<ObjectUpload>
  /**
   * Deletes an object. Succeeds if it does not exist.
   * @param etag only this version: aborted `object_changed` when the store has another one
   */
  delete(key: string, signal: AbortSignal, etag?: string): Promise<void>
  /**
   * Copies the current bytes of `from` to `to`, with their metadata, and replaces an existing
   * object.
   * @throws not_found when `from` does not exist
   */
  copy(from: string, to: string, signal: AbortSignal): Promise<ObjectInfo>
  /**
   * Moves exactly the version `etag` of `from` to a key that does not exist. A refused call changes
   * neither key. If the store cannot rename (S3), the object is copied first, and only the copied
   * version of `from` is deleted. Another call completes one that was interrupted or whose result
   * was lost: a `to` that is provably the copy counts as copied. Only one call at a time for the
   * same keys.
   * @returns `to` as the version that was moved
   * @throws SkeinError not_found, aborted `object_changed` (`from` is another version),
   *   already_exists (`to` is another object)
   */
  rename(from: string, to: string, etag: string, signal: AbortSignal): Promise<ObjectInfo>
  /**
   * As `rename`, to a key that has the version `replaces`, or no object. Readers of `to` see the
   * old object or the moved one. `from` is removed last: after an error that is not a refusal, `to`
   * may be replaced while `from` is still there. If another client writes `from` after it was
   * copied, that object stays at `from`.
   * @throws SkeinError not_found, aborted `object_changed` (`from` or `to` is another version)
   */
  renameOver(from: string, to: string, versions: ReplacingVersions, signal: AbortSignal): Promise<ObjectInfo>
  /** How the namespace reads its large objects, if it is configured. */
  readonly readAhead?: StoreReadAhead | undefined
  /**
   * Holds back requests after the store has asked to slow down. Undefined if the store cannot ask.
   */
  readonly gate?: StoreGate | undefined
  /** SlowDown responses since the store was opened. Undefined if the store has no such response. */
  readonly slowDowns?: number
  /** Since the store was opened. */
  readonly counters: StoreCounters
  close(): Promise<void>
}
