// Why: runs the cache master in its own process. How: one part in a role shell.
import type { Config } from '../../config/config.ts'
import { startMasterPart } from '../parts/master-part.ts'
import { type RoleIo, runRole } from '../role-shell.ts'
import { serveWeb } from '../servers.ts'

/**
 * Runs until it is stopped.
 * @throws SkeinError when it cannot start
 */
export function run(config: Config, io: RoleIo): Promise<void> {
  return runRole('master', config, io, async (context) => {
    let serving = false
    const web = await serveWeb(context, config.master, () =>
      serving ? { ready: true } : { ready: false, why: 'the journal is being replayed' },
    )
    const { rpc } = await startMasterPart(context, web)
    serving = true
    return { rpc, web }
  })
}
