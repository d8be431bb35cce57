// Why: the one place where a load's state changes. How: apply(tables, command) is deterministic and total: a command
// that no longer holds (a duplicate completion, a page that is planned already) changes nothing and says so.
import { assertNever } from '../base/assert.ts'
import type {
  CancelRequested,
  ListingStopped,
  LoadCommand,
  LoadEffect,
  LoadExpired,
  PagePlanned,
  Replacement,
  SetsRetargeted,
  StartLoad,
  StateChanged,
  SubmitLoad,
} from './commands.ts'
import { applyRepairPlanned, applySetCompleted } from './apply-completion.ts'
import { applyLoadExpired, noteEnded, noteRequestKey } from './apply-history.ts'
import { addFileSets, failFile } from './apply-sets.ts'
import { emptyCounts, hasEnded, setMode, type LoadRecord } from './load.ts'
import type { Tables } from './tables.ts'

const ignored: LoadEffect = { type: 'ignored' }

/** Applies one command. @throws Error (assertion) for a change of mode that is not allowed: a programmer's error */
export function apply(tables: Tables, command: LoadCommand): LoadEffect {
  if (command.type === 'SubmitLoad') return submit(tables, command)
  if (command.type === 'LoadExpired') return applyLoadExpired(tables, command) ? { type: 'applied', unused: [] } : ignored
  const load = tables.loads.get([command.loadId])
  const unused: Replacement[] = []
  if (load === undefined || hasEnded(load.mode) || !applyTo(tables, load, command, unused)) return ignored
  tables.loads.put([load.loadId], load)
  return { type: 'applied', unused }
}

function applyTo(
  tables: Tables,
  load: LoadRecord,
  command: Exclude<LoadCommand, SubmitLoad | LoadExpired>,
  unused: Replacement[],
): boolean {
  switch (command.type) {
    case 'StartLoad':
      return start(load, command)
    case 'PagePlanned':
      return pagePlanned(tables, load, command)
    case 'ListingStopped':
      return listingStopped(load, command)
    case 'SetCompleted':
      return applySetCompleted(tables, load, command, unused)
    case 'SetsRetargeted':
      return setsRetargeted(tables, load, command)
    case 'RepairPlanned':
      return applyRepairPlanned(tables, load, command, unused)
    case 'StateChanged':
      return stateChanged(tables, load, command)
    case 'CancelRequested':
      return cancelRequested(load, command)
    default:
      return assertNever(command)
  }
}

function submit(tables: Tables, command: SubmitLoad): LoadEffect {
  const { requestKey, path, options, nowMs } = command
  const known = requestKey === '' ? undefined : tables.requestKeys.get([requestKey])
  if (known !== undefined) return { type: 'submitted', loadId: known, joined: false }
  const equal = equalRunningLoad(tables, command)
  const loadId = equal ?? (tables.counters.get(['load']) ?? 0) + 1
  if (requestKey !== '') noteRequestKey(tables, requestKey, loadId)
  if (equal !== undefined) return { type: 'submitted', loadId, joined: true }
  tables.counters.put(['load'], loadId)
  tables.active.put([loadId], true)
  tables.loads.put([loadId], {
    loadId,
    path,
    options,
    submittedMs: nowMs,
    mode: 'SUBMITTED',
    cancelling: false,
    namespaceId: '',
    cursor: '',
    pagesPlanned: 0,
    listingDone: false,
    nextSet: 1,
    hasSplitFiles: false,
    expiring: false,
    openSets: 0,
    startedMs: 0,
    endedMs: 0,
    reason: '',
    errorCode: '',
    missingCapacityBytes: 0,
    counts: { ...emptyCounts },
  })
  return { type: 'submitted', loadId, joined: false }
}

function equalRunningLoad(tables: Tables, command: SubmitLoad): number | undefined {
  for (const { id } of tables.active.scan([], 0, Number.MAX_SAFE_INTEGER)) {
    const load = tables.loads.get([id])
    if (load === undefined || load.cancelling || load.path !== command.path) continue
    const { replication, activeJobs, batchSize } = load.options
    const wanted = command.options
    if (replication === wanted.replication && activeJobs === wanted.activeJobs && batchSize === wanted.batchSize) return id
  }
  return undefined
}

function start(load: LoadRecord, command: StartLoad): boolean {
  if (load.mode !== 'SUBMITTED') return false
  setMode(load, 'RUNNING', command.nowMs)
  return true
}

function pagePlanned(tables: Tables, load: LoadRecord, command: PagePlanned): boolean {
  if (load.mode !== 'RUNNING' || load.listingDone || load.pagesPlanned !== command.page) return false
  addFileSets(tables, load, command.sets)
  if (command.cached.length > 0) {
    tables.sets.put([load.loadId, load.nextSet], { pieces: command.cached, targets: [], attempt: 0, cached: true })
    load.nextSet += 1
  }
  for (const failure of command.failed) failFile(tables, load, failure)
  load.counts.files += command.counts.files
  load.counts.bytes += command.counts.bytes
  load.counts.filesCached += command.counts.filesCached
  load.counts.filesSkipped += command.counts.filesSkipped
  load.counts.bytesCached += command.counts.bytesCached
  load.missingCapacityBytes += command.missingBytes
  load.namespaceId = command.namespaceId
  load.cursor = command.nextCursor
  load.pagesPlanned += 1
  load.listingDone = command.nextCursor === ''
  return true
}

function listingStopped(load: LoadRecord, command: ListingStopped): boolean {
  if (load.mode !== 'RUNNING' || load.listingDone) return false
  load.listingDone = true
  load.reason = command.reason
  load.errorCode = command.errorCode
  return true
}

function setsRetargeted(tables: Tables, load: LoadRecord, command: SetsRetargeted): boolean {
  for (const { set, targets } of command.sets) {
    const open = tables.open.get([load.loadId, set])
    const record = tables.sets.get([load.loadId, set])
    if (open === undefined || record === undefined) continue
    tables.open.put([load.loadId, set], { ...open, targets })
    tables.sets.put([load.loadId, set], { ...record, targets })
  }
  return true
}

function stateChanged(tables: Tables, load: LoadRecord, command: StateChanged): boolean {
  if (load.mode === command.mode) return false
  if (command.mode === 'AUDITING' && (load.openSets > 0 || !load.listingDone)) return false
  setMode(load, command.mode, command.nowMs)
  if (!hasEnded(load.mode)) return true
  load.reason = command.reason
  load.errorCode = command.errorCode
  load.missingCapacityBytes = command.missingCapacityBytes
  tables.active.delete([load.loadId])
  noteEnded(tables, load.loadId)
  for (const { id } of tables.open.scan([load.loadId], 0, Number.MAX_SAFE_INTEGER)) tables.open.delete([load.loadId, id])
  for (const { id: fileId } of tables.files.scan([load.loadId], 0, Number.MAX_SAFE_INTEGER)) {
    tables.files.delete([load.loadId, fileId])
    for (const { id } of tables.fileSets.scan([load.loadId, fileId], 0, Number.MAX_SAFE_INTEGER))
      tables.fileSets.delete([load.loadId, fileId, id])
  }
  return true
}

function cancelRequested(load: LoadRecord, _command: CancelRequested): boolean {
  if (load.cancelling) return false
  load.cancelling = true
  return true
}
