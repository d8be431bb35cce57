// Why: runs the doors in their own process, near the programs that use them. How: one part in a
// role shell.
import type { Config } from '../../config/config.ts'
import { startGatewayPart } from '../parts/gateway-part.ts'
import { type RoleIo, runRole } from '../role-shell.ts'
import { serveWeb } from '../servers.ts'

/**
 * Runs until it is stopped.
 * @throws SkeinError when it cannot start
 */
export function run(config: Config, io: RoleIo): Promise<void> {
  return runRole('gateway', config, io, async (context) => {
    let isReady = false
    const web = await serveWeb(context, config.gateway.web, () =>
      isReady ? { ready: true } : { ready: false, why: 'still starting' },
    )
    const doors = await startGatewayPart(context, config)
    isReady = true
    return { ...doors, web }
  })
}
