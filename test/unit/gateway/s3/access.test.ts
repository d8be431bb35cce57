import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CopyObjectCommand,
  GetObjectCommand,
  ListBucketsCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readCredentials } from '../../../../src/gateway/credentials/credentials-file.ts'
import { canonicalRequest } from '../../../../src/gateway/s3/signature/canonical-request.ts'
import { signatureOf, SigningKeys } from '../../../../src/gateway/s3/signature/signing-keys.ts'
import { hash } from 'node:crypto'
import { plainly } from '../support/plain-requests.ts'
import { codeIn, failureOf, startDoor, type TestDoor } from './support/door.ts'
import { exampleCaller, requestParts } from './support/signed.ts'

const folder = mkdtempSync(join(tmpdir(), 'skein-gateway-'))
afterAll(() => rmSync(folder, { recursive: true }))

const entry = { accessKeyId: 'writer', secretAccessKey: 'writer-secret', namespaces: ['*'], access: 'write' }

function credentialsFile(content: unknown, mode = 0o600): string {
  const path = join(folder, `keys-${Math.random()}.json`)
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  chmodSync(path, mode)
  return path
}

describe('the file of access keys', () => {
  it('names who may do what', async () => {
    const reader = { accessKeyId: 'reader', secretAccessKey: 'reader-secret', namespaces: ['a', 'b'], access: 'read' }
    const callers = await readCredentials(credentialsFile([entry, reader], 0o640))
    expect(callers.withKey('writer')?.may('write', 'any')).toBe(true)
    expect(callers.withKey('writer')?.secret.reveal()).toBe('writer-secret')
    expect(callers.withKey('reader')?.may('read', 'a')).toBe(true)
    expect(callers.withKey('reader')?.may('write', 'a')).toBe(false)
    expect(callers.withKey('reader')?.may('read', 'c')).toBe(false)
    expect(callers.withKey('other')).toBeUndefined()
  })

  it.each<[unknown, RegExp]>([
    ['{', /is not JSON$/],
    [{}, /the document/],
    [[], /no access keys/],
    [[entry, entry], /writer is there twice/],
    [[{ ...entry, access: 'all' }], /\[0\]\.access must be read or write/],
    [[{ ...entry, namespaces: [] }], /\[0\]\.namespaces must name a namespace/],
    [[{ ...entry, namespaces: ['a b'] }], /\[0\]\.namespaces\[0\] must be the name/],
    [[{ ...entry, secretAccessKey: 'short' }], /\[0\]\.secretAccessKey must be/],
    [[{ ...entry, accessKeyId: 'a/b' }], /\[0\]\.accessKeyId must be/],
    [[{ ...entry, admin: true }], /\[0\]/],
  ])('%j is refused in one line', async (content, message) => {
    const error = await readCredentials(credentialsFile(content)).catch((thrown: unknown) => thrown as Error)
    expect(error).toMatchObject({ code: 'failed_precondition', message: expect.stringMatching(message) as string })
    expect((error as Error).message).not.toMatch(/\n|short|writer-secret/)
  })

  it.each([0o644, 0o660, 0o604, 0o602, 0o620])('with mode %i is refused', async (mode) => {
    await expect(readCredentials(credentialsFile([entry], mode))).rejects.toThrow('others may read it')
  })

  it('that is missing, or no file, is refused', async () => {
    await expect(readCredentials(join(folder, 'missing'))).rejects.toMatchObject({ code: 'failed_precondition' })
    await expect(readCredentials(folder)).rejects.toThrow('not a file')
  })
})

describe('with access keys', () => {
  let door: TestDoor
  let file: string
  let writer: S3Client
  const bucket = { Bucket: 'bucket', Key: 'a b+c' }

  beforeAll(async () => {
    const reader = { accessKeyId: 'reader', secretAccessKey: 'reader-secret', namespaces: ['bucket'], access: 'read' }
    file = credentialsFile([entry, reader])
    door = await startDoor({ credentialsFile: file, domains: ['s3.test'] })
    writer = door.client('writer', 'writer-secret')
    await writer.send(new PutObjectCommand({ ...bucket, Body: 'content' }))
  })
  afterAll(() => door.close())

  it('who signs is served, in the header or in chunks', async () => {
    expect(await (await writer.send(new GetObjectCommand(bucket))).Body?.transformToString()).toBe('content')
    expect((await writer.send(new ListBucketsCommand({}))).Owner?.ID).toBe('writer')
  })

  it('a wrong secret, an unknown key, and no signature are refused', async () => {
    const get = (key: string, secret: string): Promise<unknown> =>
      failureOf(door.client(key, secret).send(new GetObjectCommand(bucket)))
    expect(await get('writer', 'other-secret')).toEqual(['SignatureDoesNotMatch', 403])
    expect(await get('nobody', 'writer-secret')).toEqual(['InvalidAccessKeyId', 403])
    expect(codeIn(await plainly(door, 'GET', '/bucket/a'))).toBe('AccessDenied')
    expect(codeIn(await plainly(door, 'GET', '/missing/a'))).toBe('AccessDenied')
  })

  it('who may read may not write, nor see other buckets, nor copy from them', async () => {
    const reader = door.client('reader', 'reader-secret')
    expect(await failureOf(reader.send(new GetObjectCommand(bucket)))).toBe('no error')
    expect(await failureOf(reader.send(new PutObjectCommand({ ...bucket, Body: 'x' })))).toEqual(['AccessDenied', 403])
    expect(await failureOf(reader.send(new GetObjectCommand({ ...bucket, Bucket: 'other' })))).toEqual([
      'AccessDenied',
      403,
    ])
    expect((await reader.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name)).toEqual(['bucket'])
  })

  it('a key for one bucket does not copy from another', async () => {
    const limited = credentialsFile([{ ...entry, namespaces: ['other'] }])
    const second = await startDoor({ credentialsFile: limited })
    second.fileSystem.plant('/bucket/a', { bytes: Buffer.from('x'), etag: 'e' })
    const copy = new CopyObjectCommand({ Bucket: 'other', Key: 'a', CopySource: 'bucket/a' })
    expect(await failureOf(second.client('writer', 'writer-secret').send(copy))).toEqual(['AccessDenied', 403])
    await second.close()
  })

  it('a presigned request is served to whoever has it, also a page, by any host name', async () => {
    const host = 'bucket.s3.test'
    const now = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
    const day = now.slice(0, 8)
    const query =
      `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=writer%2F${day}%2Fus-east-1%2Fs3%2Faws4_request` +
      `&X-Amz-Date=${now}&X-Amz-Expires=60&X-Amz-SignedHeaders=host`
    const path = '/a%20b%2Bc'
    const parts = {
      ...requestParts('GET', `${path}?${query}`, { host }),
      signedHeaders: ['host'],
      payloadHash: 'UNSIGNED-PAYLOAD',
    }
    const secret = (await readCredentials(file)).withKey('writer')?.secret ?? exampleCaller.secret
    const hashed = hash('sha256', canonicalRequest(parts))
    const toSign = `AWS4-HMAC-SHA256\n${now}\n${day}/us-east-1/s3/aws4_request\n${hashed}`
    const signature = signatureOf(new SigningKeys().keyOf(secret, day, 'us-east-1'), toSign)
    const url = `${path}?${query}&X-Amz-Signature=${signature}`
    expect(await plainly(door, 'GET', url, { headers: { host, origin: 'http://page' } })).toMatchObject({
      status: 200,
      text: 'content',
    })
    expect(codeIn(await plainly(door, 'GET', url, { headers: { host: 'other.s3.test' } }))).toBe(
      'SignatureDoesNotMatch',
    )
  })

  it('a changed file counts from then on; one that cannot be used changes nothing', async () => {
    const get = (key: string): Promise<unknown> =>
      failureOf(door.client(key, 'new-secret').send(new GetObjectCommand(bucket)))
    writeFileSync(file, 'not JSON')
    await new Promise((resolve) => setTimeout(resolve, 1100))
    expect(await failureOf(writer.send(new GetObjectCommand(bucket)))).toBe('no error')
    writeFileSync(file, JSON.stringify([{ ...entry, accessKeyId: 'other', secretAccessKey: 'new-secret' }]))
    await expect.poll(() => get('other'), { interval: 100 }).toBe('no error')
    expect(await failureOf(writer.send(new GetObjectCommand(bucket)))).toEqual(['InvalidAccessKeyId', 403])
  })
})

describe('without access keys', () => {
  it('only loopback is listened on', async () => {
    await expect(startDoor({ host: '0.0.0.0' })).rejects.toMatchObject({ code: 'failed_precondition' })
    await expect(startDoor({ credentialsFile: join(folder, 'missing') })).rejects.toMatchObject({
      code: 'failed_precondition',
    })
  })

  it('any key is taken, pages and foreign hosts are not', async () => {
    const door = await startDoor({ domains: ['s3.test'], names: ['cache.internal'] })
    door.fileSystem.plant('/bucket/a', { bytes: Buffer.from('x'), etag: 'e' })
    const get = (headers: Readonly<Record<string, string>>): Promise<number> =>
      plainly(door, 'GET', '/bucket/a', { headers }).then(({ status }) => status)
    expect(
      await failureOf(door.client('any', 'thing').send(new GetObjectCommand({ Bucket: 'bucket', Key: 'a' }))),
    ).toBe('no error')
    expect(await get({ host: 'cache.internal' })).toBe(200)
    expect(await get({ host: 's3.test:80' })).toBe(200)
    expect((await plainly(door, 'GET', '/a', { headers: { host: 'bucket.s3.test' } })).text).toBe('x')
    expect(await get({ host: 'evil.example' })).toBe(403)
    expect(await get({ origin: 'http://localhost' })).toBe(403)
    expect(await get({ 'sec-fetch-site': 'cross-site' })).toBe(403)
    await door.close()
  })
})
