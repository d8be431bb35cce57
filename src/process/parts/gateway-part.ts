// Why: programs reach the cache by protocols that they speak already. How: one file system of the
// cluster for all doors; each door that is configured opens its port, and is loaded only then.
import type { RolesHere } from '../../client/roles-here.ts'
import type { Config } from '../../config/config.ts'
import type { RoleContext } from '../role-shell.ts'
import { reachable } from '../servers.ts'

/** Addresses of the doors; a door that is shut has none. */
export interface DoorAddresses {
  readonly s3?: string
}

/**
 * @param config with the address of the master
 * @param here what other parts of this process offer
 * @throws SkeinError failed_precondition when a door cannot be opened
 */
export async function startGatewayPart(context: RoleContext, config: Config, here?: RolesHere): Promise<DoorAddresses> {
  const { clock, logger, metrics } = context
  const { s3, credentialsFile } = config.gateway
  if (s3 === undefined) return {}
  const { connectCluster } = await import('../../client/connect.ts')
  const { startS3Door } = await import('../../gateway/s3/s3-door.ts')
  const { files } = connectCluster(config, { logger, storeSecrets: 'cluster', metrics, here })
  context.onStop('file system', () => files.close())
  const door = await startS3Door({
    fileSystem: files,
    options: {
      host: s3.bindHost,
      port: s3.port,
      domains: s3.domains,
      region: s3.region,
      uploadExpiryMs: s3.uploadExpiryMs,
      credentialsFile,
      limits: {
        requestsMax: s3.requestsMax,
        connectionsMax: s3.connectionsMax,
        peerConnectionsMax: s3.connectionsMax,
        idleMs: s3.idleMs,
      },
      names: [s3.reachHost, ...config.httpHostNames],
    },
    clock,
    logger,
    metrics,
  })
  context.onStop('S3 port', () => door.close(context.drainMs()))
  return { s3: reachable(door.address, s3) }
}
