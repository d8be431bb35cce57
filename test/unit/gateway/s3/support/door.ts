// Why: the door is tested as its clients see it: over HTTP, with the SDK and with plain requests.
// How: a door on a free port before a file system in memory.
import { S3Client } from '@aws-sdk/client-s3'
import { type Clock, systemClock } from '../../../../../src/base/clock.ts'
import { sentMemory } from '../../../../../src/gateway/sent-memory.ts'
import { startS3Door } from '../../../../../src/gateway/s3/s3-door.ts'
import type { S3DoorOptions } from '../../../../../src/gateway/s3/s3-options.ts'
import { silentLogger } from '../../../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../../../src/telemetry/registry.ts'
import { MemoryFileSystem } from '../../../../support/memory-file-system.ts'
import type { PlainAnswer } from '../../support/plain-requests.ts'

export interface TestDoor {
  readonly fileSystem: MemoryFileSystem
  readonly address: string
  readonly metrics: MetricRegistry
  /** A client of the SDK. */
  client(accessKeyId?: string, secretAccessKey?: string): S3Client
  close(): Promise<void>
}

/** Namespaces: `bucket`, `other`, and `readonly`. */
function testFileSystem(time: Pick<Clock, 'nowMs'>): MemoryFileSystem {
  const fileSystem = new MemoryFileSystem(time, ['bucket', 'other'])
  fileSystem.addNamespace('readonly', true)
  return fileSystem
}

/** @param time of the file system and the door; timers are those of the system */
export async function startDoor(
  options: Partial<S3DoorOptions> = {},
  time: Pick<Clock, 'nowMs'> = systemClock,
  fileSystem = testFileSystem(time),
): Promise<TestDoor> {
  const metrics = new MetricRegistry('gateway')
  const door = await startS3Door({
    fileSystem,
    options: {
      ...{ host: '127.0.0.1', port: 0, domains: [], region: 'us-east-1', credentialsFile: undefined, names: [] },
      uploadExpiryMs: 60_000,
      digestThreadsMax: 1,
      ...options,
    },
    pieces: sentMemory(96 * 1024 * 1024, systemClock),
    ...{ clock: { ...systemClock, nowMs: () => time.nowMs() }, logger: silentLogger, metrics },
  })
  const clients: S3Client[] = []
  return {
    ...{ fileSystem, metrics, address: door.address },
    client: (accessKeyId = 'any', secretAccessKey = 'key') => {
      const client = new S3Client({
        ...{ endpoint: `http://${door.address}`, region: 'us-east-1', forcePathStyle: true, maxAttempts: 1 },
        credentials: { accessKeyId, secretAccessKey },
      })
      clients.push(client)
      return client
    },
    close: async () => {
      for (const client of clients) client.destroy()
      await door.close(0)
    },
  }
}

/** The code of an error document; empty: none. */
export function codeIn({ text }: PlainAnswer): string {
  return /<Code>(\w+)<\/Code>/.exec(text)?.[1] ?? ''
}

/** What a command of the SDK failed with: the code and the status. */
export function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'no error',
    ({ name, $metadata }: { name: string; $metadata?: { httpStatusCode?: number } }) => [
      name,
      $metadata?.httpStatusCode,
    ],
  )
}
