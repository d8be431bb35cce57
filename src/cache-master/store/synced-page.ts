// Why: what a listing made of an object is told to loads, to `ls` and to checks in the same words.
// How: the shapes, and a pure function from the difference that a page makes
// (meta/apply/listing-diff.ts) to them.
import type { PageFile } from '../../meta/apply/listing-diff.ts'
import type { ListPosition } from '../../ufs/under-file-system.ts'

/** An object of a listing, as the master knows it now. */
export interface SyncedObject {
  /** 0 when it cannot be a file. */
  readonly fileId: number
  readonly object: {
    readonly key: string
    readonly length: number
    readonly etag: string
    readonly storageClass: string
    readonly modifiedMs?: number
    readonly crc64?: string
  }
  readonly blockSizeBytes: number
  readonly problem: string
  /** What this look at the store made of it; undefined when it was known so. */
  readonly change?: 'ADDED' | 'CHANGED' | undefined
}

export interface SyncedPage {
  readonly files: readonly SyncedObject[]
  /** Nothing at all was there: no object, no marker. */
  readonly empty: boolean
  readonly next: ListPosition | undefined
  /** Files that were known and are gone from the store. */
  readonly removed?: number
}

/** What one look at an object said beside the file. */
export interface Look {
  change?: 'ADDED' | 'CHANGED' | undefined
  crc64?: string | undefined
}

/** What is told of an object of a page. @param newId of a file that the page made, or put aside */
export function syncedObject(
  { object, known, problem }: PageFile,
  newId: number | undefined,
  blockSizeBytes: number,
): SyncedObject {
  if (problem !== '') return { fileId: 0, object, blockSizeBytes, problem }
  if (newId !== undefined)
    return { fileId: newId, object, blockSizeBytes, problem, change: known === undefined ? 'ADDED' : 'CHANGED' }
  return { fileId: known?.id ?? 0, object, blockSizeBytes: known?.blockSizeBytes ?? blockSizeBytes, problem }
}
