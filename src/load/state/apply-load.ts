// Why: the only place where the state of a load changes. How: apply(tables, command) is
// deterministic and total. A command that no longer applies (a duplicate completion, a page that is
// already planned) changes nothing and says so.
import { assertNever } from '../../base/assert.ts'
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
  SwapBegun,
} from './load-commands.ts'
import { applyRepairPlanned, applySetCompleted } from './apply-completion.ts'
import { applyIndexCommand, holdIndex, isWhole, type IndexCommand } from './apply-lists.ts'
import { applyLoadExpired, noteEnded, noteRequestKey } from './apply-history.ts'
import { addFileSets, failFile } from './apply-sets.ts'
import { applySchedule, isScheduleCommand } from './apply-schedules.ts'
import type { ScheduleCommand } from '../schedule/schedule-commands.ts'
import { canFollow, emptyCounts, hasEnded, setMode, type LoadRecord } from '../load.ts'
import { noteRate } from './rate-samples.ts'
import type { Tables } from './load-tables.ts'

const ignored: LoadEffect = { type: 'ignored' }

/**
 * Applies one command. Never throws for a command that load-command-checks.ts accepts: what does
 * not apply is ignored.
 */
export function apply(tables: Tables, command: LoadCommand): LoadEffect {
  if (command.type === 'SubmitLoad') return submit(tables, command)
  if (command.type === 'IndexPartStaged' || command.type === 'IndexDropped')
    return applyIndexCommand(tables, command) ? { type: 'applied', unused: [] } : ignored
  if (isScheduleCommand(command)) return applySchedule(tables, command) ?? ignored
  if (command.type === 'LoadExpired')
    return applyLoadExpired(tables, command) ? { type: 'applied', unused: [] } : ignored
  const load = tables.loads.get([command.loadId])
  const unused: Replacement[] = []
  if (load === undefined || hasEnded(load.mode) || !applyTo(tables, load, command, unused)) return ignored
  tables.loads.put([load.loadId], load)
  return { type: 'applied', unused }
}

function applyTo(
  tables: Tables,
  load: LoadRecord,
  command: Exclude<LoadCommand, SubmitLoad | LoadExpired | ScheduleCommand | IndexCommand>,
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
    case 'SwapBegun':
      return swapBegun(load, command)
    case 'CancelRequested':
      return cancelRequested(load, command)
    default:
      return assertNever(command)
  }
}

function submit(tables: Tables, command: SubmitLoad): LoadEffect {
  const { requestKey, path, options, nowMs, indexId, inRoot } = command
  const known = requestKey === '' ? undefined : tables.requestKeys.get([requestKey])
  if (known !== undefined) return { type: 'submitted', loadId: known, joined: false }
  // The list expired after the submission was checked, or is being deleted: a part of a list must
  // not count as the whole list.
  if (indexId !== undefined && !isWhole(tables.indexes.get([indexId]))) return ignored
  const equal = equalRunningLoad(tables, command)
  const loadId = equal ?? (tables.counters.get(['load']) ?? 0) + 1
  if (requestKey !== '') noteRequestKey(tables, requestKey, loadId)
  if (equal !== undefined) {
    const running = tables.loads.get([equal])
    if (running !== undefined && running.joined !== true) tables.loads.put([equal], { ...running, joined: true })
    return { type: 'submitted', loadId, joined: true }
  }
  tables.counters.put(['load'], loadId)
  tables.active.put([loadId], true)
  const index = indexId === undefined ? undefined : holdIndex(tables, indexId)
  tables.loads.put([loadId], {
    loadId,
    path,
    options,
    ...(indexId !== undefined && { indexId }),
    ...(inRoot === true && { inRoot }),
    ...(index?.exact === true && { exactVersions: true }),
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
    counts: { ...emptyCounts, ...command.delta },
  })
  return { type: 'submitted', loadId, joined: false }
}

/** Returns the running load with the same effect, if any. */
export function equalRunningLoad(
  tables: Tables,
  command: Pick<SubmitLoad, 'path' | 'options' | 'indexId' | 'inRoot'>,
): number | undefined {
  for (const { id } of tables.active.scan([], 0, Number.MAX_SAFE_INTEGER)) {
    const load = tables.loads.get([id])
    if (load === undefined || load.cancelling || load.path !== command.path) continue
    if ((load.inRoot === true) !== (command.inRoot === true)) continue
    if (load.indexId === command.indexId && areEqual(load.options, command.options)) return id
  }
  return undefined
}

/** Whether two loads of the same path have the same effect. */
function areEqual(one: LoadRecord['options'], other: LoadRecord['options']): boolean {
  const plain = ({ resumedFrom: _from, ...options }: LoadRecord['options']): string =>
    JSON.stringify(
      Object.entries(options)
        .filter(([, value]) => value !== undefined)
        .toSorted(([a], [b]) => (a < b ? -1 : 1)),
    )
  return plain(one) === plain(other)
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
  for (const name of ['filesAdded', 'filesChanged', 'filesRemoved', 'filesExcluded', 'filesUnverifiable'] as const) {
    const more = command.counts[name] ?? 0
    if (more > 0) load.counts[name] = (load.counts[name] ?? 0) + more
  }
  load.missingCapacityBytes += command.missingBytes
  load.namespaceId = command.namespaceId
  if (command.stagingId !== undefined) load.stagingId ??= command.stagingId
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
  if (!canFollow(load.mode, command.mode)) return false
  if (command.mode === 'AUDITING' && (load.openSets > 0 || !load.listingDone)) return false
  setMode(load, command.mode, command.nowMs)
  if (!hasEnded(load.mode)) return true
  // The cancellation came too late: the swap that the master was asked for is done.
  if (load.mode === 'COMPLETED') load.cancelling = false
  load.reason = command.reason
  load.errorCode = command.errorCode
  load.missingCapacityBytes = command.missingCapacityBytes
  if (command.filesReplicationChanged !== undefined)
    load.counts.filesReplicationChanged = command.filesReplicationChanged
  tables.active.delete([load.loadId])
  // Rows of open sets are kept, to show which files are loaded. There may be very many.
  load.openKept = true
  noteEnded(tables, load.loadId)
  noteRate(tables, load)
  return true
}

function swapBegun(load: LoadRecord, _command: SwapBegun): boolean {
  if (load.mode !== 'AUDITING' || load.cancelling) return false
  load.swapping = true
  return true
}

function cancelRequested(load: LoadRecord, _command: CancelRequested): boolean {
  if (load.cancelling) return false
  load.cancelling = true
  return true
}
