// Why: tests that throw odd commands at the job master begin with one good command of every type; a
// new type does not compile without its sample here.
import { fileIdOf } from '../../../../src/base/block-id.ts'
import type { LoadCommand } from '../../../../src/load/state/load-commands.ts'
import type { FileFailure, NewSet, Piece } from '../../../../src/load/load.ts'
import type { ScheduleDefinition } from '../../../../src/load/schedule/schedule.ts'

type Samples = { readonly [Type in LoadCommand['type']]: Extract<LoadCommand, { readonly type: Type }> }

const nowMs = 5
const loadId = 1
const fileId = fileIdOf(3)
const piece: Piece = {
  fileId,
  key: 'a',
  etag: 'e',
  length: 25,
  blockSizeBytes: 10,
  firstBlock: 0,
  blockCount: 3,
  lead: true,
}
const set: NewSet = { pieces: [piece], targets: ['w1'], attempt: 1, notBeforeMs: 0 }
const failure: FileFailure = {
  ...{
    fileId: fileIdOf(4),
    key: 'b',
    length: 3,
    code: 'not_found',
    reason: 'gone',
    attempts: 1,
    workerId: '',
    class: 'permanent',
  },
}
const definition: ScheduleDefinition = {
  ...{
    name: 'nightly',
    cron: '0 2 * * *',
    timezone: 'UTC',
    jitterMs: 0,
    catchUp: 'latest',
    after: '',
    readyBy: '',
    overlap: false,
  },
  ...{ path: '/ns', options: { replication: 1, selection: { include: ['*.tar'], exclude: [] } } },
}

export const loadCommandSamples: Samples = {
  SubmitLoad: {
    ...{
      type: 'SubmitLoad',
      nowMs,
      requestKey: 'k',
      path: '/ns/a',
      delta: { filesAdded: 1, filesChanged: 0, filesRemoved: 0 },
    },
    options: {
      replication: 1,
      activeJobs: 10,
      batchSize: 4,
      hosts: { hosts: ['h'], excludedHosts: [] },
      bandwidth: '5MB/s',
    },
  },
  StartLoad: { type: 'StartLoad', nowMs, loadId },
  PagePlanned: {
    ...{
      type: 'PagePlanned',
      nowMs,
      loadId,
      page: 0,
      namespaceId: 'n1',
      nextCursor: '',
      sets: [set],
      cached: [piece],
      failed: [failure],
    },
    counts: { files: 3, bytes: 30, filesCached: 1, filesSkipped: 0, bytesCached: 10, filesAdded: 1 },
    ...{ missingBytes: 0, stagingId: '7:/ns/a' },
  },
  ListingStopped: { type: 'ListingStopped', nowMs, loadId, reason: 'why', errorCode: 'unavailable' },
  SetCompleted: {
    ...{
      type: 'SetCompleted',
      nowMs,
      loadId,
      set: 1,
      originBytes: 25,
      retries: [{ ...set, attempt: 2 }],
      failed: [failure],
    },
    replaced: [
      { oldFileId: fileId, set: 1, file: { fileId: fileIdOf(8), length: 5 }, failure: undefined, sets: [set] },
    ],
    verified: { files: 1, unverifiable: 0 },
  },
  SetsRetargeted: { type: 'SetsRetargeted', nowMs, loadId, sets: [{ set: 1, targets: ['w2'] }] },
  RepairPlanned: {
    ...{
      type: 'RepairPlanned',
      nowMs,
      loadId,
      reopened: [{ fileId, cached: false, bytes: 10 }],
      sets: [set],
      failed: [failure],
    },
    replaced: [],
  },
  StateChanged: {
    type: 'StateChanged',
    nowMs,
    loadId,
    mode: 'AUDITING',
    reason: '',
    errorCode: '',
    missingCapacityBytes: 0,
  },
  SwapBegun: { type: 'SwapBegun', nowMs, loadId },
  CancelRequested: { type: 'CancelRequested', nowMs, loadId },
  LoadExpired: { type: 'LoadExpired', nowMs, loadId, rowsMax: 64 },
  ScheduleCreated: { type: 'ScheduleCreated', nowMs, definition },
  ScheduleChanged: { type: 'ScheduleChanged', nowMs, scheduleId: 1, definition },
  SchedulePaused: { type: 'SchedulePaused', nowMs, scheduleId: 1, paused: true },
  ScheduleDeleted: { type: 'ScheduleDeleted', nowMs, scheduleId: 1 },
  ScheduleDue: {
    ...{ type: 'ScheduleDue', nowMs, scheduleId: 1, upToMs: 10 },
    runs: [{ dueMs: 8, startMs: 8, deadlineMs: 0, manual: false, queued: true, skipped: '' }],
  },
  ScheduleRunAdded: { type: 'ScheduleRunAdded', nowMs, scheduleId: 1 },
  ScheduleRunStarted: { type: 'ScheduleRunStarted', nowMs, scheduleId: 1, number: 1, loadId: 1, reason: '' },
  ScheduleRunEnded: {
    type: 'ScheduleRunEnded',
    nowMs,
    scheduleId: 1,
    number: 1,
    state: 'COMPLETED',
    reason: '',
    tookMs: 9,
  },
  IndexPartStaged: {
    ...{ type: 'IndexPartStaged', nowMs, indexId: 'i1', namespace: 'ns', part: 0 },
    items: [{ path: '/ns/a', replication: 2, etag: 'e' }],
  },
  IndexDropped: { type: 'IndexDropped', nowMs, indexId: 'i1', rowsMax: 64 },
}
