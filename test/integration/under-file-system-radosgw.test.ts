// Why: the stores' contract against a real gateway, path style and virtual-hosted. Skipped where
// Ceph is not installed.
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe } from 'vitest'
import { type StoreUnderTest, underFileSystemConformance } from '../conformance/support/under-file-system-suite.ts'
import { underFileSystemWrites, type WritableStoreUnderTest } from '../conformance/support/under-file-system-writes.ts'
import { openCosn, openS3 } from '../support/origin/stores.ts'
import { type Radosgw, radosgwInstalled, startRadosgw } from '../support/radosgw.ts'

describe.skipIf(!radosgwInstalled())('on radosgw', { timeout: 120_000 }, () => {
  let gateway: Radosgw
  let client: S3Client
  let buckets = 0

  beforeAll(async () => {
    gateway = await startRadosgw({ memoryGiB: 2, domain: 'localhost' })
    const { accessKey: accessKeyId, secretKey: secretAccessKey } = gateway
    client = new S3Client({
      region: 'us-east-1',
      endpoint: gateway.endpoint,
      forcePathStyle: true,
      credentials: { accessKeyId, secretAccessKey },
      requestChecksumCalculation: 'WHEN_REQUIRED',
    })
  }, 120_000)
  afterAll(async () => {
    client?.destroy()
    await gateway?.stop()
  })

  const onGateway = async (style: 's3' | 'cosn', prefix: string): Promise<StoreUnderTest & WritableStoreUnderTest> => {
    buckets += 1
    const Bucket = `bucket-${buckets}`
    await client.send(new CreateBucketCommand({ Bucket }))
    const credential = { accessKeyId: gateway.accessKey, secretAccessKey: gateway.secretKey }
    const uri = `${style}://${Bucket}/${prefix}`
    const store =
      style === 's3'
        ? await openS3(gateway.endpoint, uri, credential)
        : await openCosn(`localhost:${gateway.port}`, uri, credential)
    return {
      store,
      tokensAreKeys: true,
      racesUploads: true,
      racesReplacements: true,
      renamesByCopy: true,
      copiesWithoutCondition: true,
      put: async (key, bytes) =>
        void (await client.send(new PutObjectCommand({ Bucket, Key: prefix + key, Body: bytes }))),
      remove: async (key) => void (await client.send(new DeleteObjectCommand({ Bucket, Key: prefix + key }))),
      leftovers: async () => {
        const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }))
        return Uploads.map(({ Key = '' }) => Key)
      },
      close: () => store.close(),
    }
  }

  underFileSystemConformance('radosgw, path style', () => onGateway('s3', ''))
  underFileSystemConformance('radosgw, virtual-hosted, below a prefix', () => onGateway('cosn', 'data + sets/v1/'))
  underFileSystemWrites('radosgw, path style, below a prefix', () => onGateway('s3', 'data + sets/v1/'))
})
