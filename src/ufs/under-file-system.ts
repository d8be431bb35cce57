// Why: the one contract between Skein and the stores beneath it (COS, S3, a mounted file system).
// Implementations: s3.ts, local.ts, and the fakes and fault wrappers of the tests; all pass one
// conformance suite. Keys are relative to the namespace's prefix and spelled as the store spells
// them.
import type { Lend } from '../base/flow/lent-share.ts'

/** Tells an object that is there and cannot be read as one from one that is not there. */
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
  /** `STANDARD` where the store does not say. */
  readonly storageClass: string
  /** CRC-64/XZ of the whole object in decimal, where the store has it (`x-cos-hash-crc64ecma`). */
  readonly crc64?: string
  /**
   * Of an entry of a listing: what is odd about it, so that only `stat` can tell its length and
   * version.
   */
  readonly doubt?: string
  /**
   * Why what is there cannot be read as an object (a directory's name that is no text, a link out
   * of the root). Its key is for people; with a slash at its end nothing below it could be listed.
   */
  readonly problem?: string
}

export interface ListRequest {
  /** Only keys that begin with this. */
  readonly prefix: string
  /**
   * `/`: keys below the next `/` are folded into `prefixes`. Undefined: everything below the
   * prefix.
   */
  readonly delimiter: '/' | undefined
  /**
   * Continue after this key (exclusive) or from this token of an earlier page; undefined from the
   * start.
   */
  readonly after: ListPosition | undefined
  /** Objects a page may hold, at most 1000. */
  readonly limit: number
}
export interface ListPosition {
  readonly key: string
  /** The store's own continuation token: faster, but it may have expired; then `key` is used. */
  readonly token: string | undefined
}
export interface ListPage {
  /**
   * In ascending order of the UTF-8 bytes of the key; so are the prefixes. All are behind the
   * position that was asked for.
   */
  readonly objects: readonly ObjectInfo[]
  readonly prefixes: readonly string[]
  /**
   * Undefined at the end of the listing; else its key is behind the position that was asked for, so
   * that each listing ends.
   */
  readonly next: ListPosition | undefined
}

export interface ReadRequest {
  readonly key: string
  readonly offset: number
  readonly length: number
  /** The version that is wanted; the read fails when the store has another one. */
  readonly etag: string
  /** Bytes of the whole object, where they are known: an answer that says otherwise is refused. */
  readonly objectLength?: number | undefined
  /**
   * The request is for the whole object, and one answer must have all of it: nothing is resumed, so
   * the bytes are of one version even where the store names none. Its caller begins again with
   * nothing.
   */
  readonly inOneAnswer?: boolean | undefined
  /**
   * Carries out each wait in which nothing of this request is under way: the store asked to slow
   * down, or an attempt failed and the next one is not due. Room that is held for the request may
   * be lent to others meanwhile. None: the wait is waited for.
   */
  readonly lend?: Lend | undefined
  /**
   * Where the bytes that are read may be put; whoever reads gives them back. None: each chunk has
   * memory of its own.
   */
  readonly pieces?: PieceSource | undefined
}

/** See s3/request/slow-down-gate.ts. */
export interface StoreGate {
  /** Requests have to wait now. */
  readonly closed: boolean
  /** The store has asked to slow down, and has not answered well for long enough since. */
  readonly isSlow: boolean
  /** Until requests may be sent. @throws the signal's reason */
  wait(signal: AbortSignal): Promise<void>
}

/** See base/flow/piece-pool.ts. */
export interface PieceSource {
  readonly pieceBytes: number
  take(bytes: number): Uint8Array
}

export interface WriteOptions {
  /**
   * False: fails with already_exists when there is an object of this key, and leaves that as it is.
   */
  readonly overwrite: boolean
  /**
   * Objects above this many bytes go up in parts of this size, a few of them in memory at once.
   * Default 16 MiB; brought into the store's limits.
   */
  readonly partBytes?: number
}

/**
 * Errors of every method: not_found (no such object or bucket), permission_denied and
 * unauthenticated (wrong secret, expired token: reason `expired_token`), failed_precondition with
 * reason `object_archived` or `object_unusable`, aborted with reason `object_changed` (not
 * retryable as it is: look at the object again), unavailable (endpoint down, cut, SlowDown:
 * retryable), deadline_exceeded (stalled). Messages name the store's address and code, never a
 * secret. All methods may be called concurrently, and all are idempotent; rename as far as its own
 * comment says.
 */
export interface UnderFileSystem {
  /** Whether the store answers for this bucket and prefix. @throws what is wrong, in one line */
  check(signal: AbortSignal): Promise<void>
  stat(key: string, signal: AbortSignal): Promise<ObjectInfo>
  /**
   * One page. @throws SkeinError failed_precondition, too, where the answer breaks a rule of
   * docs/store-trust.md
   */
  list(request: ListRequest, signal: AbortSignal): Promise<ListPage>
  /**
   * Exactly `length` bytes in order, as chunks of any size. Cut and stalled bodies are resumed
   * inside, within the retry limit; what was yielded is never yielded again. Leaving the loop early
   * releases the connection.
   */
  read(request: ReadRequest, signal: AbortSignal): AsyncIterable<Uint8Array>
  /** A whole small object in one request, as one buffer of exactly `length` bytes. Same errors. */
  readWhole(request: ReadRequest, signal: AbortSignal): Promise<Uint8Array>
  /**
   * Makes the object `key` of exactly `length` bytes, checked on the way and looked at afterwards.
   * It is seen whole or not at all, and nothing is left of a write that failed. `chunks` is read
   * once; its error is thrown as it is.
   * @throws SkeinError already_exists (see WriteOptions), invalid_argument (more or fewer bytes
   *   than `length`, or a key that this kind of store cannot hold), aborted `object_changed`
   *   (somebody else wrote the key at the same time)
   */
  write(
    key: string,
    length: number,
    chunks: AsyncIterable<Uint8Array>,
    options: WriteOptions,
    signal: AbortSignal,
  ): Promise<ObjectInfo>
  /** No object of this key afterwards; one that is not there is fine. */
  delete(key: string, signal: AbortSignal): Promise<void>
  /**
   * The object `to`, replaced if there is one, with the bytes that `from` has now. @throws
   * not_found when `from` is not there
   */
  copy(from: string, to: string, signal: AbortSignal): Promise<ObjectInfo>
  /**
   * Moves the version `etag` of `from`, and no other, to a key that nothing is at; what is refused
   * changes neither key. Where the store has no step for it (S3) the copy comes first, and `from`
   * goes only in the version that was copied. A call that ended in between, or without its caller
   * knowing, is made good by another one: a `to` that is provably the copy counts as made. One call
   * at a time for the same keys. @returns `to` as the version that was moved
   * @throws SkeinError not_found, aborted `object_changed` (`from` is another version),
   *   already_exists (`to` is another object)
   */
  rename(from: string, to: string, etag: string, signal: AbortSignal): Promise<ObjectInfo>
  /** How its namespace wants its large objects read, where it says so. */
  readonly readAhead?: { readonly rangeBytes: number; readonly rangesAhead: number } | undefined
  /** Holds back requests after the store has asked to slow down; none where it cannot ask. */
  readonly gate?: StoreGate | undefined
  /** Answers of SlowDown since it was opened; none where the store has no such answer. */
  readonly slowDowns?: number
  /** Bytes read and requests sent since it was opened. */
  readonly counters: { readonly readBytes: number; readonly readRequests: number }
  close(): Promise<void>
}
