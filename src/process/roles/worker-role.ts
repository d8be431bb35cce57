// Why: runs the cache worker in its own process. How: one part in a role shell.
import type { Config } from '../../config/config.ts'
import { untilAborted } from '../../base/clock.ts'
import { linkToLifecycle, linkToMaster } from '../links.ts'
import { type RoleIo, runRole } from '../role-shell.ts'
import { serveWeb } from '../servers.ts'
import { startWorkerPart } from '../parts/worker-part.ts'

/**
 * Runs until it is stopped.
 * @throws SkeinError when it cannot start
 */
export function run(config: Config, io: RoleIo): Promise<void> {
  return runRole('worker', config, io, async (context) => {
    let registered = false
    const web = await serveWeb(context, config.worker, () =>
      registered ? { ready: true } : { ready: false, why: 'not registered with the master yet' },
    )
    const master = { master: linkToMaster(context), lifecycle: linkToLifecycle(context) }
    const { worker, rpc, data, workerId } = await startWorkerPart(context, master, () => web)
    await untilAborted(worker.registered, context.signal)
    registered = true
    return { rpc, data, web, id: workerId }
  })
}
