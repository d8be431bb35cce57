// Why: requests for single objects have one contract, independent of how they are encoded. How:
// types only. The SDK (sdk-requests.ts) encodes requests that change something, checked-requests.ts
// the others; store-requests.ts sends them all. Keys are relative to the namespace.
import type { StoredMetadata } from '../../../base/attributes/object-metadata.ts'
import type { HeadAnswer, ListedUpload } from '../../trust/object-answers.ts'

/** Conditions that must hold for a write. */
export interface WriteCondition {
  /** The key does not exist. */
  readonly isNew?: boolean
  /** The object is this version (an ETag). */
  readonly replaces?: string | undefined
}

export interface Body {
  readonly bytes: Buffer
  readonly md5: Buffer
}

/** ETags are returned if the response names them. */
export interface ObjectWrites {
  put(
    key: string,
    body: Body,
    metadata: StoredMetadata,
    condition: WriteCondition,
    signal: AbortSignal,
  ): Promise<string | undefined>
  /**
   * Returns the id of the upload.
   * @throws SkeinError answer_not_understood when the response does not name it
   */
  beginUpload(key: string, metadata: StoredMetadata, signal: AbortSignal): Promise<string>
  putPart(key: string, uploadId: string, number: number, body: Body, signal: AbortSignal): Promise<string | undefined>
  completeUpload(
    key: string,
    uploadId: string,
    etags: readonly string[],
    condition: WriteCondition,
    signal: AbortSignal,
  ): Promise<string | undefined>
  abortUpload(key: string, uploadId: string, signal: AbortSignal): Promise<void>
  /** The copy has the metadata of its source. */
  copy(
    source: { readonly key: string; readonly etag: string },
    to: string,
    condition: WriteCondition,
    signal: AbortSignal,
  ): Promise<string | undefined>
  /** Deletes an object. With `etag`, only this version. */
  delete(key: string, etag: string | undefined, signal: AbortSignal): Promise<void>
}

/**
 * Each method throws SkeinErrors for refusals of the store, and the errors of
 * StoreRequests.document.
 */
export interface ObjectRequests extends ObjectWrites {
  head(key: string, signal: AbortSignal): Promise<HeadAnswer>
  /** The size of the object, from a range request; undefined when the response does not name it. */
  size(key: string, signal: AbortSignal): Promise<number | undefined>
  uploads(key: string, signal: AbortSignal): Promise<readonly ListedUpload[]>
  /** The current time of the store's clock, as far as it is known. */
  storeNowMs(): number
}
