import { createHash } from 'node:crypto'
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandInput,
  type CompleteMultipartUploadCommandOutput,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  GetObjectAttributesCommand,
  type GetObjectAttributesCommandOutput,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  type ObjectAttributes,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { crc32 } from 'node:zlib'
import { plainly } from '../support/plain-requests.ts'
import { codeIn, failureOf, startDoor, type TestDoor } from './support/door.ts'

const mebibyte = 1024 * 1024
const large = Buffer.alloc(5 * mebibyte, 'abcdefgh')
const small = Buffer.from('the end')
const whole = Buffer.concat([large, small])
const object = { Bucket: 'bucket', Key: 'dir/an object&' }
const md5 = (...parts: readonly Uint8Array[]): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash('md5')).digest()
const crc = (bytes: Uint8Array | number): string => {
  const value = Buffer.alloc(4)
  value.writeUInt32BE(typeof bytes === 'number' ? bytes : crc32(bytes))
  return value.toString('base64')
}
const composed = `"${md5(md5(large), md5(small)).toString('hex')}-2"`

let door: TestDoor
let client: S3Client
let nowMs = Date.now()

beforeEach(async () => {
  door = await startDoor({ uploadExpiryMs: 60_000 }, { nowMs: () => nowMs })
  client = door.client()
})
afterEach(() => door.close())

const begin = async (more: Partial<CreateMultipartUploadCommandInput> = {}): Promise<string> =>
  (await client.send(new CreateMultipartUploadCommand({ ...object, ...more }))).UploadId ?? ''
const part = async (UploadId: string, PartNumber: number, Body: Uint8Array): Promise<CompletedPart> => {
  const { ETag, ChecksumCRC32 } = await client.send(new UploadPartCommand({ ...object, UploadId, PartNumber, Body }))
  return { PartNumber, ETag, ChecksumCRC32 }
}
const complete = (
  UploadId: string,
  Parts: CompletedPart[],
  more: Partial<CompleteMultipartUploadCommandInput> = {},
): Promise<CompleteMultipartUploadCommandOutput> =>
  client.send(new CompleteMultipartUploadCommand({ ...object, UploadId, MultipartUpload: { Parts }, ...more }))
const read = async (more: object = {}): Promise<Uint8Array | undefined> =>
  (await client.send(new GetObjectCommand({ ...object, ...more }))).Body?.transformToByteArray()
const isWhole = async (): Promise<boolean> => whole.equals((await read()) ?? Buffer.alloc(0))

/** Everything that doors keep for themselves. */
async function kept(): Promise<string[]> {
  const paths: string[] = []
  try {
    for await (const page of door.fileSystem.list('/bucket/.skein', { recursive: true }))
      paths.push(...page.filter(({ kind }) => kind === 'file').map(({ path }) => path))
  } catch {
    // There is nothing.
  }
  return paths
}

describe('an upload in parts', () => {
  it('is an object when it is complete, with all that it was begun with', async () => {
    const id = await begin({ ContentType: 'a/b', Metadata: { m: '1' }, Tagging: 't=1', CacheControl: 'no-store' })
    const last = await part(id, 7, small)
    const first = await part(id, 2, large)
    expect(await failureOf(read())).toEqual(['NoSuchKey', 404])
    const listed = await client.send(new ListObjectsV2Command({ Bucket: 'bucket' }))
    expect(listed.KeyCount).toBe(0)
    expect(await complete(id, [first, last])).toMatchObject({ ETag: composed, Bucket: 'bucket', Key: object.Key })
    expect(await isWhole()).toBe(true)
    expect(await client.send(new HeadObjectCommand(object))).toMatchObject({
      ...{ ContentType: 'a/b', Metadata: { m: '1' }, CacheControl: 'no-store', TagCount: 1 },
      ...{ ETag: composed, ContentLength: whole.length },
    })
    expect(await kept()).toHaveLength(1)
    expect(door.fileSystem.unfinished + door.fileSystem.openHandles).toBe(0)
  })

  it.each([{}, { IfNoneMatch: '*' }])('can be completed by two calls at a time: %j', async (condition) => {
    const id = await begin()
    const parts = [await part(id, 1, large), await part(id, 2, small)]
    const create = door.fileSystem.create.bind(door.fileSystem)
    let second: string | undefined
    door.fileSystem.create = async (...asked) => {
      door.fileSystem.create = create
      second = (await complete(id, parts, condition)).ETag
      return await create(...asked)
    }
    expect((await complete(id, parts, condition)).ETag).toBe(composed)
    expect(second).toBe(composed)
    expect(await isWhole()).toBe(true)
  })

  it('can be completed twice, and nothing else be done then', async () => {
    const id = await begin()
    const parts = [await part(id, 1, small)]
    const { ETag } = await complete(id, parts)
    expect((await complete(id, parts)).ETag).toBe(ETag)
    expect(await failureOf(part(id, 2, small))).toEqual(['NoSuchUpload', 404])
    const abort = client.send(new AbortMultipartUploadCommand({ ...object, UploadId: id }))
    expect(await failureOf(abort)).toEqual(['NoSuchUpload', 404])
    nowMs += 3_600_001
    expect(await kept()).toEqual([])
    expect(await failureOf(complete(id, parts))).toEqual(['NoSuchUpload', 404])
  })

  it('takes the last version of a part', async () => {
    const id = await begin()
    const old = await part(id, 1, Buffer.from('old'))
    const now = await part(id, 1, small)
    expect(await failureOf(complete(id, [old]))).toEqual(['InvalidPart', 400])
    await complete(id, [old, now])
    expect(Buffer.from((await read()) ?? []).toString()).toBe('the end')
  })

  it('is read by its parts', async () => {
    const id = await begin()
    await complete(id, [await part(id, 1, large), await part(id, 2, small)])
    const second = await client.send(new GetObjectCommand({ ...object, PartNumber: 2 }))
    expect(await second.Body?.transformToString()).toBe('the end')
    expect(second).toMatchObject({
      PartsCount: 2,
      ContentRange: `bytes ${large.length}-${whole.length - 1}/${whole.length}`,
    })
    expect(await client.send(new HeadObjectCommand({ ...object, PartNumber: 1 }))).toMatchObject({
      PartsCount: 2,
      ContentLength: large.length,
    })
    expect(await failureOf(read({ PartNumber: 3 }))).toEqual(['InvalidPart', 400])
  })

  it('tells of its parts in one document', async () => {
    const id = await begin({ ChecksumAlgorithm: 'CRC32' })
    const parts = [await part(id, 1, large), await part(id, 2, large), await part(id, 5, small)]
    const { ChecksumCRC32 } = await complete(id, parts)
    const attributes = (more: object = {}): Promise<GetObjectAttributesCommandOutput> => {
      const ObjectAttributes: ObjectAttributes[] = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize']
      return client.send(new GetObjectAttributesCommand({ ...object, ObjectAttributes, ...more }))
    }
    const size = 2 * large.length + small.length
    const { LastModified, ...told } = await attributes({ MaxParts: 2 })
    expect(LastModified?.getTime()).toBe(Math.floor(nowMs / 1000) * 1000)
    expect(told).toMatchObject({
      ...{ ETag: expect.stringMatching(/^[0-9a-f]{32}-3$/), StorageClass: 'STANDARD', ObjectSize: size },
      Checksum: { ChecksumCRC32, ChecksumType: 'COMPOSITE' },
      ObjectParts: {
        ...{ TotalPartsCount: 3, IsTruncated: true, MaxParts: 2, NextPartNumberMarker: '2', PartNumberMarker: '0' },
        Parts: [
          { PartNumber: 1, Size: large.length, ChecksumCRC32: crc(large) },
          { PartNumber: 2, Size: large.length, ChecksumCRC32: crc(large) },
        ],
      },
    })
    expect((await attributes({ MaxParts: 2, PartNumberMarker: '2' })).ObjectParts).toMatchObject({
      ...{ TotalPartsCount: 3, IsTruncated: false },
      Parts: [{ PartNumber: 3, Size: small.length, ChecksumCRC32: crc(small) }],
    })
    // The SDK compares the bytes of the part with it.
    const third = await client.send(new GetObjectCommand({ ...object, PartNumber: 3, ChecksumMode: 'ENABLED' }))
    expect(await third.Body?.transformToString()).toBe(small.toString())
    expect(third).toMatchObject({ ChecksumCRC32: crc(small), ChecksumType: 'COMPOSITE', PartsCount: 3 })
    const one = await attributes({ ObjectAttributes: ['ObjectSize'] })
    expect([one.ObjectSize, one.ETag, one.ObjectParts]).toEqual([size, undefined, undefined])
    expect(await failureOf(attributes({ ObjectAttributes: ['Owner'] }))).toEqual(['InvalidArgument', 400])
    expect(await failureOf(attributes({ Key: 'none' }))).toEqual(['NoSuchKey', 404])
  })

  it('takes parts of other objects', async () => {
    await client.send(new PutObjectCommand({ Bucket: 'other', Key: 's', Body: whole }))
    const id = await begin()
    const copy = (PartNumber: number, CopySourceRange?: string): Promise<CompletedPart> =>
      client
        .send(
          new UploadPartCopyCommand({ ...object, UploadId: id, PartNumber, CopySource: 'other/s', CopySourceRange }),
        )
        .then(({ CopyPartResult }) => ({ PartNumber, ETag: CopyPartResult?.ETag }))
    const parts = [
      await copy(1, `bytes=0-${large.length - 1}`),
      await copy(2, `bytes=${large.length}-${whole.length - 1}`),
    ]
    expect((await complete(id, parts)).ETag).toBe(composed)
    expect(await isWhole()).toBe(true)
    expect(await failureOf(copy(3, `bytes=0-${whole.length}`))).toEqual(['NoSuchUpload', 404])
    const other = await begin()
    const outside = new UploadPartCopyCommand({
      ...object,
      UploadId: other,
      PartNumber: 1,
      CopySource: 'other/s',
      CopySourceRange: `bytes=0-${whole.length}`,
    })
    expect(await failureOf(client.send(outside))).toEqual(['InvalidRange', 416])
  })

  it.each<[string, number[], string]>([
    ['in another order', [2, 1], 'InvalidPartOrder'],
    ['twice, not in a row', [1, 2, 1], 'InvalidPartOrder'],
    ['that are missing', [1, 3], 'InvalidPart'],
    ['that are too small and not the last', [1, 2], 'EntityTooSmall'],
  ])('is refused with parts %s; it can be completed later', async (_what, numbers, code) => {
    const id = await begin()
    const parts = new Map([
      [1, await part(id, 1, small)],
      [2, await part(id, 2, small)],
    ])
    const chosen = numbers.map((PartNumber) => parts.get(PartNumber) ?? { PartNumber, ETag: '"x"' })
    expect(await failureOf(complete(id, chosen))).toEqual([code, 400])
    expect(await failureOf(complete(id, [parts.get(1)!]))).toBe('no error')
  })

  it('fits the conditions that it is completed with', async () => {
    await client.send(new PutObjectCommand({ ...object, Body: 'there' }))
    const id = await begin()
    const parts = [await part(id, 1, small)]
    expect(await failureOf(complete(id, parts, { IfNoneMatch: '*' }))).toEqual(['PreconditionFailed', 412])
    expect(await failureOf(complete(id, parts, { IfMatch: '"other"' }))).toEqual(['PreconditionFailed', 412])
    expect(await failureOf(complete(id, parts, { MpuObjectSize: 3 }))).toEqual(['InvalidRequest', 400])
    expect(await failureOf(complete(id, parts, { MpuObjectSize: small.length }))).toBe('no error')
  })
})

describe('checksums of uploads', () => {
  it('are composed of those of the parts', async () => {
    const id = await begin({ ChecksumAlgorithm: 'CRC32' })
    const parts = [await part(id, 1, large), await part(id, 2, small)]
    expect(parts[1]?.ChecksumCRC32).toBe(crc(small))
    expect(await failureOf(complete(id, [parts[0]!, { ...parts[1]!, ChecksumCRC32: crc(1) }]))).toEqual([
      'InvalidPart',
      400,
    ])
    const ofParts = parts.map(({ ChecksumCRC32 = '' }) => Buffer.from(ChecksumCRC32, 'base64'))
    const expected = `${crc(Buffer.concat(ofParts))}-2`
    const answer = await complete(id, parts, { ChecksumCRC32: expected })
    expect(answer).toMatchObject({ ChecksumCRC32: expected, ChecksumType: 'COMPOSITE' })
    expect(await client.send(new HeadObjectCommand({ ...object, ChecksumMode: 'ENABLED' }))).toMatchObject({
      ChecksumCRC32: expected,
      ChecksumType: 'COMPOSITE',
    })
  })

  it('or of all bytes, which is compared', async () => {
    const id = await begin({ ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' })
    const parts = [await part(id, 1, large), await part(id, 2, small)]
    expect(await failureOf(complete(id, parts, { ChecksumCRC32: crc(1) }))).toEqual(['BadDigest', 400])
    expect(await failureOf(read())).toEqual(['NoSuchKey', 404])
    const answer = await complete(id, parts, { ChecksumCRC32: crc(whole), ChecksumType: 'FULL_OBJECT' })
    expect(answer).toMatchObject({ ChecksumCRC32: crc(whole), ChecksumType: 'FULL_OBJECT' })
    // The SDK compares it with what it reads.
    expect(await isWhole()).toBe(true)
  })

  it('of parts are computed if the client sends none, and are of one kind', async () => {
    const id = await begin({ ChecksumAlgorithm: 'SHA256' })
    const path = `/bucket/${object.Key.replace('&', '%26').replace(' ', '%20')}?uploadId=${id}&partNumber=1`
    const plain = await plainly(door, 'PUT', path, { body: small })
    expect(plain.headers['x-amz-checksum-sha256']).toBe(createHash('sha256').update(small).digest('base64'))
    const other = await plainly(door, 'PUT', path, { body: small, headers: { 'x-amz-checksum-crc32': crc(small) } })
    expect(codeIn(other)).toBe('InvalidRequest')
  })

  it.each<Partial<CreateMultipartUploadCommandInput>>([
    { ChecksumAlgorithm: 'SHA1', ChecksumType: 'FULL_OBJECT' },
    { ChecksumAlgorithm: 'CRC64NVME', ChecksumType: 'COMPOSITE' },
    { ChecksumType: 'FULL_OBJECT' },
    { ChecksumAlgorithm: 'MD5' },
  ])('cannot be %o', async (more) => {
    expect(await failureOf(begin(more))).toEqual(['InvalidRequest', 400])
  })
})

describe('uploads that are not complete', () => {
  it('are listed with their parts', async () => {
    const id = await begin({ ChecksumAlgorithm: 'CRC32' })
    for (const number of [3, 1, 2]) await part(id, number, small)
    const list = (more: object): Promise<unknown> =>
      client
        .send(new ListPartsCommand({ ...object, UploadId: id, ...more }))
        .then(({ Parts, IsTruncated, NextPartNumberMarker }) => [
          Parts?.map(({ PartNumber }) => PartNumber),
          IsTruncated,
          NextPartNumberMarker,
        ])
    expect(await list({})).toEqual([[1, 2, 3], false, undefined])
    expect(await list({ MaxParts: 2 })).toEqual([[1, 2], true, '2'])
    expect(await list({ MaxParts: 2, PartNumberMarker: '2' })).toEqual([[3], false, undefined])
    const { Parts, Initiator, ChecksumAlgorithm } = await client.send(new ListPartsCommand({ ...object, UploadId: id }))
    expect([Initiator?.ID, ChecksumAlgorithm]).toEqual(['anonymous', 'CRC32'])
    expect(Parts?.[0]).toMatchObject({ Size: 7, ETag: `"${md5(small).toString('hex')}"`, ChecksumCRC32: crc(small) })
  })

  it('are listed by key, then by age, page by page, by delimiter', async () => {
    const ids: string[] = []
    for (const Key of ['b', 'a/1', 'a/2', 'a/1', 'c']) {
      nowMs += 1
      ids.push(await begin({ Key }))
    }
    const [b, a1, a2, again, c] = ids
    const list = async (
      more: object,
    ): Promise<{ uploads: unknown[]; next: (string | undefined)[]; prefixes: unknown }> => {
      const page = await client.send(new ListMultipartUploadsCommand({ Bucket: 'bucket', ...more }))
      return {
        uploads: (page.Uploads ?? []).map(({ Key, UploadId }) => [Key, UploadId]),
        next: page.IsTruncated === true ? [page.NextKeyMarker, page.NextUploadIdMarker] : [],
        prefixes: page.CommonPrefixes,
      }
    }
    const sorted = [
      ['a/1', a1],
      ['a/1', again],
      ['a/2', a2],
      ['b', b],
      ['c', c],
    ]
    expect((await list({})).uploads).toEqual(sorted)
    expect(await list({ MaxUploads: 2 })).toMatchObject({ uploads: sorted.slice(0, 2), next: ['a/1', again] })
    expect((await list({ KeyMarker: 'a/1', UploadIdMarker: a1 })).uploads).toEqual(sorted.slice(1))
    expect((await list({ KeyMarker: 'a/1' })).uploads).toEqual(sorted.slice(2))
    expect((await list({ Prefix: 'a/' })).uploads).toEqual(sorted.slice(0, 3))
    const byDirectory = await list({ Delimiter: '/', MaxUploads: 1 })
    expect(byDirectory).toMatchObject({ uploads: [], prefixes: [{ Prefix: 'a/' }], next: ['a/', ''] })
    expect((await list({ Delimiter: '/', KeyMarker: 'a/' })).uploads).toEqual(sorted.slice(3))
    expect(await failureOf(client.send(new ListMultipartUploadsCommand({ Bucket: 'missing' })))).toEqual([
      'NoSuchBucket',
      404,
    ])
  })

  it('are given up by their clients', async () => {
    const id = await begin()
    const parts = [await part(id, 1, small)]
    await client.send(new AbortMultipartUploadCommand({ ...object, UploadId: id }))
    expect(await kept()).toEqual([])
    expect(await failureOf(part(id, 2, small))).toEqual(['NoSuchUpload', 404])
    expect(await failureOf(complete(id, parts))).toEqual(['NoSuchUpload', 404])
    const list = client.send(new ListPartsCommand({ ...object, UploadId: id }))
    expect(await failureOf(list)).toEqual(['NoSuchUpload', 404])
  })

  it('go when their time is over', async () => {
    const id = await begin()
    await part(id, 1, small)
    nowMs += 59_999
    expect(await kept()).toHaveLength(2)
    nowMs += 2
    expect(await kept()).toEqual([])
    expect(await failureOf(part(id, 2, small))).toEqual(['NoSuchUpload', 404])
  })

  it('are of their object and bucket only', async () => {
    const id = await begin()
    for (const UploadId of [id, 'x', '../open', 'f'.repeat(32)]) {
      const other = new UploadPartCommand({ Bucket: 'bucket', Key: 'other', UploadId, PartNumber: 1, Body: small })
      expect(await failureOf(client.send(other))).toEqual(['NoSuchUpload', 404])
    }
    expect(await failureOf(begin({ Bucket: 'missing' }))).toEqual(['NoSuchBucket', 404])
    expect(await failureOf(begin({ Bucket: 'readonly' }))).toEqual(['AccessDenied', 403])
    expect(await failureOf(begin({ Key: 'dir/' }))).toEqual(['NotImplemented', 501])
    for (const number of [0, 10_001]) expect(await failureOf(part(id, number, small))).toEqual(['InvalidArgument', 400])
  })

  it('leave no part behind that arrives when they have ended', async () => {
    const id = await begin()
    const create = door.fileSystem.create.bind(door.fileSystem)
    door.fileSystem.create = async (path, options) => {
      door.fileSystem.create = create
      await client.send(new AbortMultipartUploadCommand({ ...object, UploadId: id }))
      return create(path, options)
    }
    expect(await failureOf(part(id, 1, small))).toEqual(['NoSuchUpload', 404])
    expect(await kept()).toEqual([])
  })
})

describe('a door that ends while it completes an upload', () => {
  it.each(['before the object is there', 'after it is there'])(
    '%s leaves it absent or complete, and it can be completed again',
    async (when) => {
      const id = await begin()
      const parts = [await part(id, 1, large), await part(id, 2, small)]
      const create = door.fileSystem.create.bind(door.fileSystem)
      const remove = door.fileSystem.delete.bind(door.fileSystem)
      const stopped = Promise.withResolvers<void>()
      door.fileSystem.create = async (path, options) => {
        const output = await create(path, options)
        return {
          ...output,
          // A killed process neither closes nor aborts.
          abort: () => Promise.resolve(),
          close: async (metadata) => {
            const status = when.startsWith('after') ? await output.close(metadata) : undefined
            stopped.resolve()
            return status ?? new Promise<never>(() => undefined)
          },
        }
      }
      door.fileSystem.delete = () => new Promise<never>(() => undefined)
      void complete(id, parts).catch(() => undefined)
      await stopped.promise
      Object.assign(door.fileSystem, { create, delete: remove })
      expect(await failureOf(read())).toEqual(when.startsWith('after') ? 'no error' : ['NoSuchKey', 404])
      const second = await startDoor({ uploadExpiryMs: 60_000 }, { nowMs: () => nowMs }, door.fileSystem)
      const again = new CompleteMultipartUploadCommand({ ...object, UploadId: id, MultipartUpload: { Parts: parts } })
      expect((await second.client().send(again)).ETag).toBe(composed)
      expect(await isWhole()).toBe(true)
      await second.close()
    },
  )
})
