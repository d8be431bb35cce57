import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteBucketTaggingCommand,
  GetBucketLocationCommand,
  GetBucketTaggingCommand,
  GetBucketVersioningCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  paginateListObjectsV2,
  type S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { plainly } from '../support/plain-requests.ts'
import { codeIn, failureOf, startDoor, type TestDoor } from './support/door.ts'

let door: TestDoor
let client: S3Client

beforeAll(async () => {
  door = await startDoor()
  client = door.client()
})
afterAll(() => door.close())

describe('buckets', () => {
  it('are the namespaces', async () => {
    const { Buckets, Owner } = await client.send(new ListBucketsCommand({}))
    expect(Buckets?.map(({ Name }) => Name)).toEqual(['bucket', 'other', 'readonly'])
    expect(Buckets?.[0]?.CreationDate).toBeInstanceOf(Date)
    expect(Owner?.ID).toBe('anonymous')
    const paged: (string | undefined)[] = []
    for (let ContinuationToken: string | undefined, goesOn = true; goesOn;) {
      const page = await client.send(new ListBucketsCommand({ MaxBuckets: 2, ContinuationToken, Prefix: '' }))
      paged.push(...(page.Buckets ?? []).map(({ Name }) => Name))
      ContinuationToken = page.ContinuationToken
      goesOn = ContinuationToken !== undefined
    }
    expect(paged).toEqual(['bucket', 'other', 'readonly'])
  })

  it('are looked at, and made by the command line only', async () => {
    const [Bucket, missing] = [{ Bucket: 'bucket' }, { Bucket: 'missing' }]
    expect(await client.send(new HeadBucketCommand(Bucket))).toMatchObject({ BucketRegion: 'us-east-1' })
    expect(await failureOf(client.send(new HeadBucketCommand(missing)))).toEqual(['NotFound', 404])
    expect((await client.send(new GetBucketLocationCommand(Bucket))).LocationConstraint).toBeUndefined()
    expect(await failureOf(client.send(new GetBucketLocationCommand(missing)))).toEqual(['NoSuchBucket', 404])
    expect((await client.send(new GetBucketVersioningCommand(Bucket))).Status).toBeUndefined()
    expect(await failureOf(client.send(new GetBucketTaggingCommand(Bucket)))).toEqual(['NoSuchTagSet', 404])
    expect(await failureOf(client.send(new DeleteBucketTaggingCommand(Bucket)))).toBe('no error')
    expect(await failureOf(client.send(new CreateBucketCommand(Bucket)))).toEqual(['BucketAlreadyOwnedByYou', 409])
    expect(await failureOf(client.send(new CreateBucketCommand(missing)))).toEqual(['NotImplemented', 501])
    expect(await failureOf(client.send(new DeleteBucketCommand(Bucket)))).toEqual(['NotImplemented', 501])
    expect((await plainly(door, 'PUT', '/missing')).text).toContain('skein ns create missing')
  })
})

describe('listings', () => {
  const keys = ['a&<\u0001', 'a/1', 'a/2', 'b b', 'c+', '\u{ff5e}', '\u{10000}']
  const names = (list: readonly { Key?: string | undefined }[] | undefined): unknown => list?.map(({ Key }) => Key)
  const query = { Bucket: 'other' }

  beforeAll(() => {
    for (const key of keys)
      door.fileSystem.plant(`/other/${key}`, { bytes: Buffer.from(key), etag: `of ${key.length}` })
  })

  it('of version 2: all, by directory, page by page', async () => {
    const all = await client.send(new ListObjectsV2Command({ ...query, FetchOwner: true, EncodingType: 'url' }))
    expect(all.Contents?.map(({ Key = '' }) => decodeURIComponent(Key))).toEqual(keys)
    expect(all).toMatchObject({ KeyCount: 7, MaxKeys: 1000, IsTruncated: false, Name: 'other' })
    expect(all.Contents?.[1]).toMatchObject({
      Size: 3,
      ETag: '"of 3"',
      StorageClass: 'STANDARD',
      Owner: { ID: 'anonymous' },
    })
    const byDirectory = await client.send(new ListObjectsV2Command({ ...query, Delimiter: '/', StartAfter: 'a&' }))
    expect(byDirectory.CommonPrefixes).toEqual([{ Prefix: 'a/' }])
    const paged: unknown[] = []
    for await (const page of paginateListObjectsV2({ client, pageSize: 2 }, { ...query, Delimiter: '/' }))
      paged.push(
        ...(page.Contents ?? []).map(({ Key }) => Key),
        ...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix),
      )
    expect(new Set(paged)).toEqual(new Set([...keys.filter((key) => !key.includes('/')), 'a/']))
  })

  it('of version 1: markers, owners, and the last key as the next marker', async () => {
    const first = await client.send(new ListObjectsCommand({ ...query, MaxKeys: 2, Delimiter: '/' }))
    expect([names(first.Contents), first.CommonPrefixes, first.NextMarker]).toEqual([
      [keys[0]],
      [{ Prefix: 'a/' }],
      'a/',
    ])
    const second = await client.send(new ListObjectsCommand({ ...query, MaxKeys: 2, Delimiter: '/', Marker: 'a/' }))
    expect([names(second.Contents), second.IsTruncated]).toEqual([['b b', 'c+'], true])
    const plain = await client.send(new ListObjectsCommand({ ...query, MaxKeys: 2 }))
    expect([names(plain.Contents), plain.NextMarker, plain.Contents?.[0]?.Owner?.ID]).toEqual([
      keys.slice(0, 2),
      undefined,
      'anonymous',
    ])
    const encoded = await plainly(door, 'GET', '/other?encoding-type=url&prefix=b%20')
    expect(encoded.text).toContain('<Prefix>b%20</Prefix>')
    expect(encoded.text).toContain('<Key>b%20b</Key>')
  })

  it.each([
    ['list-type=3', 'InvalidArgument'],
    ['list-type=2&continuation-token=made-up', 'InvalidArgument'],
    ['max-keys=-1', 'InvalidArgument'],
    ['list-type=2&max-keys=a', 'InvalidArgument'],
    ['encoding-type=xml', 'InvalidArgument'],
    ['prefix=a&prefix=b', 'InvalidArgument'],
  ])('%s is refused', async (fields, code) => {
    expect(codeIn(await plainly(door, 'GET', `/other?${fields}`))).toBe(code)
  })

  it('of no keys, and of no bucket', async () => {
    const none = await client.send(new ListObjectsV2Command({ ...query, MaxKeys: 0 }))
    expect(none).toMatchObject({ KeyCount: 0, IsTruncated: false, MaxKeys: 0 })
    expect(await failureOf(client.send(new ListObjectsV2Command({ Bucket: 'missing' })))).toEqual(['NoSuchBucket', 404])
  })
})
