// Why: builds what users see of a load from its records. How: only reads; nothing is changed here.
import { blockCount } from '../../base/block-id.ts'
import { SkeinError } from '../../base/errors.ts'
import { formatPath } from '../../base/paths.ts'
import {
  formatLoadId,
  hasEnded,
  namespaceOfLoad,
  parseLoadId,
  type FileFailure,
  type LoadRecord,
  type Piece,
} from '../../load/load.ts'
import { shortText } from '../../load/state/short-texts.ts'
import type { Tables } from '../../load/state/load-tables.ts'
import type { LoadFile, LoadFilesRequest, LoadFilesResponse, LoadStatus } from '../../wire/generated/job.ts'
import { wireOptionsOf } from '../options/load-options.ts'
import type { Outstanding } from '../dispatch/outstanding.ts'

const filesPerPageMax = 1000
const setsPerScan = 8
/** A page may be empty: that is better than blocking all other calls. */
const scansPerPageMax = 64

/** @throws SkeinError not_found */
export function findLoad(tables: Tables, loadId: string): LoadRecord {
  const id = parseLoadId(loadId)
  const load = id === undefined ? undefined : tables.loads.get([id])
  if (load?.expiring === true || (load === undefined && id !== undefined && id <= (tables.counters.get(['load']) ?? 0)))
    throw new SkeinError('not_found', `load ${formatLoadId(id ?? 0)} has expired`, { reason: 'expired' })
  if (load === undefined)
    throw new SkeinError('not_found', `there is no load ${loadId}; list loads with 'skein job ls'`)
  return load
}

/** Tasks in flight of the load, by cache worker. */
export function tasksOutTo(outstanding: Pick<Outstanding, 'ofLoad'>, loadId: number): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { set } of outstanding.ofLoad(loadId))
    for (const target of set.targets) counts.set(target, (counts.get(target) ?? 0) + 1)
  return counts
}

/** Adds the bytes that the running tasks have loaded so far. */
export function withArriving(status: LoadStatus, outstanding: Pick<Outstanding, 'ofLoad'>, loadId: number): LoadStatus {
  const bytesArriving = outstanding.ofLoad(loadId).reduce((sum, { bytesDone = 0 }) => sum + bytesDone, 0)
  if (bytesArriving === 0 || status.endedMs > 0 || status.counts === undefined) return status
  return { ...status, counts: { ...status.counts, bytesArriving } }
}

/** @param waitingFor what a running load waits for */
export function statusOf(load: LoadRecord, tasksOut: number, waitingFor: string, nowMs: number): LoadStatus {
  const {
    path,
    options,
    mode,
    cancelling,
    counts,
    listingDone,
    submittedMs,
    startedMs,
    endedMs,
    errorCode,
    missingCapacityBytes,
  } = load
  return {
    loadId: formatLoadId(load.loadId),
    path,
    options: wireOptionsOf(options),
    state: mode,
    cancelling,
    counts: toldCounts({ ...counts, tasksOut, filesFailed: mode === 'FAILED' ? notIn(counts) : counts.filesFailed }),
    listingDone,
    submittedMs,
    startedMs,
    endedMs,
    reason: hasEnded(mode) || waitingFor === '' ? load.reason : waitingFor,
    errorCode,
    missingCapacityBytes: toldCount(missingCapacityBytes),
    nowMs,
  }
}

function toldCounts<Counts extends object>(counts: Counts): Counts {
  return Object.fromEntries(Object.entries(counts).map(([name, value]) => [name, toldCount(Number(value))])) as Counts
}

/** A count within the range of the wire format. */
function toldCount(value: number): number {
  return value > 0 ? Math.min(Math.trunc(value), Number.MAX_SAFE_INTEGER) : 0
}

/**
 * Limit for texts and entries of load options in lists of up to a thousand loads. The status of a
 * single load shows them in full.
 */
const listedCharactersMax = 200
const listedEntriesMax = 16
/** Limit in the status of a single load. Options from older versions may be longer. */
const charactersMax = 8192
const entriesMax = 2000

/** Cuts long values of the status, so that any number of them fits in an answer. */
export function cutStatus(status: LoadStatus, isListed: boolean): LoadStatus {
  const [characters, entries] = isListed ? [listedCharactersMax, listedEntriesMax] : [charactersMax, entriesMax]
  const { options, reason, path } = status
  const cut = options === undefined ? undefined : (cutTexts(options, characters, entries) as LoadStatus['options'])
  return { ...status, path: shortText(path, charactersMax), reason: shortText(reason), options: cut }
}

/** Returns the data with long texts and lists cut. */
export function cutTexts(value: unknown, characters: number, entries: number): unknown {
  if (typeof value === 'string') return shortText(value, characters)
  if (Array.isArray(value)) return value.slice(0, entries).map((one) => cutTexts(one, characters, entries))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, cutTexts(one, characters, entries)]))
}

/** If a load failed as a whole, planned files that were never dispatched count as missing too. */
function notIn({ files, filesCached, filesLoaded, filesSkipped }: LoadRecord['counts']): number {
  return files - filesCached - filesLoaded - filesSkipped
}

/**
 * Returns one page of a load's files: first the files in sets, in the order of the sets, then the
 * failed ones. Page tokens: `s<set>` (from that set on), `f<number>` (from that failure on).
 * @throws SkeinError not_found, invalid_argument (page token)
 */
export function listLoadFiles(tables: Tables, outstanding: Outstanding, request: LoadFilesRequest): LoadFilesResponse {
  const load = findLoad(tables, request.loadId)
  const limit = Math.min(request.limit === 0 ? filesPerPageMax : request.limit, filesPerPageMax)
  const token = /^(?:([sf])(-?\d{1,15}))?$/.exec(request.pageToken)
  if (token === null) throw new SkeinError('invalid_argument', `'${request.pageToken}' is not a page token`)
  const { failedOnly } = request
  // If a load failed as a whole, files that were never dispatched have failed too.
  if (token[1] === 'f' || (failedOnly && load.mode !== 'FAILED')) {
    return failedFiles(tables, load, Number(token[2] ?? Number.MIN_SAFE_INTEGER), limit)
  }
  return filesOfSets(tables, outstanding, load, { fromSet: Number(token[2] ?? 0), limit, failedOnly })
}

/** Lists whole sets: a page ends with the set that fills it. */
function filesOfSets(
  tables: Tables,
  outstanding: Outstanding,
  load: LoadRecord,
  { fromSet, limit, failedOnly }: { fromSet: number; limit: number; failedOnly: boolean },
): LoadFilesResponse {
  const files: LoadFile[] = []
  let from = fromSet
  for (let scans = 1; ; scans += 1) {
    const rows = tables.sets.scan([load.loadId], from, setsPerScan)
    if (rows.length === 0) break
    for (const { id, value } of rows) {
      from = id + 1
      const isOpen = tables.open.get([load.loadId, id]) !== undefined
      for (const piece of value.pieces) {
        if (
          !piece.lead ||
          (load.counts.filesFailed > 0 && tables.failures.get([load.loadId, piece.fileId]) !== undefined)
        )
          continue
        const state = value.cached ? 'CACHED' : fileState(tables, outstanding, load, id, isOpen, piece)
        const notSent = state === 'WAITING' && load.mode === 'FAILED'
        if (failedOnly && !notSent) continue
        const { etag, length, blockSizeBytes, crc64 } = piece
        const version = { etag, blocks: blockCount(length, blockSizeBytes), ...(crc64 !== undefined && { crc64 }) }
        const outcome = notSent ? { state: 'FAILED', reason: `not loaded: ${load.reason}` } : { state, reason: '' }
        files.push({
          path: pathOf(load, piece.key),
          length,
          ...outcome,
          attempts: value.attempt,
          workerId: '',
          ...version,
        })
      }
      if (files.length >= limit) return { files, nextPageToken: `s${from}` }
    }
    if (scans === scansPerPageMax) return { files, nextPageToken: `s${from}` }
  }
  const failed = failedFiles(tables, load, Number.MIN_SAFE_INTEGER, Math.max(1, limit - files.length))
  return { files: [...files, ...failed.files], nextPageToken: failed.nextPageToken }
}

function fileState(
  tables: Tables,
  outstanding: Outstanding,
  load: LoadRecord,
  set: number,
  isOpen: boolean,
  piece: Piece,
): string {
  const progress = load.hasSplitFiles ? tables.files.get([load.loadId, piece.fileId]) : undefined
  if (!isOpen && (progress?.open ?? 0) === 0)
    return hasEnded(load.mode) && load.openSets > 0 && load.openKept !== true ? 'WAITING' : 'DONE'
  return outstanding.get(load.loadId, set)?.session === undefined ? 'WAITING' : 'RUNNING'
}

function failedFiles(tables: Tables, load: LoadRecord, from: number, limit: number): LoadFilesResponse {
  const rows = tables.failures.scan([load.loadId], from, limit + 1)
  const files = rows.slice(0, limit).map(({ value }) => failedFile(load, value))
  const next = rows[limit]
  return { files, nextPageToken: next === undefined ? '' : `f${next.id}` }
}

function failedFile(load: LoadRecord, failure: FileFailure): LoadFile {
  const { key, length, reason, attempts, workerId } = failure
  return {
    path: pathOf(load, key),
    length,
    state: 'FAILED',
    reason: shortText(reason),
    attempts,
    workerId,
    errorCode: failure.code,
  }
}

/** The path of a file of the load. */
function pathOf(load: LoadRecord, key: string): string {
  return formatPath({ namespace: namespaceOfLoad(load), key })
}
