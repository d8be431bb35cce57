// Why: starts the job master as a part, alone in its process or together with other roles. How:
// opens its journal and lock, then its RPC server.
import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { createJobMaster, type JobMaster } from '../../job-master/job-master.ts'
import { checkHome } from '../../journal/log/home-parts.ts'
import { openLocalJournal } from '../../journal/log/local-journal.ts'
import { openScheduleTimer } from '../../queue/open.ts'
import type { Queue } from '../../queue/queue.ts'
import { parseRedisAddress } from '../../queue/redis-address.ts'
import { JobServiceDefinition } from '../../wire/generated/job.ts'
import { ScheduleServiceDefinition } from '../../wire/generated/schedule.ts'
import type { MasterServiceDefinition } from '../../wire/generated/master.ts'
import { WorkerServiceDefinition } from '../../wire/generated/worker.ts'
import { serving } from '../../wire/rpc/server.ts'
import type { Service } from '../../wire/service.ts'
import { connector } from '../links.ts'
import type { RoleContext } from '../role-shell.ts'
import { serveRpc } from '../servers.ts'
import { jobMasterOptions } from './job-master-bounds.ts'

/** Workers that take longer are skipped; the audit checks their blocks. */
const holdDeadlineMs = 5000

export interface JobMasterPart {
  readonly jobMaster: JobMaster
  readonly rpc: string
}

/** Replays the journal, listens, registers with the master, and continues unfinished loads. */
export async function startJobMasterPart(
  context: RoleContext,
  peers: { readonly master: Service<MasterServiceDefinition>; readonly queue: Queue },
  web: string,
): Promise<JobMasterPart> {
  const { config, clock, random, logger, metrics, signal } = context
  const directory = join(config.home, 'job-master')
  await checkHome({ directory, role: 'job master' })
  const journal = await openLocalJournal({
    directory: join(directory, 'journal'),
    segmentBytesMax: config.journal.segmentBytes,
    logger,
    metrics,
    clock,
  })
  context.onStop('job master journal', () => journal.close())
  let rpc = ''
  const connect = connector(context)
  const jobMaster = await createJobMaster({
    directory,
    journal,
    skip: { key: 'skein.job.master.journal.skip', sequence: BigInt(config.journal.jobMasterSkip) },
    queue: peers.queue,
    openScheduleTimer: (onFire) =>
      openScheduleTimer(config.queue.url, { logger, clock, lane: scheduleLane(directory) }, onFire),
    queueDescription: config.queue.url === 'inprocess:' ? config.queue.url : parseRedisAddress(config.queue.url).shown,
    master: peers.master,
    holdBlocks: async ({ rpcAddress }, request, aborted) => {
      const link = connect(WorkerServiceDefinition, rpcAddress)
      try {
        return await link.service.holdBlocks(request, { signal: aborted, deadlineMs: holdDeadlineMs })
      } finally {
        link.close()
      }
    },
    advertisedAddress: () => ({ rpcAddress: rpc, webAddress: web }),
    clock,
    random,
    logger,
    metrics,
    onFailure: (error) => context.fail(error),
    options: jobMasterOptions(config),
  })
  context.onStop('job master', () => jobMaster.close())
  rpc = await serveRpc(context, 'job master', config.jobMaster, [
    serving(JobServiceDefinition, jobMaster.service),
    serving(ScheduleServiceDefinition, jobMaster.schedules),
  ])
  jobMaster.start(signal)
  return { jobMaster, rpc }
}

/** Job masters that share a Redis have separate schedules in it. */
function scheduleLane(directory: string): string {
  return `schedules-${createHash('sha256').update(`${hostname()}:${directory}`).digest('hex').slice(0, 16)}`
}
