// Why: what a store says of an object in a listing, in the words of the master's commands.
import type { StoredMetadata } from '../../base/attributes/object-metadata.ts'

/** An object as a store lists it. */
export interface ListedObject {
  readonly key: string
  readonly length: number
  readonly etag: string
  readonly modifiedMs: number
  readonly storageClass: string
  readonly crc64?: string
  /** What is stored with it, as a look at the object itself says. Not given: not known. */
  readonly metadata?: StoredMetadata
}

/** What a listing shows; what has a problem is never journaled. */
export interface ShownObject extends ListedObject {
  /**
   * Why it cannot be read as an object; with a slash at the end of its key nothing below it could
   * be listed.
   */
  readonly problem?: string
  /** What is odd about it, and was not cleared up by a look at the object. */
  readonly doubt?: string
}
