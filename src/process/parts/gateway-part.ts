// Why: programs reach the cache by protocols that they speak already. How: one file system of the
// cluster for all doors; each door that is configured opens its port, and is loaded only then.
import type { RolesHere } from '../../client/roles-here.ts'
import type { Config } from '../../config/config.ts'
import type { DoorParts } from '../../gateway/door-port.ts'
import type { RoleContext } from '../role-shell.ts'
import { reachable } from '../servers.ts'

/** Addresses of the doors; a door that is shut has none. */
export interface DoorAddresses {
  readonly s3?: string
  readonly webhdfs?: string
}

/**
 * @param config with the address of the master
 * @param here what other parts of this process offer
 * @throws SkeinError failed_precondition when a door cannot be opened
 */
export async function startGatewayPart(context: RoleContext, config: Config, here?: RolesHere): Promise<DoorAddresses> {
  const { s3, webHdfs } = config.gateway
  if (s3 === undefined && webHdfs === undefined) return {}
  const { connectCluster } = await import('../../client/connect.ts')
  const { sentMemory } = await import('../../gateway/sent-memory.ts')
  const { logger, metrics, clock } = context
  const { files } = connectCluster(config, { logger, storeSecrets: 'cluster', metrics, here })
  context.onStop('file system', () => files.close())
  const pieces = sentMemory(config.gateway.readBuffersBytes, clock)
  metrics.observe('skein_door_read_buffers_bytes', () => pieces.usedBytes)
  const shared = { fileSystem: files, pieces, clock, logger, metrics }
  return {
    ...(s3 === undefined ? {} : { s3: await openS3(context, config, shared, s3) }),
    ...(webHdfs === undefined ? {} : { webhdfs: await openWebHdfs(context, config, shared, webHdfs) }),
  }
}

type Opened<Door extends 's3' | 'webHdfs'> = NonNullable<Config['gateway'][Door]>

type SharedParts = Omit<DoorParts<unknown>, 'options'>

async function openS3(context: RoleContext, config: Config, shared: SharedParts, s3: Opened<'s3'>): Promise<string> {
  const { startS3Door } = await import('../../gateway/s3/s3-door.ts')
  const door = await startS3Door({
    ...shared,
    options: {
      host: s3.bindHost,
      port: s3.port,
      domains: s3.domains,
      region: s3.region,
      uploadExpiryMs: s3.uploadExpiryMs,
      digestThreadsMax: s3.digestThreads,
      credentialsFile: config.gateway.credentialsFile,
      limits: {
        requestsMax: s3.requestsMax,
        connectionsMax: s3.connectionsMax,
        peerConnectionsMax: s3.connectionsMax,
        idleMs: s3.idleMs,
      },
      names: [s3.reachHost, ...config.httpHostNames],
    },
  })
  context.onStop('S3 port', () => door.close(context.drainMs()))
  return reachable(door.address, s3)
}

async function openWebHdfs(
  context: RoleContext,
  config: Config,
  shared: SharedParts,
  webHdfs: Opened<'webHdfs'>,
): Promise<string> {
  const { startWebHdfsDoor } = await import('../../gateway/webhdfs/webhdfs-door.ts')
  const { bindHost: host, port, requestsMax, connectionsMax, idleMs } = webHdfs
  const door = await startWebHdfsDoor({
    ...shared,
    options: {
      ...{ host, port, names: config.httpHostNames, blockSizeBytes: config.user.blockSizeBytes },
      limits: { requestsMax, connectionsMax, peerConnectionsMax: connectionsMax, idleMs },
    },
  })
  context.onStop('WebHDFS port', () => door.close(context.drainMs()))
  return door.address
}
