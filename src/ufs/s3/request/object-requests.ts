// Why: what is asked of a store about single objects is one contract, however it is written and
// read. How: types alone. Requests that change something are written and read by the SDK
// (sdk-requests.ts), the others in checked-requests.ts; store-requests.ts sends them all. Keys are
// the namespace's.
import type { HeadAnswer, ListedUpload } from '../../trust/object-answers.ts'

/** What must hold for a write to be carried out. */
export interface WriteCondition {
  /** Nothing is at the key. */
  readonly isNew?: boolean
}

export interface Body {
  readonly bytes: Buffer
  readonly md5: Buffer
}

/** ETags come back as far as the answer names them. */
export interface ObjectWrites {
  put(key: string, body: Body, condition: WriteCondition, signal: AbortSignal): Promise<string | undefined>
  /**
   * The id of the upload. @throws SkeinError answer_not_understood when the answer does not name it
   */
  beginUpload(key: string, signal: AbortSignal): Promise<string>
  putPart(key: string, uploadId: string, number: number, body: Body, signal: AbortSignal): Promise<string | undefined>
  completeUpload(
    key: string,
    uploadId: string,
    etags: readonly string[],
    condition: WriteCondition,
    signal: AbortSignal,
  ): Promise<string | undefined>
  abortUpload(key: string, uploadId: string, signal: AbortSignal): Promise<void>
  copy(
    source: { readonly key: string; readonly etag: string },
    to: string,
    condition: WriteCondition,
    signal: AbortSignal,
  ): Promise<string | undefined>
  /** `etag`: only this version. */
  delete(key: string, etag: string | undefined, signal: AbortSignal): Promise<void>
}

/** Each throws SkeinErrors for what the store refuses, and what StoreRequests.document throws. */
export interface ObjectRequests extends ObjectWrites {
  head(key: string, signal: AbortSignal): Promise<HeadAnswer>
  /** The object's size, by a range; undefined when the answer does not tell. */
  size(key: string, signal: AbortSignal): Promise<number | undefined>
  uploads(key: string, signal: AbortSignal): Promise<readonly ListedUpload[]>
  /** What the store's clock says now, as far as is known. */
  storeNowMs(): number
}
