// Why: what is said of loads: at the end of `distributedLoad` (a shape that GooseFS clients parse),
// and by `job`. Pure.
import { formatBytes } from '../../base/bytes.ts'
import { formatDuration } from '../../base/durations.ts'
import type {
  JobWorkerTuning,
  LoadCounts,
  LoadFile,
  LoadOptions,
  LoadStatus,
  WorkerProgress,
} from '../../wire/generated/job.ts'
import { sizeText } from '../../config/tuning-values.ts'
import { formatDate } from './format-file.ts'
import { printable } from '../frame/printable.ts'

/** Failed files that are named on stdout. */
export const failedNamedMax = 20

/**
 * `Total completed file count is 12, failed file count is 0`, and on failure the files and where
 * the full list is.
 */
export function loadResultText(status: LoadStatus, failed: readonly LoadFile[], fullList: string | undefined): string {
  const { files = 0, filesFailed = 0, filesCached = 0, filesLoaded = 0 } = status.counts ?? {}
  // Of a load of metadata alone, a file is complete when it is known.
  const completed = status.options?.metadataOnly === true ? files - filesFailed : filesCached + filesLoaded
  const total = `Total completed file count is ${completed}, failed file count is ${status.counts?.filesFailed ?? 0}`
  if (failed.length === 0) return total
  const named = failed.slice(0, failedNamedMax).map((file) => failedLine(file))
  return [
    total,
    'Here are failed files:',
    ...named,
    ...(fullList === undefined ? [] : [`Check out ${fullList} for full list of failed files.`]),
  ].join('\n')
}

/** `path: reason`, on one line. */
function failedLine(file: LoadFile): string {
  return printable(`${file.path}: ${file.reason.replaceAll(/\s*\n\s*/g, ' ')}`)
}

/** `path: reason (attempts 3, worker W)`: a line of the whole list. */
export function failedListLine(file: LoadFile): string {
  const worker = file.workerId === '' ? '' : `, worker ${file.workerId}`
  return `${failedLine(file)}${file.attempts === 0 ? '' : printable(` (attempts ${file.attempts}${worker})`)}`
}

/** `distributedLoad` of one file that is in; undefined: it is not. */
export function loadedFileLine({ path, state, attempts }: LoadFile): string | undefined {
  if (state === 'CACHED') return printable(`${path} is already fully loaded in GooseFS`)
  if (state === 'DONE') return printable(`Successfully loaded path ${path} after ${Math.max(1, attempts)} attempts`)
  return undefined
}

/** One line of counts, for stderr. */
export function loadCountsText(status: LoadStatus): string {
  const counts = status.counts
  const tookMs = Math.max(0, status.endedMs - status.submittedMs)
  const loadedBytes = counts?.bytesLoaded ?? 0
  const rate = tookMs > 0 && loadedBytes > 0 ? `, ${formatBytes((loadedBytes / tookMs) * 1000)}/s` : ''
  const files =
    `cached ${counts?.filesCached ?? 0}, loaded ${counts?.filesLoaded ?? 0}, ` +
    `failed ${counts?.filesFailed ?? 0}, skipped ${counts?.filesSkipped ?? 0}`
  return (
    `load ${status.loadId} ${status.state} in ${formatDuration(tookMs)}: ` +
    `${files}${newsText(status)}; ${formatBytes(loadedBytes)} loaded${rate}`
  )
}

/**
 * What was new at the store, and what else a load did; empty when there is nothing to say. A first
 * load of all files is no news.
 */
function newsText({ counts, options }: LoadStatus): string {
  if (counts === undefined) return ''
  const {
    files,
    filesAdded = 0,
    filesChanged = 0,
    filesRemoved = 0,
    filesExcluded = 0,
    filesVerified = 0,
    filesUnverifiable = 0,
    filesReplicationChanged = 0,
  } = counts
  const isDelta = filesChanged > 0 || filesRemoved > 0 || (filesAdded > 0 && filesAdded < files)
  return [
    isDelta ? `; at the store ${filesAdded} were added, ${filesChanged} changed, ${filesRemoved} removed` : '',
    filesReplicationChanged > 0
      ? `; the replication of ${filesReplicationChanged} files, ` +
        `which had been set to something else, is now at least ${options?.replication ?? 1}`
      : '',
    filesExcluded > 0 ? `; not selected ${filesExcluded}` : '',
    filesVerified + filesUnverifiable > 0
      ? `; verified ${filesVerified}, not verifiable ${filesUnverifiable} (no checksum at the store)`
      : '',
  ].join('')
}

/**
 * Why a load did not complete, with the missing bytes where room was the reason; undefined when it
 * did or says nothing.
 */
export function loadProblemText(status: LoadStatus): string | undefined {
  if (status.state === 'COMPLETED' || status.state === 'CANCELLED') return undefined
  const missing = status.missingCapacityBytes > 0 && !status.reason.includes(String(status.missingCapacityBytes))
  const room = missing ? ` (${status.missingCapacityBytes} bytes of cache capacity are missing)` : ''
  return printable(
    `load ${status.loadId} ${status.state}: ${status.reason === '' ? 'no reason was given' : status.reason}${room}`,
  )
}

/** `job ls`: a heading and a line a load. */
export function loadListText(loads: readonly LoadStatus[]): string {
  const lines = loads.map((load) => {
    const done = (load.counts?.filesCached ?? 0) + (load.counts?.filesLoaded ?? 0)
    return loadRow([
      load.loadId,
      load.options?.atomic === true ? `${load.state} staged` : load.state,
      `${done}/${load.counts?.files ?? 0}`,
      String(load.counts?.filesFailed ?? 0),
      formatDate(load.submittedMs),
      printable(load.path),
    ])
  })
  return [loadRow(['ID', 'STATE', 'FILES', 'FAILED', 'SUBMITTED', 'PATH']), ...lines].join('\n')
}

function loadRow(cells: readonly string[]): string {
  const widths = [10, 16, 17, 8, 25]
  return cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(' ')
}

/** `job stat`: one `name: value` a line. */
export function loadStatText(status: LoadStatus): string {
  const counts = status.counts
  const options = status.options
  const lines: readonly (readonly [string, string | number])[] = [
    ['ID', status.loadId],
    ['Type', 'DistributedLoad'],
    ['Path', status.path],
    ['Status', status.cancelling && status.endedMs === 0 ? `${status.state} (cancelling)` : status.state],
    ...(status.reason === '' ? [] : ([[status.endedMs > 0 ? 'Reason' : 'Waits for', status.reason]] as const)),
    ...(status.missingCapacityBytes > 0 ? ([['Missing capacity bytes', status.missingCapacityBytes]] as const) : []),
    ...(options?.schedule === undefined || options.schedule === '' ? [] : ([['Schedule', options.schedule]] as const)),
    ...((options?.readyByMs ?? 0) > 0 ? ([['Ready by', formatDate(options?.readyByMs ?? 0)]] as const) : []),
    ...(options?.atomic === true
      ? ([['Atomic', status.endedMs > 0 ? 'yes' : 'yes, staged until all files are loaded']] as const)
      : []),
    ['Replication', replicationText(options)],
    ...(options?.bandwidth === undefined || options.bandwidth === ''
      ? []
      : ([['Bandwidth', options.bandwidth]] as const)),
    ['Active jobs', options?.activeJobs ?? 0],
    ['Submitted', formatDate(status.submittedMs)],
    ...(status.startedMs > 0 ? ([['Started', formatDate(status.startedMs)]] as const) : []),
    ...(status.endedMs > 0 ? ([['Ended', formatDate(status.endedMs)]] as const) : []),
    ['Files', `${counts?.files ?? 0}${status.listingDone ? '' : ' so far'}`],
    ['Files cached', counts?.filesCached ?? 0],
    ['Files loaded', counts?.filesLoaded ?? 0],
    ['Files failed', counts?.filesFailed ?? 0],
    ['Files skipped', counts?.filesSkipped ?? 0],
    ...deltaLines(counts),
    ['Bytes', counts?.bytes ?? 0],
    ['Bytes cached', counts?.bytesCached ?? 0],
    ['Bytes loaded', counts?.bytesLoaded ?? 0],
    ['Bytes read from the store', counts?.originBytes ?? 0],
    [
      'Tasks',
      `${counts?.tasksDone ?? 0} of ${counts?.tasks ?? 0} done, ` +
        `${counts?.tasksOut ?? 0} out, ${counts?.tasksRetried ?? 0} retried`,
    ],
  ]
  return lines.map(([name, value]) => printable(`${name}: ${value}`)).join('\n')
}

/** What files shall have. */
export function replicationText(options: LoadOptions | undefined): string {
  return options?.keepReplication === true ? 'as set on the files, or 1' : String(options?.replication ?? 1)
}

/** What the listing found that was not as it was known. */
function deltaLines(counts: LoadCounts | undefined): (readonly [string, number])[] {
  const lines: readonly (readonly [string, number | undefined])[] = [
    ['Files excluded', counts?.filesExcluded],
    ['Files added', counts?.filesAdded],
    ['Files changed', counts?.filesChanged],
    ['Files removed', counts?.filesRemoved],
    ['Files with another replication before', counts?.filesReplicationChanged],
    ['Files verified', counts?.filesVerified],
  ]
  return lines.flatMap(([name, value]) => (value === undefined || value === 0 ? [] : [[name, value] as const]))
}

/**
 * A line a worker: what arrived there, what is out to it, what failed. Empty when nothing is known.
 */
export function workersText(workers: readonly WorkerProgress[]): string {
  return workers
    .map(({ workerId, hostname, bytes, tasksOut, failures }) => {
      const host = hostname === '' ? workerId : `${workerId} (${hostname})`
      return printable(`  worker ${host}: ${formatBytes(bytes)} arrived, ${tasksOut} tasks out, ${failures} failures`)
    })
    .join('\n')
}

/**
 * How job workers read the store of a load: a line each, and below it their latest decisions,
 * oldest first. Empty when nothing is known.
 */
export function tuningText(jobWorkers: readonly JobWorkerTuning[], decisionsMax: number): string {
  return jobWorkers
    .flatMap(({ jobWorkerId, hostname, tasks, reads, smallReads, rangeBytes, decisions }) => {
      const host = hostname === '' ? jobWorkerId : `${jobWorkerId} (${hostname})`
      const settings = `${reads} ranges of ${sizeText(rangeBytes)} or ${smallReads} small files at once, ${tasks} tasks`
      const why = decisions.slice(-decisionsMax).map(({ atMs, text }) => `    ${formatDate(atMs)} ${text}`)
      return [`  job worker ${host}: ${settings}`, ...why]
    })
    .map(printable)
    .join('\n')
}

/** A file's line in `job stat -v`. */
export function loadFileLine(file: LoadFile): string {
  const attempts = file.attempts > 1 ? `  attempts ${file.attempts}` : ''
  const worker = file.workerId === '' ? '' : `  worker ${file.workerId}`
  return printable(
    `${file.state.padEnd(8)} ${String(file.length).padStart(15)}  ` +
      `${file.path}${attempts}${worker}${file.reason === '' ? '' : `  ${file.reason}`}`,
  )
}
