// Why: the request limits of the job master's services (see service-limits.ts).
import { flag, list, optional, record, text, whole } from '../../base/shape.ts'
import * as Job from '../generated/job.ts'
import { ScheduleServiceDefinition } from '../generated/schedule.ts'
import { serviceLimits } from './service-limits.ts'
import {
  address,
  count32,
  durationMs,
  etag,
  fileId,
  fileMetadata,
  pageToken,
  path,
  size,
  timeMs,
  word,
} from './fields.ts'

const mebibyte = 1024 ** 2
/** Globs, hosts and paths of one load, or of one part of a list of paths. */
const globsMax = 1000
const hostsMax = 2000
const itemsMax = 10_000
const tasksMax = 100_000
const namespacesMax = 2000
/** Decisions of a job worker about one store, in one heartbeat. */
const decisionsMax = 100
/** Blocks that are missing on a target, and files whose object changed, in one completion. */
const failuresMax = 200_000
/** A message of a worker or store. The sender truncates longer ones. */
const messageBytesMax = 16 * 1024

const loadId = text(100)
const host = text(800)
const options = optional(
  record<Job.LoadOptions>({
    ...{
      replication: count32,
      activeJobs: count32,
      batchSize: count32,
      evict: optional(flag),
      bandwidth: optional(text(2000)),
    },
    ...{
      priority: optional(count32),
      metadataOnly: optional(flag),
      atomic: optional(flag),
      expireTimeMs: optional(size),
    },
    selection: optional(
      record<Job.Selection>({
        ...{
          include: list(text(4096), globsMax),
          exclude: list(text(4096), globsMax),
          sizeMin: optional(size),
          sizeMax: optional(size),
        },
        ...{ modifiedAfterMs: optional(timeMs), modifiedBeforeMs: optional(timeMs) },
      }),
    ),
    hosts: optional(
      record<Job.HostChoice>({
        hosts: list(host, hostsMax),
        excludedHosts: list(host, hostsMax),
        locality: optional(host),
      }),
    ),
    ...{
      verify: optional(flag),
      maxFailures: optional(word),
      schedule: optional(text(100)),
      readyByMs: optional(timeMs),
    },
    ...{ resumedFrom: optional(loadId), keepReplication: optional(flag) },
  }),
)
const submission = { bytesMax: mebibyte / 4, fields: { requestKey: word, path, options, indexId: optional(word) } }
const session = { jobWorkerId: text(200), session: text(400) }
const task = { loadId, set: count32, attempt: whole(0, 1_000_000) }

export const jobLimits = serviceLimits(Job.JobServiceDefinition, {
  submitLoad: submission,
  getLoad: { fields: { loadId } },
  listLoads: { fields: { limit: count32, beforeLoadId: optional(loadId), endedOnly: optional(flag) } },
  stageIndex: {
    bytesMax: 16 * mebibyte,
    fields: {
      ...{ indexId: word, part: count32 },
      items: list(record<Job.IndexItem>({ path, replication: optional(count32), etag: optional(etag) }), itemsMax),
    },
  },
  resumeLoad: { fields: { loadId } },
  startPlan: submission,
  getPlan: { fields: { planId: word } },
  cancelLoad: { fields: { loadId } },
  listLoadFiles: { fields: { loadId, pageToken, limit: count32, failedOnly: flag } },
  getJobServiceSummary: { fields: {} },
  checkJobState: { fields: {} },

  registerJobWorker: {
    fields: {
      jobWorkerId: word,
      hostname: word,
      rpcAddress: address,
      activeTasksMax: count32,
      machine: optional(record<Job.MachineSize>({ cores: count32, memoryBytes: size })),
    },
  },
  jobWorkerHeartbeat: {
    bytesMax: 4 * mebibyte,
    fields: {
      ...session,
      running: list(record<Job.RunningTask>({ ...task, bytesDone: size }), tasksMax),
      pressures: optional(
        record<Job.Pressures>({
          namespaces: list(
            record<Job.NamespacePressure>({ namespaceId: word, slowDowns: count32, demandReads: count32 }),
            namespacesMax,
          ),
        }),
      ),
      tuning: optional(
        record<Job.ReadTuning>({
          tasks: count32,
          stores: list(
            record<Job.StoreTuning>({
              ...{ namespaceId: word, reads: count32, smallReads: count32, rangeBytes: size },
              decisions: list(record<Job.TuningDecision>({ agoMs: size, text: text(400) }), decisionsMax),
            }),
            namespacesMax,
          ),
        }),
      ),
    },
  },
  startSet: { fields: { ...session, ...task } },
  completeSet: {
    bytesMax: 64 * mebibyte,
    fields: {
      ...{
        ...session,
        ...task,
        originBytes: size,
        filesVerified: optional(count32),
        filesUnverifiable: optional(count32),
        metadata: optional(record<Job.ReadMetadata>({ files: list(fileMetadata, failuresMax) })),
      },
      failures: list(
        record<Job.BlockFailure>({
          ...{
            fileId,
            blockIndex: count32,
            workerId: text(800, { loose: true }),
            code: text(100),
            reason: text(200),
            retryable: flag,
          },
          message: text(messageBytesMax, { loose: true }),
        }),
        failuresMax,
      ),
      replacements: list(
        record<Job.FileReplacement>({ oldFileId: fileId, fileId, key: path, etag, length: size, blockSizeBytes: size }),
        failuresMax,
      ),
    },
  },
})

const named = { fields: { name: word } }

const definition = {
  bytesMax: mebibyte / 4,
  fields: {
    ...{
      name: word,
      cron: text(200),
      timezone: text(100),
      jitterMs: durationMs,
      catchUp: word,
      after: word,
      readyBy: word,
    },
    ...{ overlap: flag, path, options },
  },
}

export const scheduleLimits = serviceLimits(ScheduleServiceDefinition, {
  createSchedule: definition,
  updateSchedule: definition,
  listSchedules: { fields: {} },
  getSchedule: named,
  runSchedule: named,
  pauseSchedule: named,
  resumeSchedule: named,
  deleteSchedule: named,
  listScheduleRuns: { fields: { name: word, limit: count32 } },
})
