// Why: a directory may have a million files, so users get it page by page. How: the master serves
// the prefix and the start; the token of a page leads to the next one.
import { neverAborted } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import { pathOfText } from '../../base/paths.ts'
import type {
  FileInfo,
  ListStatusRequest,
  ListStatusResponse,
  MasterServiceDefinition,
} from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'
import type { FileStatus, ListOptions } from '../file-system.ts'
import { fileStatusOf, listedStatuses } from './file-status.ts'

const pageSizeDefault = 1000
/** One more than what is mostly wanted shows whether others follow. */
const pageSizeMax = pageSizeDefault + 1
/**
 * Deadline of a page: the master lists the directory at the store to the end of the page if it does
 * not know it.
 */
const pageMs = 10 * 60_000

/**
 * Yields the pages of a listing as the master answers them.
 * @param asked the path, and what is asked for beside the options
 * @throws SkeinError invalid_argument (the size of the page), not_found, what the master throws
 */
export async function* listPages(
  master: Pick<Service<MasterServiceDefinition>, 'listStatus'>,
  asked: Pick<ListStatusRequest, 'path'> & Partial<ListStatusRequest>,
  options: ListOptions,
): AsyncGenerator<ListStatusResponse, void, undefined> {
  const { recursive = false, prefix, startAfter, pageSize = pageSizeDefault, withImplied = true } = options
  const { onUnusable, deadlineMs = pageMs, signal = neverAborted() } = options
  if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > pageSizeMax)
    throw new SkeinError('invalid_argument', `a page of ${pageSize} entries: give 1 to ${pageSizeMax}`)
  const listing: Omit<ListStatusRequest, 'pageToken'> = {
    ...asked,
    recursive,
    limit: pageSize,
    ...(!withImplied && { withoutImplied: true }),
    ...(prefix !== undefined && { prefix }),
    ...(startAfter !== undefined && { startAfter }),
  }
  let pageToken = ''
  do {
    const page = await master.listStatus({ ...listing, pageToken }, { signal, deadlineMs })
    if (page.unusable !== undefined) onUnusable?.(page.unusable)
    yield page
    pageToken = page.nextPageToken
  } while (pageToken !== '')
}

/**
 * Yields the pages that have entries. See FileSystem.list.
 * @param syncIntervalMs for the request; undefined: the master's
 * @throws what listPages throws
 */
export async function* listDirectory(
  master: Pick<Service<MasterServiceDefinition>, 'listStatus'>,
  path: string,
  options: ListOptions,
  syncIntervalMs: number | undefined,
): AsyncGenerator<readonly FileStatus[], void, undefined> {
  const brief = { withMetadata: true, brief: true, ...(syncIntervalMs !== undefined && { syncIntervalMs }) }
  let isFirst = true
  for await (const page of listPages(master, { path, ...brief }, options)) {
    const [first] = page.files
    if (isFirst && first?.folder === false && isNamedBy(path, first)) {
      yield [fileStatusOf(first)]
      return
    }
    isFirst = false
    // A master of an earlier version knows no brief listing.
    const entries = page.listed === undefined ? page.files.map(fileStatusOf) : listedStatuses(page.listed)
    if (entries.length > 0) yield entries
  }
}

/** Whether the path names this file, not the directory that it is in. */
function isNamedBy(path: string, file: FileInfo): boolean {
  const listed = pathOfText(path)
  return file.path === listed && !listed.endsWith('/')
}
