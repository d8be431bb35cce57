// Why: clients of Hadoop use the cache as if it were HDFS. How: this is the only way in: it opens
// the port and closes it. Namespaces are the directories below `/`. The door is its own data node:
// it sends clients to itself for the bytes.
import { createServer } from 'node:http'
import { SkeinError } from '../../base/errors.ts'
import { isLoopback } from '../../base/loopback.ts'
import { DoorMetrics } from '../../telemetry/door-metrics.ts'
import { everybodyMay, type Permissions } from '../callers.ts'
import { type DoorParts, doorServerOptions, openDoorPort, type RunningDoor } from '../door-port.ts'
import { defaultWebHdfsDoorLimits, type WebHdfsDoorOptions } from './webhdfs-options.ts'
import { takeRawRequestLines } from './raw-request-lines.ts'
import { WebHdfsServer } from './webhdfs-server.ts'

export interface WebHdfsDoorParts extends DoorParts<WebHdfsDoorOptions> {
  /** Default: everybody may do everything. */
  readonly permissions?: Permissions
}

/**
 * @throws SkeinError failed_precondition when it cannot listen, or when the address is not on
 *   loopback
 */
export async function startWebHdfsDoor(parts: WebHdfsDoorParts): Promise<RunningDoor> {
  const { fileSystem, options, pieces, permissions = everybodyMay, clock, logger } = parts
  const { host, port, blockSizeBytes, names } = options
  if (!isLoopback(host))
    throw new SkeinError(
      'failed_precondition',
      `the WebHDFS port cannot listen on ${host}, because its clients are not authenticated: ` +
        'set skein.gateway.webhdfs.port=-1 to open none, or listen on 127.0.0.1',
    )
  const limits = { ...defaultWebHdfsDoorLimits, ...options.limits }
  const metrics = new DoorMetrics('webhdfs', { metrics: parts.metrics, clock })
  const context = { fileSystem, permissions, clock, pieces, blockSizeBytes, onSource: metrics.onSource }
  let address = ''
  const { requests } = new WebHdfsServer({ context, limits, metrics, logger, ownAddress: () => address })
  const server = createServer(doorServerOptions)
  takeRawRequestLines(server, clock)
  const listening = { ...limits, what: 'WebHDFS port', host, port, names }
  const door = await openDoorPort(server, requests, { ...listening, clock, metrics })
  address = door.address
  return door
}
