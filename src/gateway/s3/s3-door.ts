// Why: clients of S3 use the cache as if it were a store. How: this is the only way in: it reads
// the access keys, opens the port, and closes both. Buckets are namespaces; bytes pass through the
// door.
import { createServer } from 'node:http'
import type { Clock } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import { PieceLender } from '../../base/flow/lent-pieces.ts'
import { PiecePool } from '../../base/flow/piece-pool.ts'
import { isLoopback } from '../../base/loopback.ts'
import { pageBytes } from '../../base/page-checksum.ts'
import type { FileSystem } from '../../client/file-system.ts'
import { DoorMetrics } from '../../telemetry/door-metrics.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import { closeHttp, httpServerOptions, listenHttp } from '../../wire/http/http-listen.ts'
import { openCredentials } from '../credentials/watched-credentials.ts'
import type { S3Context } from './call/s3-call.ts'
import { defaultS3DoorLimits, type S3DoorOptions } from './s3-options.ts'
import { S3Server } from './s3-server.ts'

export interface S3DoorParts {
  /** Stays open when the door closes. */
  readonly fileSystem: FileSystem
  readonly options: S3DoorOptions
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Pick<MetricRegistry, 'add' | 'observe' | 'record'>
}

export interface RunningS3Door {
  /** `host:port` */
  readonly address: string
  /** Lets running requests finish for `graceMs`, then ends them. */
  close(graceMs: number): Promise<void>
}

/** Of the head of a request; Node.js answers 431 to larger ones. */
const headBytesMax = 32 * 1024
const socketBufferBytes = 256 * 1024
/** Free pieces of memory that are kept for the next objects. */
const idlePiecesMax = 16

/**
 * @throws SkeinError failed_precondition when it cannot listen, when the credentials cannot be
 *   used, or when there are none and the address is not on loopback
 */
export async function startS3Door({
  fileSystem,
  options,
  clock,
  logger,
  metrics,
}: S3DoorParts): Promise<RunningS3Door> {
  const { host, port, credentialsFile, region, uploadExpiryMs } = options
  if (credentialsFile === undefined && !isLoopback(host))
    throw new SkeinError(
      'failed_precondition',
      `the S3 port cannot listen on ${host} without access keys: set skein.gateway.credentials.file, ` +
        'or listen on 127.0.0.1',
    )
  const credentials =
    credentialsFile === undefined ? undefined : await openCredentials(credentialsFile, { clock, logger })
  const limits = { ...defaultS3DoorLimits, ...options.limits }
  const domains = options.domains.map((domain) => domain.toLowerCase())
  const door = new DoorMetrics('s3', { metrics, clock })
  const pool = new PiecePool({ pieceBytes: pageBytes, idleMax: idlePiecesMax, clock })
  const pieces = new PieceLender('objects that are being sent', pool, limits.sentBytesMax)
  const context: S3Context = { fileSystem, clock, logger, region, uploadExpiryMs, pieces, onSource: door.onSource }
  const s3Server = new S3Server({ context, callers: credentials?.callers, domains, limits, metrics: door })
  const server = createServer({ ...httpServerOptions, highWaterMark: socketBufferBytes, maxHeaderSize: headBytesMax })
  // S3 ignores expectations that it does not know; Node.js would answer 417.
  server.on('checkExpectation', (request, response) => void server.emit('request', request, response))
  try {
    const { address, guard } = await listenHttp(server, {
      ...limits,
      ...{ what: 'S3 port', host, port, names: options.names, domains },
      // A signature covers the host, and a page has no key. Without keys, nobody else may ask.
      isForAnyHost: credentials !== undefined,
      serve: (request, response, awaitsContinue) => void s3Server.serve(request, response, awaitsContinue),
      refuse: (request, response, awaitsContinue, error) =>
        void s3Server.serve(request, response, awaitsContinue, error),
      cutOne: (peer) => s3Server.cutOne(peer),
    })
    door.observePort({ connections: () => guard.connections, rejections: () => guard.turnedAway })
    return {
      address,
      close: async (graceMs) => {
        await closeHttp(server, clock, graceMs, () => s3Server.abortAll())
        credentials?.close()
      },
    }
  } catch (thrown) {
    credentials?.close()
    throw thrown
  }
}
