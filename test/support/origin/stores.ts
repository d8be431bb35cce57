// Why: many tests want a store over the origin. How: one way to open it, path style or
// virtual-hosted, with few retries.
import { systemClock, systemRandom } from '../../../src/base/clock.ts'
import { Secret } from '../../../src/base/secret.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'
import { type OpenDependencies, openUnderFileSystem } from '../../../src/ufs/open-store.ts'
import { type CosnDefaults, cosnDefaults } from '../../../src/ufs/store-options.ts'
import type { UnderFileSystem } from '../../../src/ufs/under-file-system.ts'

export interface TestCredential {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

export const testCredential: TestCredential = {
  accessKeyId: 'AKIDTESTONLY',
  secretAccessKey: 'canary/Secret+Key=0123456789abcdef',
}

export function testDependencies(overrides: Partial<OpenDependencies> = {}): OpenDependencies {
  return {
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    metrics: new MetricRegistry(),
    allowPrivateEndpoints: true,
    fileRoots: ['/'],
    ...overrides,
  }
}

/**
 * Few retries. The time-outs are long: on a busy machine a test and its origin stand still for a
 * while, and a request that is sent again is one more than the tests count.
 */
export const plainDefaults: CosnDefaults = {
  ...cosnDefaults,
  maxRetries: 4,
  socketTimeoutMs: 20_000,
  connectionTimeoutMs: 20_000,
  useHttps: false,
}

/** For a store that falls silent: soon given up, but not before a healthy answer can come. */
export const impatientDefaults: CosnDefaults = { ...plainDefaults, socketTimeoutMs: 1000 }

/** `s3://bucket/prefix` in path style. */
export function openS3(
  endpoint: string,
  uri: string,
  credential: TestCredential = testCredential,
  defaults: CosnDefaults = cosnDefaults,
  dependencies: OpenDependencies = testDependencies(),
): Promise<UnderFileSystem> {
  const { accessKeyId, secretAccessKey, sessionToken } = credential
  const token = sessionToken === undefined ? {} : { 's3.sessionToken': new Secret(sessionToken) }
  return openUnderFileSystem(
    {
      uri,
      attributes: { 's3.endpoint': endpoint, 's3.forcePathStyle': 'true' },
      secrets: {
        's3.accessKeyId': new Secret(accessKeyId),
        's3.secretAccessKey': new Secret(secretAccessKey),
        ...token,
      },
    },
    defaults,
    dependencies,
  )
}

/** `cosn://bucket/prefix`, virtual-hosted at `bucket.<endpointSuffix>` over plain HTTP. */
export function openCosn(
  endpointSuffix: string,
  uri: string,
  credential: TestCredential = testCredential,
  defaults: CosnDefaults = cosnDefaults,
  dependencies: OpenDependencies = testDependencies(),
  attributes: Readonly<Record<string, string>> = {},
): Promise<UnderFileSystem> {
  const { accessKeyId, secretAccessKey, sessionToken } = credential
  const token = sessionToken === undefined ? {} : { 'fs.cosn.userinfo.sessionToken': new Secret(sessionToken) }
  return openUnderFileSystem(
    {
      uri,
      attributes: {
        'fs.cosn.bucket.endpoint_suffix': endpointSuffix,
        'fs.cosn.bucket.region': 'ap-guangzhou',
        'fs.cosn.useHttps': 'false',
        ...attributes,
      },
      secrets: {
        'fs.cosn.userinfo.secretId': new Secret(accessKeyId),
        'fs.cosn.userinfo.secretKey': new Secret(secretAccessKey),
        ...token,
      },
    },
    defaults,
    dependencies,
  )
}
