// Why: the one contract between Skein and the stores beneath it (COS, S3, a mounted file system).
// Implementations: s3.ts, local.ts, and the fakes and fault wrappers of the tests; all pass one conformance suite.
// Keys are relative to the namespace's prefix and spelled as the store spells them.

export interface ObjectInfo {
  readonly key: string
  readonly length: number
  /** The store's version of the content, without quotes. For local files: derived from inode, size and mtime. */
  readonly etag: string
  readonly modifiedMs: number
  /** `STANDARD` where the store does not say. */
  readonly storageClass: string
  /** CRC-64/XZ of the whole object in decimal, where the store has it (`x-cos-hash-crc64ecma`). */
  readonly crc64?: string
}

export interface ListRequest {
  /** Only keys that begin with this. */
  readonly prefix: string
  /** `/`: keys below the next `/` are folded into `prefixes`. Undefined: everything below the prefix. */
  readonly delimiter: '/' | undefined
  /** Continue after this key (exclusive) or from this token of an earlier page; undefined from the start. */
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
  /** In ascending order of the UTF-8 bytes of the key. */
  readonly objects: readonly ObjectInfo[]
  readonly prefixes: readonly string[]
  /** Undefined at the end of the listing. */
  readonly next: ListPosition | undefined
}

export interface ReadRequest {
  readonly key: string
  readonly offset: number
  readonly length: number
  /** The version that is wanted; the read fails when the store has another one. */
  readonly etag: string
}

/**
 * Errors of every method: not_found (no such object or bucket), permission_denied and unauthenticated (wrong secret,
 * expired token: reason `expired_token`), failed_precondition with reason `object_archived`, aborted with reason
 * `object_changed` (not retryable as it is: look at the object again), unavailable (endpoint down, cut, SlowDown: retryable),
 * deadline_exceeded (stalled). Messages name the store's address and code, never a secret.
 * All methods are idempotent and may be called concurrently.
 */
export interface UnderFileSystem {
  /** Whether the store answers for this bucket and prefix. @throws what is wrong, in one line */
  check(signal: AbortSignal): Promise<void>
  stat(key: string, signal: AbortSignal): Promise<ObjectInfo>
  /** One page. */
  list(request: ListRequest, signal: AbortSignal): Promise<ListPage>
  /**
   * Exactly `length` bytes in order, as chunks of any size. Cut and stalled bodies are resumed inside, within the retry
   * limit; what was yielded is never yielded again. Leaving the loop early releases the connection.
   */
  read(request: ReadRequest, signal: AbortSignal): AsyncIterable<Uint8Array>
  /** A whole small object in one request, as one buffer of exactly `length` bytes. Same errors. */
  readWhole(request: ReadRequest, signal: AbortSignal): Promise<Uint8Array>
  /** Bytes read and requests sent since it was opened. */
  readonly counters: { readonly readBytes: number; readonly readRequests: number }
  close(): Promise<void>
}
