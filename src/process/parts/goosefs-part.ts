// Why: the ports of a master and of a worker speak GooseFS's own protocol, too. How: the services
// of goosefs-rpc, on what the role already has; one table of sessions a port.
import type { CacheMaster } from '../../cache-master/master.ts'
import { fileSystemService } from '../../goosefs-rpc/master/file-system-service.ts'
import { metricsService } from '../../goosefs-rpc/master/metrics-service.ts'
import { versionService } from '../../goosefs-rpc/master/version-service.ts'
import { workerListService } from '../../goosefs-rpc/master/worker-list-service.ts'
import type { NativeServiceParts } from '../../goosefs-rpc/native-service.ts'
import { BlockReads } from '../../goosefs-rpc/worker/block-reads.ts'
import type { BlockWrites } from '../../goosefs-rpc/worker/block-writes.ts'
import type { CachedBlocksParts } from '../../goosefs-rpc/worker/cached-blocks.ts'
import { blockWorkerService } from '../../goosefs-rpc/worker/block-worker-service.ts'
import { ChannelSessions } from '../../goosefs-rpc/session/channel-sessions.ts'
import { saslService } from '../../goosefs-rpc/session/sasl-service.ts'
import { storeSecrets } from '../../ufs/store-keys.ts'
import type { StreamMethod } from '../../wire/rpc/grpc-streams.ts'
import type { RoleContext } from '../role-shell.ts'

/** Pieces are free as soon as the library has copied them: a part of the data port's memory. */
const readBuffersShare = 4

type Services = readonly (readonly StreamMethod[])[]

/** What GooseFS's clients ask a master. */
export function goosefsMasterServices(
  context: RoleContext,
  { service, lifecycle }: Pick<CacheMaster, 'service' | 'lifecycle'>,
): Services {
  const parts = partsOf(context)
  const { clock, logger, signal } = context
  const isSecret = (name: string): boolean => name in storeSecrets
  const files = { master: service, lifecycle, isSecret, clock, logger, signal }
  return [
    saslService(parts.sessions, parts),
    versionService(parts),
    metricsService(parts),
    fileSystemService(files, parts),
    workerListService({ master: service, clock }, parts),
  ]
}

/** What GooseFS's clients ask a worker. */
export function goosefsWorkerServices(
  context: RoleContext,
  cached: CachedBlocksParts,
  writes: Pick<BlockWrites, 'write'>,
): Services {
  const parts = partsOf(context)
  const { config, clock, metrics } = context
  const reads = new BlockReads({
    ...{ files: cached.files, clock },
    streamsMax: config.worker.blockReadersMax,
    bytesMax: config.worker.data.readBuffersBytesMax / readBuffersShare,
  })
  metrics.observe('skein_worker_goosefs_read_buffers_bytes', () => reads.usedBytes)
  return [saslService(parts.sessions, parts), blockWorkerService({ ...parts, reads, writes, cached })]
}

function partsOf({ config, clock, logger }: RoleContext): NativeServiceParts & { readonly sessions: ChannelSessions } {
  return { sessions: new ChannelSessions({ type: config.goosefsAuthentication, clock }), logger }
}
