// Why: commands in the journal are applied at every start. A command that the state cannot accept
// would block every start. How: checks the shape of every command of loads and schedules, each
// field with its limit. A command that passes can always be applied, even if it has no effect. A
// new type of command or a new field does not compile without a check here.
import { blocksPerFileMax } from '../../base/block-id.ts'
import { keyBytesMax } from '../../base/paths.ts'
import {
  both,
  type Check,
  finite,
  flag,
  list,
  oneOf,
  optional,
  plain,
  problemText,
  record,
  text,
  whole,
} from '../../base/shape.ts'
import type { IndexItem } from './list-parts.ts'
import type * as Load from './load-commands.ts'
import type { FileFailure, LoadOptions, NewSet, Piece } from '../load.ts'
import type { HostChoice } from '../placing/placement.ts'
import type { NewRun, ScheduleDefinition } from '../schedule/schedule.ts'
import { selectionLimits, type Selection } from '../choice/selection.ts'

type LoadCommand = Load.LoadCommand

const timeMsMax = 8.64e15
const requestKeyBytesMax = 800
const etagBytesMax = 1024
/** `/namespace/key` */
export const pathBytesMax = keyBytesMax + 100
/** Cursor of a listing. It contains the token of the store. */
const cursorBytesMax = 64 * 1024
/**
 * Texts from a store or a worker that are shown to users. Longer texts are cut (short-texts.ts).
 */
const reasonBytesMax = 16 * 1024
const workerIdBytesMax = 800
export const targetsMax = 1000
export const hostsMax = 2000
export const hostBytesMax = 800
const countMax = 1_000_000
/** Entries of one command: more than any page or set has. */
const entriesMax = 200_000
const indexItemsMax = 10_000

const nowMs = finite(0, timeMsMax)
const id = whole(1)
const amount = finite(0, 1e21)
const path = text(pathBytesMax, { min: 1 })
const reason = text(reasonBytesMax, { loose: true })
const word = text(100)
const workerIds = list(text(workerIdBytesMax), targetsMax)
const selection = record<Selection>({
  include: list(text(selectionLimits.globBytesMax), selectionLimits.globsMax),
  exclude: list(text(selectionLimits.globBytesMax), selectionLimits.globsMax),
  sizeMin: optional(whole(0)),
  sizeMax: optional(whole(0)),
  modifiedAfterMs: optional(finite(-timeMsMax, timeMsMax)),
  modifiedBeforeMs: optional(finite(-timeMsMax, timeMsMax)),
})
const hosts = record<HostChoice>({
  hosts: list(text(hostBytesMax), hostsMax),
  excludedHosts: list(text(hostBytesMax), hostsMax),
  locality: optional(text(hostBytesMax)),
})
const options = record<LoadOptions>({
  replication: whole(1, countMax),
  keepReplication: optional(flag),
  activeJobs: whole(1, countMax),
  batchSize: whole(1, countMax),
  atomic: optional(flag),
  expireTimeMs: optional(whole(0, 1e14)),
  evict: optional(flag),
  bandwidth: optional(text(2000)),
  priority: optional(whole(0, countMax)),
  metadataOnly: optional(flag),
  selection: optional(selection),
  hosts: optional(hosts),
  verify: optional(flag),
  maxFailures: optional(word),
  schedule: optional(word),
  readyByMs: optional(nowMs),
  resumedFrom: optional(word),
})
const delta = { filesAdded: whole(0), filesChanged: whole(0), filesRemoved: whole(0) }
const piece: Check = both(
  record<Piece>({
    fileId: whole(0),
    key: text(keyBytesMax),
    etag: text(etagBytesMax),
    length: whole(0),
    blockSizeBytes: whole(1),
    firstBlock: whole(0, blocksPerFileMax),
    blockCount: whole(0, blocksPerFileMax),
    lead: flag,
    replication: optional(whole(0, countMax)),
    replicationKept: optional(flag),
    crc64: optional(text(40)),
  }),
  (given) => {
    const { length, blockSizeBytes, firstBlock, blockCount } = given as Piece
    const isWithin = blockCount === 0 || (firstBlock + blockCount - 1) * blockSizeBytes < length
    return isWithin ? undefined : '.blockCount is beyond the end of the file'
  },
)
const pieces = list(piece, entriesMax)
const newSet = record<NewSet>({
  ...{ pieces, targets: workerIds, attempt: whole(0, countMax), notBeforeMs: nowMs },
  ...{ elsewhere: optional(workerIds), verify: optional(flag) },
})
const sets = list(newSet, entriesMax)
const failure = record<FileFailure>({
  fileId: whole(Number.MIN_SAFE_INTEGER),
  key: text(reasonBytesMax, { loose: true }),
  length: amount,
  code: word,
  reason,
  attempts: whole(0, countMax),
  workerId: text(workerIdBytesMax, { loose: true }),
  class: optional(oneOf('transient', 'throttled', 'permanent')),
})
const failed = list(failure, entriesMax)
const replaced = list(
  record<Load.Replacement>({
    oldFileId: whole(0),
    set: whole(0),
    file: optional(record<{ fileId: number; length: number }>({ fileId: whole(1), length: whole(0) })),
    failure: optional(failure),
    sets,
  }),
  entriesMax,
)
const definition = record<ScheduleDefinition>({
  ...{
    name: text(100, { min: 1 }),
    cron: text(200),
    timezone: text(100),
    jitterMs: whole(0, 1e10),
    after: text(100),
    readyBy: text(20),
  },
  ...{ catchUp: oneOf('latest', 'all', 'none'), overlap: flag, path, options: plain(5000, 4096) },
})
const run = record<NewRun>({
  ...{
    dueMs: finite(-timeMsMax, timeMsMax),
    startMs: finite(-timeMsMax, timeMsMax),
    deadlineMs: finite(-timeMsMax, timeMsMax),
  },
  ...{ manual: flag, queued: flag, skipped: reason },
})
const runStates = ['WAITING', 'STARTED', 'COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED', 'EXPIRED', 'SKIPPED', 'REFUSED']
const modes = ['SUBMITTED', 'RUNNING', 'AUDITING', 'COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED']

type Of<Type extends LoadCommand['type']> = Extract<LoadCommand, { readonly type: Type }>

/** Checks commands of one type. The caller has already looked up `type`. */
function command<Type extends LoadCommand['type']>(checks: {
  readonly [F in Exclude<keyof Of<Type>, 'type'>]-?: Check
}): Check {
  return record<{ type: string }>({ type: word, ...checks })
}

export const loadCommandChecks: { readonly [Type in LoadCommand['type']]: Check } = {
  SubmitLoad: command<'SubmitLoad'>({
    ...{ nowMs, requestKey: text(requestKeyBytesMax), path, options, indexId: optional(text(100, { min: 1 })) },
    inRoot: optional(flag),
    delta: optional(record<Load.Delta>(delta)),
  }),
  StartLoad: command<'StartLoad'>({ nowMs, loadId: id }),
  PagePlanned: command<'PagePlanned'>({
    ...{
      nowMs,
      loadId: id,
      page: whole(0),
      namespaceId: text(800),
      nextCursor: text(cursorBytesMax),
      sets,
      cached: pieces,
      failed,
    },
    counts: record<Load.PageCounts>({
      ...{
        filesAdded: optional(delta.filesAdded),
        filesChanged: optional(delta.filesChanged),
        filesRemoved: optional(delta.filesRemoved),
      },
      ...{ filesExcluded: optional(whole(0)), filesUnverifiable: optional(whole(0)) },
      ...{ files: whole(0), bytes: amount, filesCached: whole(0), filesSkipped: whole(0), bytesCached: amount },
    }),
    missingBytes: amount,
    stagingId: optional(text(pathBytesMax + 100)),
  }),
  ListingStopped: command<'ListingStopped'>({ nowMs, loadId: id, reason, errorCode: word }),
  SetCompleted: command<'SetCompleted'>({
    ...{ nowMs, loadId: id, set: whole(0), originBytes: amount, retries: sets, failed, replaced },
    verified: optional(record<{ files: number; unverifiable: number }>({ files: whole(0), unverifiable: whole(0) })),
  }),
  SetsRetargeted: command<'SetsRetargeted'>({
    ...{ nowMs, loadId: id },
    sets: list(record<{ set: number; targets: string[] }>({ set: whole(0), targets: workerIds }), entriesMax),
  }),
  RepairPlanned: command<'RepairPlanned'>({
    ...{ nowMs, loadId: id, sets, failed, replaced },
    reopened: list(record<Load.Reopened>({ fileId: whole(0), cached: flag, bytes: amount }), entriesMax),
  }),
  StateChanged: command<'StateChanged'>({
    ...{ nowMs, loadId: id, mode: oneOf(...modes), reason, errorCode: word, missingCapacityBytes: amount },
    filesReplicationChanged: optional(amount),
  }),
  SwapBegun: command<'SwapBegun'>({ nowMs, loadId: id }),
  CancelRequested: command<'CancelRequested'>({ nowMs, loadId: id }),
  LoadExpired: command<'LoadExpired'>({ nowMs, loadId: id, rowsMax: whole(1, countMax) }),
  ScheduleCreated: command<'ScheduleCreated'>({ nowMs, definition }),
  ScheduleChanged: command<'ScheduleChanged'>({ nowMs, scheduleId: id, definition }),
  SchedulePaused: command<'SchedulePaused'>({ nowMs, scheduleId: id, paused: flag }),
  ScheduleDeleted: command<'ScheduleDeleted'>({ nowMs, scheduleId: id }),
  ScheduleDue: command<'ScheduleDue'>({
    nowMs,
    scheduleId: id,
    upToMs: finite(-timeMsMax, timeMsMax),
    runs: list(run, 1000),
  }),
  ScheduleRunAdded: command<'ScheduleRunAdded'>({ nowMs, scheduleId: id }),
  ScheduleRunStarted: command<'ScheduleRunStarted'>({
    nowMs,
    scheduleId: id,
    number: whole(1),
    loadId: whole(0),
    reason,
  }),
  ScheduleRunEnded: command<'ScheduleRunEnded'>({
    ...{
      nowMs,
      scheduleId: id,
      number: whole(1),
      state: oneOf(...runStates),
      reason,
      tookMs: finite(-timeMsMax, timeMsMax),
    },
  }),
  IndexPartStaged: command<'IndexPartStaged'>({
    ...{ nowMs, indexId: text(100, { min: 1 }), namespace: text(100, { min: 1 }), part: whole(0, countMax) },
    items: list(
      record<IndexItem>({ path, replication: optional(whole(1, countMax)), etag: optional(text(etagBytesMax)) }),
      indexItemsMax,
    ),
  }),
  IndexDropped: command<'IndexDropped'>({ nowMs, indexId: text(100, { min: 1 }), rowsMax: whole(1, countMax) }),
}

/** Why a command may not be journaled, starting with the field. Undefined: it may. */
export function loadCommandProblem(given: LoadCommand): string | undefined {
  const { type } = given
  if (!Object.hasOwn(loadCommandChecks, type)) return 'type is not known to this version'
  const problem = loadCommandChecks[type](given)
  return problem === undefined ? undefined : problemText(problem)
}
