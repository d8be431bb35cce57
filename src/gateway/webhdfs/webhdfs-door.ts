// Why: clients of Hadoop use the cache as if it were HDFS. How: this is the only way in: it opens
// the port and closes it. Namespaces are the directories below `/`. The door is its own data node:
// it sends clients to itself for the bytes.
import { createServer } from 'node:http'
import type { Clock } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import { isLoopback } from '../../base/loopback.ts'
import type { FileSystem } from '../../client/file-system.ts'
import { DoorMetrics } from '../../telemetry/door-metrics.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import { closeHttp, httpServerOptions, listenHttp } from '../../wire/http/http-listen.ts'
import { everybodyMay, type Permissions } from '../callers.ts'
import { defaultWebHdfsDoorLimits, type WebHdfsDoorOptions } from './webhdfs-options.ts'
import { takeRawRequestLines } from './raw-request-lines.ts'
import { WebHdfsServer } from './webhdfs-server.ts'

export interface WebHdfsDoorParts {
  /** Stays open when the door closes. */
  readonly fileSystem: FileSystem
  readonly options: WebHdfsDoorOptions
  /** Default: everybody may do everything. */
  readonly permissions?: Permissions
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Pick<MetricRegistry, 'add' | 'observe' | 'record'>
}

export interface RunningWebHdfsDoor {
  /** `host:port` */
  readonly address: string
  /** Lets running requests finish for `graceMs`, then ends them. */
  close(graceMs: number): Promise<void>
}

/** Of the head of a request; Node.js answers 431 to larger ones. */
const headBytesMax = 32 * 1024
const socketBufferBytes = 256 * 1024

/**
 * @throws SkeinError failed_precondition when it cannot listen, or when the address is not on
 *   loopback
 */
export async function startWebHdfsDoor(parts: WebHdfsDoorParts): Promise<RunningWebHdfsDoor> {
  const { fileSystem, options, permissions = everybodyMay, clock, logger } = parts
  const { host, port, blockSizeBytes, names } = options
  if (!isLoopback(host))
    throw new SkeinError(
      'failed_precondition',
      `the WebHDFS port cannot listen on ${host}, because its clients are not authenticated: ` +
        'set skein.gateway.webhdfs.port=-1 to open none, or listen on 127.0.0.1',
    )
  const limits = { ...defaultWebHdfsDoorLimits, ...options.limits }
  const metrics = new DoorMetrics('webhdfs', { metrics: parts.metrics, clock })
  const context = { fileSystem, permissions, clock, blockSizeBytes, onSource: metrics.onSource }
  let address = ''
  const webHdfs = new WebHdfsServer({ context, limits, metrics, logger, ownAddress: () => address })
  const server = createServer({ ...httpServerOptions, highWaterMark: socketBufferBytes, maxHeaderSize: headBytesMax })
  takeRawRequestLines(server, clock)
  const listening = await listenHttp(server, {
    ...limits,
    ...{ what: 'WebHDFS port', host, port, names },
    serve: (request, response, awaitsContinue) => void webHdfs.serve(request, response, awaitsContinue),
    refuse: (request, response, awaitsContinue, error) => void webHdfs.serve(request, response, awaitsContinue, error),
    cutOne: (peer) => webHdfs.cutOne(peer),
  })
  const { guard } = listening
  address = listening.address
  metrics.observePort({ connections: () => guard.connections, rejections: () => guard.turnedAway })
  return { address, close: (graceMs) => closeHttp(server, clock, graceMs, () => webHdfs.abortAll()) }
}
