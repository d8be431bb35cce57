import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Secret } from '../../../src/base/secret.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import type { StoreDocument } from '../../../src/ufs/s3/request/document-get.ts'
import type { ObjectWrites } from '../../../src/ufs/s3/request/write-requests.ts'
import type { sdkWrites as SdkWrites } from '../../../src/ufs/s3/request/sdk-requests.ts'
import { type S3Options, s3Options } from '../../../src/ufs/store-options.ts'
import type { DocumentRequest } from '../../../src/ufs/s3/request/store-requests.ts'
import { plainDefaults } from '../../support/origin/stores.ts'

const signal = new AbortController().signal
const bytes = Buffer.from('skein')
const body = { bytes, md5: createHash('md5').update(bytes).digest() }
const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')
const secrets = { 's3.accessKeyId': new Secret('id'), 's3.secretAccessKey': new Secret('key') }
const ofS3 = s3Options(
  { kind: 's3', bucket: 'Under_Score--x-s3', prefix: 'p/' },
  { 's3.endpoint': 'http://127.0.0.1:1/s3' },
  secrets,
  plainDefaults,
)
const bodied = [
  ['content-md5', body.md5.toString('base64')],
  ['content-type', 'application/octet-stream'],
] as const

describe('requests that the SDK writes', () => {
  let sdkWrites: typeof SdkWrites
  let sent: DocumentRequest[] = []

  beforeAll(async () => {
    for (const [name, value] of Object.entries({
      AWS_ENDPOINT_URL: 'http://elsewhere.example',
      AWS_ENDPOINT_URL_S3: 'http://elsewhere.example',
      AWS_USE_FIPS_ENDPOINT: 'true',
      AWS_USE_DUALSTACK_ENDPOINT: 'true',
      AWS_S3_USE_ARN_REGION: 'true',
      AWS_S3_DISABLE_EXPRESS_SESSION_AUTH: 'false',
      AWS_MAX_ATTEMPTS: '5',
      AWS_RETRY_MODE: 'adaptive',
      AWS_DEFAULTS_MODE: 'auto',
      AWS_REQUEST_CHECKSUM_CALCULATION: 'WHEN_SUPPORTED',
      AWS_RESPONSE_CHECKSUM_VALIDATION: 'WHEN_SUPPORTED',
      AWS_PROFILE: 'nobody',
      AWS_CONFIG_FILE: '/nonexistent/config',
      AWS_SDK_UA_APP_ID: 'x'.repeat(60),
    }))
      vi.stubEnv(name, value)
    ;({ sdkWrites } = await import('../../../src/ufs/s3/request/sdk-requests.ts'))
  })
  afterAll(() => void vi.unstubAllEnvs())

  const writes = (
    answer: Partial<Omit<StoreDocument, 'headers'>> & { readonly headers?: Readonly<Record<string, string>> } = {},
    options: S3Options = ofS3,
  ): ObjectWrites => {
    sent = []
    return sdkWrites(options, { endpoint: options.endpoint, bucket: options.bucket }, (request) => {
      sent.push(request)
      return Promise.resolve({
        status: 200,
        text: '',
        ...answer,
        headers: new Map(Object.entries(answer.headers ?? {})),
      })
    })
  }
  const only = (): DocumentRequest => {
    expect(sent).toHaveLength(1)
    return sent[0] as DocumentRequest
  }

  it('are those of the Amazon S3 API Reference, with length and Content-MD5, in any environment', async () => {
    await writes({ headers: { etag: '"e"' } }).put('k', body, {}, { isNew: true }, signal)
    expect(only()).toEqual({
      what: 'PUT "k"',
      method: 'PUT',
      key: 'p/k',
      query: {},
      headers: [...bodied, ['if-none-match', '*']],
      body: bytes,
      payloadHash: sha256(bytes),
    })
    const stored = { contentType: 'text/plain', userMetadata: { a: '1', 'b-c': '' } }
    const metadata = [
      ['content-type', 'text/plain'],
      ['x-amz-meta-a', '1'],
      ['x-amz-meta-b-c', ''],
    ] as const
    await writes().put('k', body, stored, {}, signal)
    expect(only().headers).toEqual([bodied[0], ...metadata])
    await writes({ text: '<X><UploadId>u</UploadId></X>' }).beginUpload('k', stored, signal)
    expect(only().headers).toEqual(metadata)
    await writes({ text: '<X><UploadId>u</UploadId></X>' }).beginUpload('k', {}, signal)
    expect(only()).toMatchObject({
      method: 'POST',
      key: 'p/k',
      query: { uploads: '' },
      headers: [bodied[1]],
      body: undefined,
    })
    await writes().putPart('k', 'u+/ =&', 7, body, signal)
    expect(only()).toMatchObject({
      method: 'PUT',
      key: 'p/k',
      query: { partNumber: '7', uploadId: 'u+/ =&' },
      headers: bodied,
      body: bytes,
    })
    await writes().abortUpload('k', 'u', signal)
    expect(only()).toMatchObject({
      method: 'DELETE',
      key: 'p/k',
      query: { uploadId: 'u' },
      headers: [],
      body: undefined,
    })
    await writes().copy({ key: 'ä b', etag: 'e' }, 'to', {}, signal)
    expect(only()).toMatchObject({
      what: 'COPY "ä b"',
      method: 'PUT',
      key: 'p/to',
      query: {},
      headers: [
        ['x-amz-copy-source', 'Under_Score--x-s3/p/%C3%A4%20b'],
        ['x-amz-copy-source-if-match', '"e"'],
      ],
      body: undefined,
    })
    await writes().delete('k', 'e', signal)
    expect(only()).toMatchObject({
      method: 'DELETE',
      key: 'p/k',
      query: {},
      headers: [['if-match', '"e"']],
      body: undefined,
    })
    await writes().delete('k', undefined, signal)
    expect(only()).toMatchObject({ headers: [] })
  })

  it('list the parts of an upload in order, their ETags quoted and escaped', async () => {
    await writes().completeUpload('k', 'u', ['a', 'b<&>"'], { isNew: true }, signal)
    const { body: document = Buffer.alloc(0), payloadHash, headers, query, method } = only()
    expect({ method, query, headers }).toEqual({
      method: 'POST',
      query: { uploadId: 'u' },
      headers: [
        ['content-type', 'application/xml'],
        ['if-none-match', '*'],
      ],
    })
    expect(payloadHash).toBe(sha256(document))
    const text = Buffer.from(document).toString()
    expect(text).toMatch(
      /^(?:<\?xml[^>]*>)?<CompleteMultipartUpload xmlns="http:\/\/s3.amazonaws.com\/doc\/2006-03-01\/">/,
    )
    const parts = [...text.matchAll(/<Part>.*?<\/Part>/g)].map(([part]) => [
      /<PartNumber>(\d+)</.exec(part)?.[1],
      /<ETag>([^<]*)</.exec(part)?.[1]?.replaceAll('"', '&quot;'),
    ])
    expect(parts).toEqual([
      ['1', '&quot;a&quot;'],
      ['2', '&quot;b&lt;&amp;&gt;&quot;&quot;'],
    ])
  })

  it('say in the words of COS that nothing may be at the key, and leave bodies to TLS', async () => {
    const ofCos = { ...ofS3, kind: 'cosn' as const, endpoint: 'https://cos.example' }
    await writes({}, ofCos).put('k', body, {}, { isNew: true }, signal)
    expect(only().headers).toEqual([...bodied, ['x-cos-forbid-overwrite', 'true']])
    expect(only().payloadHash).toBe('UNSIGNED-PAYLOAD')
  })

  it.each([
    'a//b',
    '/a',
    '//',
    '../a',
    'a/./b/..',
    'a/',
    'ä b+c%25',
    '?x=1&y#z',
    "it's (1)!*~",
    'a\\b',
    '{Key+}',
    'bucket/a',
    '日本\u{1f600}',
    '\n',
  ])('keep the key %j as it is', async (key) => {
    await writes({}, { ...ofS3, prefix: '' }).put(key, body, {}, {}, signal)
    expect(only()).toMatchObject({ key, query: {} })
  })

  it('are refused where a key holds half a character', async () => {
    await expect(writes().put('a\ud800', body, {}, {}, signal)).rejects.toMatchObject({ code: 'invalid_argument' })
    expect(sent).toEqual([])
  })

  it('fail with what was thrown, untouched, and are sent once', async () => {
    const failure = new SkeinError('unavailable', 'no')
    const fields = Object.getOwnPropertyNames(failure)
    let requests = 0
    const failing = sdkWrites(ofS3, { endpoint: '', bucket: '' }, () => {
      requests += 1
      return Promise.reject(failure)
    })
    await expect(failing.put('k', body, {}, {}, signal)).rejects.toBe(failure)
    expect([requests, Object.getOwnPropertyNames(failure)]).toEqual([1, fields])
  })

  const oddHeaders = {
    'x-amz-abort-date': 'soon',
    expires: 'garbage',
    'last-modified': 'yesterday',
    'x-amz-restore': 'perhaps',
    'x-amz-mp-parts-count': 'x',
    'x-amz-object-size': 'many',
    'x-amz-server-side-encryption-bucket-key-enabled': 'maybe',
    'x-amz-checksum-sha256': '!',
    'content-length': '-1',
  }
  it.each([200, 204])('have their ETags and ids read whatever else an answer %i says', async (status) => {
    const headers = { ...oddHeaders, etag: 'W/"e"' }
    expect(await writes({ status, headers }).put('k', body, {}, {}, signal)).toBe('e')
    expect(await writes({ status, headers }).putPart('k', 'u', 1, body, signal)).toBe('e')
    expect(await writes({ status, headers: oddHeaders }).put('k', body, {}, {}, signal)).toBeUndefined()
    expect(
      await writes({ status, headers, text: '<A><UploadId><![CDATA[u]]></UploadId></A>' }).beginUpload('k', {}, signal),
    ).toBe('u')
    await writes({ status, headers, text: 'gone' }).abortUpload('k', 'u', signal)
    await writes({ status, headers, text: '<gone' }).delete('k', undefined, signal)
  })

  it.each([
    [
      'as S3 writes it',
      '<?xml version="1.0"?>\n<R xmlns="x"><ETag>&quot;e&quot;</ETag>' +
        '<LastModified>2026-11-28T20:00:00.000Z</LastModified></R>',
      'e',
    ],
    ['with an odd time', '<R><LastModified>yesterday</LastModified><ETag>"e"</ETag></R>', 'e'],
    ['with prefixes', '<s3:R xmlns:s3="x"><s3:ETag> "e" </s3:ETag></s3:R>', 'e'],
    ['with an attribute', '<R><ETag a="b">"e"</ETag></R>', 'e'],
    ['with a stray entity', '<R>& <ETag>"e"</ETag>&bogus;</R>', 'e'],
    ['with an empty ETag', '<R><ETag></ETag></R>', undefined],
    ['without one', '<R/>', undefined],
    ['of nothing', '', undefined],
    ['that is none', 'ok', undefined],
    ['that is cut in the ETag', '<R><ETag>"e', undefined],
    ['of great depth', `${'<a>'.repeat(100_000)}<ETag>"e"</ETag>`, 'e'],
  ])('have a document %s read for copies and uploads', async (_, text, etag) => {
    expect(await writes({ text }).copy({ key: 'a', etag: 'x' }, 'b', {}, signal)).toBe(etag)
    expect(await writes({ text }).completeUpload('k', 'u', ['a'], {}, signal)).toBe(etag)
    await expect(writes({ text }).beginUpload('k', {}, signal)).rejects.toMatchObject({
      reason: 'answer_not_understood',
      message: expect.stringContaining('CREATE UPLOAD "k": UploadId is '),
    })
  })

  it('load the SDK, and nothing else does', () => {
    const loaded = (file: string): string => `
      await import('./src/ufs/${file}')
      const { cache } = (await import('node:module')).createRequire(import.meta.url)
      console.log(Object.keys(cache).some((path) => path.includes('@aws-sdk')))`
    const run = (file: string): string =>
      execFileSync(process.execPath, ['--input-type=module', '-e', loaded(file)], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      })
    expect([run('s3/s3.ts').trim(), run('s3/request/sdk-requests.ts').trim()]).toEqual(['false', 'true'])
  })
})
