// Why: runs the job master in its own process. How: one part in a role shell.
import type { Config } from '../../config/config.ts'
import { startJobMasterPart } from '../parts/job-master-part.ts'
import { linkToMaster } from '../links.ts'
import { openAnsweringQueue } from '../queues.ts'
import { type RoleIo, runRole } from '../role-shell.ts'
import { serveWeb } from '../servers.ts'

/**
 * Runs until it is stopped.
 * @throws SkeinError when it cannot start
 */
export function run(config: Config, io: RoleIo): Promise<void> {
  return runRole('job-master', config, io, async (context) => {
    let serving = false
    const web = await serveWeb(context, config.jobMaster, () =>
      serving ? { ready: true } : { ready: false, why: 'the journal is being replayed' },
    )
    const queue = await openAnsweringQueue(context)
    const { rpc } = await startJobMasterPart(context, { master: linkToMaster(context), queue }, web)
    serving = true
    return { rpc, web }
  })
}
