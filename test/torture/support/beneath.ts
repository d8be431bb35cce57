// Why: tests that kill Skein look at the store beneath it as others see it. How: a real gateway
// where Ceph is installed, else an origin in the test's process.
import { CreateBucketCommand, ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3'
import type { ObjectInfo, UnderFileSystem } from '../../../src/ufs/under-file-system.ts'
import { startOrigin } from '../../support/origin/server.ts'
import { openS3, testCredential } from '../../support/origin/stores.ts'
import { radosgwInstalled, startRadosgw } from '../../support/radosgw.ts'

const signal = new AbortController().signal

/** The store beneath, as others see it. */
export interface Beneath {
  readonly endpoint: string
  readonly credential: { readonly accessKeyId: string; readonly secretAccessKey: string }
  readonly store: UnderFileSystem
  /** Of all objects, by key. */
  objects(): Promise<ReadonlyMap<string, ObjectInfo>>
  /** Multipart uploads that were not ended. */
  uploads(): Promise<number>
  close(): Promise<void>
}

export async function startBeneath(): Promise<Beneath> {
  const gateway = radosgwInstalled() ? await startRadosgw({ memoryGiB: 2, domain: 'localhost' }) : undefined
  const origin =
    gateway === undefined ? await startOrigin({ credentials: [testCredential], buckets: ['data'] }) : undefined
  const endpoint = gateway?.endpoint ?? origin?.url ?? ''
  const credential =
    gateway === undefined ? testCredential : { accessKeyId: gateway.accessKey, secretAccessKey: gateway.secretKey }
  const client = new S3Client({ region: 'us-east-1', endpoint, forcePathStyle: true, credentials: credential })
  if (gateway !== undefined) await client.send(new CreateBucketCommand({ Bucket: 'data' }))
  const store = await openS3(endpoint, 's3://data', credential)
  return {
    endpoint,
    credential,
    store,
    objects: async () => {
      const page = await store.list({ prefix: '', delimiter: undefined, after: undefined, limit: 1000 }, signal)
      return new Map(page.objects.map((object) => [object.key, object]))
    },
    uploads: async () => {
      if (origin !== undefined) return origin.bucket('data').uploads.count
      return (await client.send(new ListMultipartUploadsCommand({ Bucket: 'data' }))).Uploads?.length ?? 0
    },
    close: async () => {
      client.destroy()
      await store.close()
      await gateway?.stop()
      await origin?.close()
    },
  }
}
