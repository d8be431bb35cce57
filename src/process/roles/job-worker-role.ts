// Why: runs the job worker in its own process. How: one part in a role shell.
import type { Config } from '../../config/config.ts'
import { startJobWorkerPart } from '../parts/job-worker-part.ts'
import { linkToJobMaster, linkToMaster } from '../links.ts'
import { openAnsweringQueue } from '../queues.ts'
import { type RoleIo, runRole } from '../role-shell.ts'
import { serveRpc, serveWeb } from '../servers.ts'

/**
 * Runs until it is stopped.
 * @throws SkeinError when it cannot start
 */
export function run(config: Config, io: RoleIo): Promise<void> {
  return runRole('job-worker', config, io, async (context) => {
    let started = false
    const web = await serveWeb(context, config.jobWorker, () =>
      started ? { ready: true } : { ready: false, why: 'not registered with the job master yet' },
    )
    const rpc = await serveRpc(context, 'job worker', config.jobWorker, [])
    const queue = await openAnsweringQueue(context)
    const master = linkToMaster(context)
    const { id } = await startJobWorkerPart(
      context,
      { master, jobMaster: linkToJobMaster(context, master), queue },
      rpc,
    )
    started = true
    return { rpc, web, id }
  })
}
