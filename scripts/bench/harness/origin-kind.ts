// Why: a fast store on loopback is not the only one that matters. How: the same objects behind one
// of three stores: nginx with sendfile; the RADOS Gateway, which checks signatures and is a real S3
// server; nginx behind a proxy of 30 ms that holds back 1 % of the requests.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CreateBucketCommand, PutBucketPolicyCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { radosgwInstalled, startRadosgw } from '../../../test/support/radosgw.ts'
import type { BenchOrigin, BenchTools } from './bench-tools.ts'
import { withDistance } from './distant-origin.ts'

export const originKinds = ['nginx', 'radosgw', 'distant'] as const
export type OriginKind = (typeof originKinds)[number]

const uploadsAtOnce = 16

/** @returns the same objects behind a store of this kind, which ends with the run */
export async function withOriginKind(tools: BenchTools, kind: OriginKind, origin: BenchOrigin): Promise<BenchOrigin> {
  switch (kind) {
    case 'nginx':
      return origin
    case 'distant':
      return { ...origin, url: await withDistance(tools, origin) }
    case 'radosgw':
      return await inRadosgw(tools, origin)
  }
}

async function inRadosgw(tools: BenchTools, { bucket, objects, folder }: BenchOrigin): Promise<BenchOrigin> {
  const { endpoint, accessKey, secretKey } = await tools.once('radosgw', async () => {
    if (!radosgwInstalled()) throw new Error('radosgw is not installed')
    const store = await startRadosgw({ memoryGiB: 8 })
    tools.onEnd(() => store.stop())
    return store
  })
  const client = new S3Client({
    ...{ endpoint, region: 'us-east-1', forcePathStyle: true },
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    requestChecksumCalculation: 'WHEN_REQUIRED',
  })
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }))
    // The limits send no signature.
    const Statement = [
      { Effect: 'Allow', Principal: '*', Action: ['s3:GetObject'], Resource: [`arn:aws:s3:::${bucket}/*`] },
    ]
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
    await client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }))
    const left = objects.values()
    await Promise.all(
      Array.from({ length: uploadsAtOnce }, async () => {
        for (const { key } of left)
          await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: readFileSync(join(folder, key)) }))
      }),
    )
  } finally {
    client.destroy()
  }
  return { url: endpoint, bucket, objects, folder, credential: { accessKey, secretKey } }
}
