import { createHash } from 'node:crypto'
import {
  CopyObjectCommand,
  type CopyObjectCommandInput,
  type CopyObjectCommandOutput,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  DeleteObjectTaggingCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  PutObjectTaggingCommand,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { plainly } from '../support/plain-requests.ts'
import { codeIn, failureOf, startDoor, type TestDoor } from './support/door.ts'

let door: TestDoor
let client: S3Client
const bucket = { Bucket: 'bucket' }
const md5 = (text: string): string => `"${createHash('md5').update(text).digest('hex')}"`

beforeAll(async () => {
  door = await startDoor()
  client = door.client()
})
afterAll(() => door.close())

const put = (Key: string, Body: string, more: Partial<PutObjectCommandInput> = {}): Promise<unknown> =>
  client.send(new PutObjectCommand({ ...bucket, Key, Body, ContentLength: Buffer.byteLength(Body), ...more }))
const get = async (Key: string, more: Partial<GetObjectCommand['input']> = {}): Promise<string | undefined> =>
  (await client.send(new GetObjectCommand({ ...bucket, Key, ...more }))).Body?.transformToString()
describe('an object', () => {
  it('comes back with its bytes, metadata, and checksum', async () => {
    const given = {
      ContentType: 'text/plain',
      Metadata: { color: 'red' },
      CacheControl: 'no-cache',
      ContentEncoding: 'identity',
      Tagging: 'a=1&b=2',
      ChecksumAlgorithm: 'CRC32C',
    } as const
    expect(await put('dir/one two+\u00e9', 'hello world', given)).toMatchObject({
      ETag: md5('hello world'),
      ChecksumCRC32C: 'yZRlqg==',
    })
    const got = await client.send(
      new GetObjectCommand({ ...bucket, Key: 'dir/one two+\u00e9', ChecksumMode: 'ENABLED' }),
    )
    expect(await got.Body?.transformToString()).toBe('hello world')
    const { ContentType, Metadata, CacheControl, ContentEncoding } = given
    expect(got).toMatchObject({ ContentType, Metadata, CacheControl, ContentEncoding, TagCount: 2 })
    expect(got).toMatchObject({
      ContentLength: 11,
      AcceptRanges: 'bytes',
      ChecksumCRC32C: 'yZRlqg==',
      ETag: md5('hello world'),
    })
    const head = await client.send(new HeadObjectCommand({ ...bucket, Key: 'dir/one two+\u00e9' }))
    expect(head).toMatchObject({ ContentLength: 11, ContentType, Metadata, ETag: md5('hello world') })
    expect(head.ChecksumCRC32C).toBeUndefined()
  })

  it('without anything has the type of S3; one without bytes is read', async () => {
    await put('empty', '')
    const got = await plainly(door, 'GET', '/bucket/empty')
    expect(got).toMatchObject({ status: 200, text: '', headers: { 'content-length': '0', etag: md5('') } })
    door.fileSystem.plant('/bucket/typeless', { bytes: Buffer.from('x'), etag: 'of-the-store' })
    const typeless = await plainly(door, 'HEAD', '/bucket/typeless')
    expect(typeless.headers).toMatchObject({ 'content-type': 'binary/octet-stream', etag: '"of-the-store"' })
  })

  it('that was written by others and is not at the store has an ETag that is no MD5', async () => {
    door.fileSystem.plant('/bucket/local', { bytes: Buffer.from('x'), etag: '' })
    const { headers } = await plainly(door, 'HEAD', '/bucket/local')
    expect(headers.etag).toMatch(/^"[0-9a-f]{32}-1"$/)
  })

  it('is overwritten, and deleted once or twice', async () => {
    await put('a', 'one')
    await put('a', 'two')
    expect(await get('a')).toBe('two')
    for (let count = 0; count < 2; count += 1)
      expect(await client.send(new DeleteObjectCommand({ ...bucket, Key: 'a' }))).toMatchObject({
        $metadata: { httpStatusCode: 204 },
      })
    expect(await failureOf(get('a'))).toEqual(['NoSuchKey', 404])
    expect(await failureOf(client.send(new HeadObjectCommand({ ...bucket, Key: 'a' })))).toEqual(['NotFound', 404])
  })

  it('is gone, and the directory that came in its place meanwhile stays', async () => {
    await put('a', 'one')
    const remove = door.fileSystem.delete.bind(door.fileSystem)
    door.fileSystem.delete = async (...asked) => {
      await remove('/bucket/a')
      await door.fileSystem.makeDirectory('/bucket/a')
      return await remove(...asked)
    }
    const { $metadata } = await client.send(new DeleteObjectCommand({ ...bucket, Key: 'a' }))
    door.fileSystem.delete = remove
    expect($metadata.httpStatusCode).toBe(204)
    expect(await door.fileSystem.stat('/bucket/a')).toMatchObject({ kind: 'directory' })
    await remove('/bucket/a')
  })

  it('of a bucket that does not exist', async () => {
    const nowhere = { Bucket: 'nowhere', Key: 'a' }
    expect(await failureOf(client.send(new GetObjectCommand(nowhere)))).toEqual(['NoSuchBucket', 404])
    expect(await failureOf(client.send(new PutObjectCommand({ ...nowhere, Body: 'a' })))).toEqual(['NoSuchBucket', 404])
    expect(await failureOf(client.send(new DeleteObjectCommand(nowhere)))).toEqual(['NoSuchBucket', 404])
    expect(await failureOf(client.send(new PutObjectCommand({ Bucket: 'readonly', Key: 'a', Body: 'a' })))).toEqual([
      'AccessDenied',
      403,
    ])
  })
})

describe('reads', () => {
  beforeAll(() => put('read', '0123456789'))

  it.each([
    ['bytes=0-3', 206, '0123', 'bytes 0-3/10'],
    ['bytes=8-', 206, '89', 'bytes 8-9/10'],
    ['bytes=-2', 206, '89', 'bytes 8-9/10'],
    ['bytes=9-1', 200, '0123456789', undefined],
    ['bytes=0-1,4-5', 200, '0123456789', undefined],
  ])('of %s', async (range, status, text, contentRange) => {
    const got = await plainly(door, 'GET', '/bucket/read', { headers: { range } })
    expect(got).toMatchObject({ status, text })
    expect(got.headers['content-range']).toBe(contentRange)
    expect((await plainly(door, 'HEAD', '/bucket/read', { headers: { range } })).headers['content-length']).toBe(
      String(text.length),
    )
  })

  it('behind the end', async () => {
    const got = await plainly(door, 'GET', '/bucket/read', { headers: { range: 'bytes=10-' } })
    expect([got.status, codeIn(got)]).toEqual([416, 'InvalidRange'])
  })

  it.each<[Readonly<Record<string, string>>, number]>([
    [{ 'if-match': md5('0123456789') }, 200],
    [{ 'if-match': '"other"' }, 412],
    [{ 'if-none-match': md5('0123456789') }, 304],
    [{ 'if-modified-since': 'Fri, 01 Jan 2100 00:00:00 GMT' }, 304],
    [{ 'if-unmodified-since': 'Mon, 01 Jan 2001 00:00:00 GMT' }, 412],
    [{ 'if-range': '"other"', range: 'bytes=0-1' }, 200],
    [{ 'if-range': md5('0123456789'), range: 'bytes=0-1' }, 206],
  ])('with %o', async (headers, status) => {
    for (const method of ['GET', 'HEAD']) {
      const got = await plainly(door, method, '/bucket/read', { headers })
      expect(got.status).toBe(status)
      if (status === 304) expect(got).toMatchObject({ text: '', headers: { etag: md5('0123456789') } })
    }
  })

  it('by part: an object in one part has that one', async () => {
    expect(await plainly(door, 'GET', '/bucket/read?partNumber=1')).toMatchObject({ status: 206, text: '0123456789' })
    expect(codeIn(await plainly(door, 'GET', '/bucket/read?partNumber=2'))).toBe('InvalidPart')
    expect(codeIn(await plainly(door, 'GET', '/bucket/read?partNumber=0'))).toBe('InvalidArgument')
  })

  it('answer other headers when they are asked for', async () => {
    const got = await client.send(
      new GetObjectCommand({
        ...bucket,
        Key: 'read',
        ResponseContentType: 'a/b',
        ResponseContentDisposition: 'attachment; filename="x"',
      }),
    )
    expect(got).toMatchObject({ ContentType: 'a/b', ContentDisposition: 'attachment; filename="x"' })
    const bad = await plainly(door, 'GET', '/bucket/read?response-content-type=a%0D%0Ab')
    expect(codeIn(bad)).toBe('InvalidArgument')
  })

  it('close what they opened, also when nobody reads', async () => {
    await plainly(door, 'GET', '/bucket/read', { headers: { 'if-none-match': '*' } })
    await plainly(door, 'GET', '/bucket/read', { headers: { range: 'bytes=100-' } })
    expect(door.fileSystem.openHandles).toBe(0)
  })
})

describe('conditional writes', () => {
  it('If-None-Match: * writes only what is not there', async () => {
    expect(await failureOf(put('once', 'a', { IfNoneMatch: '*' }))).toBe('no error')
    expect(await failureOf(put('once', 'b', { IfNoneMatch: '*' }))).toEqual(['PreconditionFailed', 412])
    expect(await get('once')).toBe('a')
  })

  it('If-Match writes only over the version that was seen', async () => {
    await put('seen', 'a')
    expect(await failureOf(put('seen', 'b', { IfMatch: md5('a') }))).toBe('no error')
    expect(await failureOf(put('seen', 'c', { IfMatch: md5('a') }))).toEqual(['PreconditionFailed', 412])
    expect(await failureOf(put('unseen', 'c', { IfMatch: md5('a') }))).toEqual(['NoSuchKey', 404])
    expect(await get('seen')).toBe('b')
  })

  it('If-None-Match with an ETag writes over every other version', async () => {
    expect(await failureOf(put('other', 'a', { IfNoneMatch: md5('a') }))).toBe('no error')
    expect(await failureOf(put('other', 'b', { IfNoneMatch: md5('a') }))).toEqual(['PreconditionFailed', 412])
    expect(await failureOf(put('other', 'b', { IfNoneMatch: md5('b') }))).toBe('no error')
    expect(await get('other')).toBe('b')
  })

  it('of ten at the same time one wins', async () => {
    const all = Array.from({ length: 10 }, (_, index) => failureOf(put('race', String(index), { IfNoneMatch: '*' })))
    expect((await Promise.all(all)).filter((result) => result === 'no error')).toHaveLength(1)
    expect(door.fileSystem.unfinished).toBe(0)
  })
})

describe('directories', () => {
  it('are empty objects whose keys end in a slash', async () => {
    expect(await put('folder/', '')).toMatchObject({ ETag: md5('') })
    expect(await client.send(new HeadObjectCommand({ ...bucket, Key: 'folder/' }))).toMatchObject({
      ContentLength: 0,
      ContentType: 'application/x-directory',
    })
    expect(await get('folder/')).toBe('')
    expect(await failureOf(get('folder'))).toEqual(['NoSuchKey', 404])
    await put('folder', 'x')
    expect([await get('folder'), await get('folder/')]).toEqual(['x', ''])
    expect(await failureOf(put('folder/', 'x'))).toEqual(['NotImplemented', 501])
    expect(await failureOf(put('folder/', '', { Metadata: { a: 'b' } }))).toEqual(['NotImplemented', 501])
  })

  it('and objects of their names are keys of their own', async () => {
    await put('both/b', 'b')
    await put('both', 'a')
    await client.send(new CopyObjectCommand({ ...bucket, Key: 'both/b/c', CopySource: 'bucket/both' }))
    expect(await Promise.all(['both', 'both/b', 'both/b/c'].map((key) => get(key)))).toEqual(['a', 'b', 'a'])
    await put('both/b/', '')
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ ...bucket, Prefix: 'both' }))
    expect(Contents.map(({ Key }) => Key)).toEqual(['both', 'both/b', 'both/b/', 'both/b/c'])
    await client.send(new DeleteObjectCommand({ ...bucket, Key: 'both' }))
    expect(await failureOf(get('both'))).toEqual(['NoSuchKey', 404])
    expect(await get('both/b')).toBe('b')
  })

  it('stay while something is in them', async () => {
    await put('kept/', '')
    await put('kept/a', 'x')
    await client.send(new DeleteObjectCommand({ ...bucket, Key: 'kept' }))
    await client.send(new DeleteObjectCommand({ ...bucket, Key: 'kept/' }))
    expect(await failureOf(get('kept/'))).toEqual(['NoSuchKey', 404])
    expect(await get('kept/a')).toBe('x')
  })

  it('an object with bytes and such a key is read, and not deleted in silence', async () => {
    door.fileSystem.plant('/bucket/bytes/', { bytes: Buffer.from('abc'), etag: 'e' })
    expect(await get('bytes/')).toBe('abc')
    expect(await failureOf(client.send(new DeleteObjectCommand({ ...bucket, Key: 'bytes/' })))).toEqual([
      'NotImplemented',
      501,
    ])
  })
})

describe('copies', () => {
  const copy = (
    Key: string,
    CopySource: string,
    more: Partial<CopyObjectCommandInput> = {},
  ): Promise<CopyObjectCommandOutput> => client.send(new CopyObjectCommand({ ...bucket, Key, CopySource, ...more }))

  it('have the bytes and the metadata, or other metadata', async () => {
    await put('source', 'bytes', {
      ContentType: 'a/b',
      Metadata: { one: '1' },
      Tagging: 't=1',
      CacheControl: 'no-store',
    })
    expect((await copy('copy', 'bucket/source')).CopyObjectResult?.ETag).toBe(md5('bytes'))
    const head = (Key: string): Promise<unknown> => client.send(new HeadObjectCommand({ ...bucket, Key }))
    expect(await head('copy')).toMatchObject({ ContentType: 'a/b', Metadata: { one: '1' }, CacheControl: 'no-store' })
    await copy('copy', '/bucket/source', { MetadataDirective: 'REPLACE', Metadata: { two: '2' }, ContentType: 'c/d' })
    expect(await head('copy')).toMatchObject({ ContentType: 'c/d', Metadata: { two: '2' } })
    await copy('copy', 'bucket/source', { TaggingDirective: 'REPLACE', Tagging: 'x=1&y=2' })
    expect((await client.send(new GetObjectTaggingCommand({ ...bucket, Key: 'copy' }))).TagSet).toHaveLength(2)
    await copy('source', 'bucket/source', { MetadataDirective: 'REPLACE', Metadata: { three: '3' } })
    expect(await get('source')).toBe('bytes')
    expect(await head('source')).toMatchObject({ Metadata: { three: '3' } })
  })

  it('between buckets, of awkward keys, of objects of the store', async () => {
    await put('a b+c/%', 'x')
    await client.send(
      new CopyObjectCommand({ Bucket: 'other', Key: 'to', CopySource: `bucket/${encodeURIComponent('a b+c/%')}` }),
    )
    expect((await plainly(door, 'GET', '/other/to')).text).toBe('x')
    door.fileSystem.plant('/bucket/of-store', { bytes: Buffer.from('y'), etag: 'e-2' })
    expect((await copy('own', 'bucket/of-store')).CopyObjectResult?.ETag).toBe(md5('y'))
  })

  it('are refused where S3 refuses them', async () => {
    await put('s', 'x')
    expect(await failureOf(copy('s', 'bucket/s'))).toEqual(['InvalidRequest', 400])
    expect(await failureOf(copy('t', 'bucket/missing'))).toEqual(['NoSuchKey', 404])
    expect(await failureOf(copy('t', 'nowhere/missing'))).toEqual(['NoSuchBucket', 404])
    expect(await failureOf(copy('t', 'bucket'))).toEqual(['InvalidArgument', 400])
    expect(await failureOf(copy('t', 'bucket/s?versionId=3'))).toEqual(['NotImplemented', 501])
    expect(await failureOf(copy('t', 'bucket/s', { CopySourceIfMatch: '"other"' }))).toEqual([
      'PreconditionFailed',
      412,
    ])
    expect(await failureOf(copy('t', 'bucket/s', { CopySourceIfNoneMatch: md5('x') }))).toEqual([
      'PreconditionFailed',
      412,
    ])
    expect(await failureOf(copy('t', 'bucket/s', { CopySourceIfMatch: md5('x') }))).toBe('no error')
    expect(door.fileSystem.openHandles).toBe(0)
  })
})

describe('tags', () => {
  it('are set, read and removed; the object stays', async () => {
    await put('tagged', 'x', { Metadata: { a: 'b' } })
    const TagSet = [{ Key: 'k & <', Value: 'v' }]
    await client.send(new PutObjectTaggingCommand({ ...bucket, Key: 'tagged', Tagging: { TagSet } }))
    expect((await client.send(new GetObjectTaggingCommand({ ...bucket, Key: 'tagged' }))).TagSet).toEqual(TagSet)
    expect(await client.send(new HeadObjectCommand({ ...bucket, Key: 'tagged' }))).toMatchObject({
      ETag: md5('x'),
      Metadata: { a: 'b' },
    })
    await client.send(new DeleteObjectTaggingCommand({ ...bucket, Key: 'tagged' }))
    expect((await client.send(new GetObjectTaggingCommand({ ...bucket, Key: 'tagged' }))).TagSet).toEqual([])
    expect(await failureOf(client.send(new GetObjectTaggingCommand({ ...bucket, Key: 'missing' })))).toEqual([
      'NoSuchKey',
      404,
    ])
  })
})

describe('many deletions', () => {
  it('name what was deleted and what was not', async () => {
    for (const key of ['m/', 'm/n/', 'm/n/a', 'm/b&<']) await put(key, '')
    const Objects = ['m/', 'm/n/', 'm/n/a', 'm/b&<', 'missing', 'a/../b'].map((Key) => ({ Key }))
    const { Deleted, Errors } = await client.send(new DeleteObjectsCommand({ ...bucket, Delete: { Objects } }))
    expect(Deleted?.map(({ Key }) => Key)).toEqual(['m/', 'm/n/', 'm/n/a', 'm/b&<', 'missing'])
    expect(Errors).toMatchObject([{ Key: 'a/../b', Code: 'InvalidArgument' }])
    const quiet = await client.send(
      new DeleteObjectsCommand({ ...bucket, Delete: { Objects: [{ Key: 'x' }], Quiet: true } }),
    )
    expect(quiet.Deleted).toBeUndefined()
  })

  it.each([
    ['<Delete><Object><Key>a</Key>', 'MalformedXML'],
    ['<Delete></Delete>', 'MalformedXML'],
    ['<Other/>', 'MalformedXML'],
    ['<!DOCTYPE a [<!ENTITY b "c">]><Delete/>', 'MalformedXML'],
    ['<Delete><Object><Key>a</Key><ETag>b</ETag></Object></Delete>', 'NotImplemented'],
    [`<Delete>${'<Object><Key>a</Key></Object>'.repeat(1001)}</Delete>`, 'MalformedXML'],
    ['\u0000', 'MalformedXML'],
  ])('of %j', async (body, code) => {
    expect(codeIn(await plainly(door, 'POST', '/bucket?delete', { body }))).toBe(code)
  })
})
