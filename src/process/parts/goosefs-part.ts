// Why: the ports of a master and of a worker speak GooseFS's own protocol, too. How: the services
// of goosefs-rpc, on what the role already has; one table of sessions a port.
import type { CacheMaster } from '../../cache-master/master.ts'
import { fileSystemService } from '../../goosefs-rpc/master/file-system-service.ts'
import { metricsService } from '../../goosefs-rpc/master/metrics-service.ts'
import { versionService } from '../../goosefs-rpc/master/version-service.ts'
import type { NativeServiceParts } from '../../goosefs-rpc/native-service.ts'
import { ChannelSessions } from '../../goosefs-rpc/session/channel-sessions.ts'
import { saslService } from '../../goosefs-rpc/session/sasl-service.ts'
import type { StreamMethod } from '../../wire/rpc/grpc-streams.ts'
import type { RoleContext } from '../role-shell.ts'

type Services = readonly (readonly StreamMethod[])[]

/** What GooseFS's clients ask a master. */
export function goosefsMasterServices(
  context: RoleContext,
  { service, lifecycle }: Pick<CacheMaster, 'service' | 'lifecycle'>,
): Services {
  const parts = partsOf(context)
  const { clock, logger, signal } = context
  const files = { master: service, lifecycle, clock, logger, signal }
  return [
    saslService(parts.sessions, parts),
    versionService(parts),
    metricsService(parts),
    fileSystemService(files, parts),
  ]
}

/** What GooseFS's clients ask a worker. */
export function goosefsWorkerServices(context: RoleContext): Services {
  const parts = partsOf(context)
  return [saslService(parts.sessions, parts)]
}

function partsOf({ config, clock, logger }: RoleContext): NativeServiceParts & { readonly sessions: ChannelSessions } {
  return { sessions: new ChannelSessions({ type: config.goosefsAuthentication, clock }), logger }
}
