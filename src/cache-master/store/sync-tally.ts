// Why: those who ask for a listing are told how many files it made known, changed or removed. Pure.
import type { PageDiff, PageFile } from '../../meta/apply/listing-diff.ts'
import { isSameVersion } from '../../meta/apply/tree.ts'

/** What listings said, in files. */
export interface SyncTally {
  added: number
  changed: number
  removed: number
  unchanged: number
}

/** Whether an object is to be made known. */
export function isNews({ object, known, problem }: PageFile): boolean {
  return problem === '' && (known === undefined || !isSameVersion(known, object))
}

export function count(tally: SyncTally, { files, removals }: Pick<PageDiff, 'files' | 'removals'>): void {
  for (const file of files) {
    if (file.problem !== '') continue
    if (!isNews(file)) tally.unchanged += 1
    else if (file.known === undefined) tally.added += 1
    else tally.changed += 1
  }
  tally.removed += removals.length
}
