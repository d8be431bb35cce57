// Why: a directory may have a million files, so that listings are gone through page by page, by
// whoever needs one.
import type {
  FileInfo,
  ListStatusRequest,
  MasterServiceDefinition,
  UnusablePaths,
} from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'
import { longCallMs } from './long-call.ts'

const pageSize = 1000

/**
 * Pages of a listing, as they come; `onUnusable` hears of what the store has and cannot give.
 * @throws SkeinError those of ListStatus
 */
export async function* listPages(
  master: Pick<Service<MasterServiceDefinition>, 'listStatus'>,
  listing: Pick<ListStatusRequest, 'path' | 'recursive' | 'syncIntervalMs'>,
  signal: AbortSignal,
  onUnusable?: (unusable: UnusablePaths) => void,
): AsyncGenerator<FileInfo[], void, undefined> {
  let pageToken = ''
  do {
    const page = await master.listStatus({ ...listing, pageToken, limit: pageSize }, { signal, deadlineMs: longCallMs })
    if (page.unusable !== undefined) onUnusable?.(page.unusable)
    yield page.files
    pageToken = page.nextPageToken
  } while (pageToken !== '')
}
