// Why: clients of S3 use the cache as if it were a store. How: this is the only way in: it reads
// the access keys, opens the port, and closes both. Buckets are namespaces; bytes pass through the
// door.
import { createServer } from 'node:http'
import { SkeinError } from '../../base/errors.ts'
import { isLoopback } from '../../base/loopback.ts'
import { DoorMetrics } from '../../telemetry/door-metrics.ts'
import { openCredentials } from '../credentials/watched-credentials.ts'
import { type DoorParts, doorServerOptions, openDoorPort, type RunningDoor } from '../door-port.ts'
import { DigestThreads } from './body/digest-threads.ts'
import type { S3Context } from './call/s3-call.ts'
import { defaultS3DoorLimits, type S3DoorOptions } from './s3-options.ts'
import { KnownBuckets } from './buckets/known-buckets.ts'
import { S3Server } from './s3-server.ts'

/**
 * @throws SkeinError failed_precondition when it cannot listen, when the credentials cannot be
 *   used, or when there are none and the address is not on loopback
 */
export async function startS3Door({
  fileSystem,
  options,
  pieces,
  clock,
  logger,
  metrics,
}: DoorParts<S3DoorOptions>): Promise<RunningDoor> {
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
  const digests = new DigestThreads({ threadsMax: options.digestThreadsMax })
  const context: S3Context = {
    digests,
    fileSystem,
    clock,
    logger,
    region,
    uploadExpiryMs,
    buckets: new KnownBuckets(fileSystem, clock),
    pieces,
    onSource: door.onSource,
  }
  const { requests } = new S3Server({ context, callers: credentials?.callers, domains, limits, metrics: door })
  const server = createServer(doorServerOptions)
  // S3 ignores expectations that it does not know; Node.js would answer 417.
  server.on('checkExpectation', (request, response) => void server.emit('request', request, response))
  try {
    const running = await openDoorPort(server, requests, {
      ...limits,
      ...{ what: 'S3 port', host, port, names: options.names, domains, clock, metrics: door },
      // A signature covers the host, and a page has no key. Without keys, nobody else may ask.
      isForAnyHost: credentials !== undefined,
    })
    return {
      address: running.address,
      close: async (graceMs) => {
        await running.close(graceMs)
        await digests.close()
        credentials?.close()
      },
    }
  } catch (thrown) {
    credentials?.close()
    throw thrown
  }
}
