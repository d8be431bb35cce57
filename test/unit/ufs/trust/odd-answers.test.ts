import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { UnderFileSystem } from '../../../../src/ufs/under-file-system.ts'
import { chunksOf } from '../../../conformance/support/under-file-system-writes.ts'
import type { OriginBucket } from '../../../support/origin/bucket.ts'
import { type Origin, startOrigin } from '../../../support/origin/server.ts'
import {
  impatientDefaults,
  openS3,
  plainDefaults,
  testCredential,
  testDependencies,
} from '../../../support/origin/stores.ts'
import {
  type PassingAnswer,
  type PassingRequest,
  startTouchingProxy,
  type TouchingProxy,
} from '../../../support/touching-proxy.ts'

const mebibyte = 1024 * 1024
const never = new AbortController().signal

describe('odd answers about objects', () => {
  let origin: Origin
  let bucket: OriginBucket
  let proxy: TouchingProxy
  let store: UnderFileSystem

  beforeEach(async () => {
    origin = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
    bucket = origin.bucket('data')
    bucket.generate('a', 1000)
    proxy = await startTouchingProxy(origin.port)
    store = await openS3(
      proxy.url,
      's3://data',
      testCredential,
      plainDefaults,
      testDependencies({ random: () => 0.02 }),
    )
  })
  afterEach(async () => {
    await store.close()
    await proxy.close()
    await origin.close()
  })

  const answers = (touch: (request: PassingRequest, answer: PassingAnswer) => void): void => {
    proxy.touch = { answer: touch }
  }
  const isCreate = ({ method, path }: PassingRequest): boolean => method === 'POST' && path.includes('uploads')
  const isComplete = ({ method, path }: PassingRequest): boolean => method === 'POST' && path.includes('uploadId')
  const large = Buffer.alloc(6 * mebibyte, 'odd')
  const write = (signal = never) =>
    store.write('large', large.length, chunksOf(large), { overwrite: true, partBytes: 5 * mebibyte }, signal)

  it.each<Record<string, string>>([
    {
      'x-amz-abort-date': '2026-12-01T00:00:00.000Z',
      expires: '-1',
      'last-modified': '2026-12-01 00:00:00',
      'x-amz-restore': 'ongoing-request="perhaps"',
      'x-amz-missing-meta': 'many',
      'x-cos-hash-crc64ecma': 'none',
      'content-encoding': 'aws-chunked',
    },
    {
      'x-amz-abort-date': 'soon',
      expires: 'garbage',
      'last-modified': 'yesterday',
      'x-amz-expiration': '{}',
      'x-amz-server-side-encryption-bucket-key-enabled': 'maybe',
      'x-amz-mp-parts-count': 'x',
      'x-amz-object-lock-retain-until-date': 'never',
      'x-amz-storage-class': 'NEW CLASS',
      'accept-ranges': 'none',
      vary: '*',
    },
  ])('headers that nobody needs do no harm to any request', async (odd) => {
    answers((_, { headers }) => void Object.assign(headers, odd))
    expect(await store.stat('a', never)).toMatchObject({
      length: 1000,
      etag: bucket.get('a')?.etag,
      storageClass: 'STANDARD',
    })
    expect(
      (await store.readWhole({ key: 'a', etag: bucket.get('a')?.etag ?? '', offset: 0, length: 1000 }, never)).length,
    ).toBe(1000)
    await write()
    await store.copy('large', 'copy', never)
    await store.delete('copy', never)
    expect(bucket.sortedKeys).toEqual(['a', 'large'])
    expect(bucket.uploads.count).toBe(0)
    expect(proxy.requests.length).toBeLessThan(14)
  })

  it('a HEAD without ETag or length is made good by a listing and a range', async () => {
    answers(({ method }, { headers }) => {
      if (method !== 'HEAD') return
      delete headers['etag']
      delete headers['content-length']
      headers['transfer-encoding'] = 'chunked'
    })
    expect(await store.stat('a', never)).toMatchObject({ length: 1000, etag: bucket.get('a')?.etag })
    bucket.put('empty', Buffer.alloc(0))
    expect(await store.stat('empty', never)).toMatchObject({ length: 0 })
  })

  it('a version that neither HEAD nor listing names is told by its field, at once', async () => {
    answers(({ method, path }, answer) => {
      delete answer.headers['etag']
      if (method === 'GET' && path.includes('list-type')) {
        answer.body =
          '<ListBucketResult><Name>data</Name><IsTruncated>false</IsTruncated><Contents><Key>a</Key>' +
          '<Size>1000</Size></Contents></ListBucketResult>'
        answer.headers['content-length'] = answer.body.length
      }
    })
    await expect(store.stat('a', never)).rejects.toMatchObject({
      retryable: false,
      message: expect.stringContaining('ETag is missing'),
    })
    expect(proxy.requests.length).toBe(2)
  })

  it.each([
    ['nothing', ''],
    ['no XML', 'ok'],
    ['another document', '<InitiateMultipartUploadResult><Bucket>data</Bucket></InitiateMultipartUploadResult>'],
    ['a cut document', '<InitiateMultipartUploadResult><UploadId>upload-'],
  ])('%s in answer to a begun upload is not asked for again, and the upload is found and aborted', async (_, body) => {
    answers((request, answer) => {
      if (!isCreate(request) || request.method === 'GET') return
      answer.body = body
      answer.headers['content-length'] = body.length
    })
    await expect(write()).rejects.toMatchObject({ retryable: false, message: expect.stringContaining('UploadId is') })
    expect(origin.counters.requests.create_upload).toBe(1)
    expect(bucket.uploads.count).toBe(0)
  })

  it('an id in a document that is odd otherwise is an id', async () => {
    answers((request, answer) => {
      if (!isCreate(request) || request.method === 'GET') return
      answer.body =
        '<?xml version="1.0"?><s3:Result xmlns:s3="x"><Date>soon</Date>& <s3:UploadId> upload-1 </s3:UploadId>' +
        '</s3:Result>'
      answer.headers['content-length'] = answer.body.length
    })
    await write()
    expect(bucket.uploads.count).toBe(0)
    expect(bucket.get('large')?.size).toBe(large.length)
  })

  it('uploads whose begin was lost are aborted, those of others are not', async () => {
    const theirs = bucket.uploads.create('other')
    const older = bucket.uploads.create('large', Date.now() - 60_000)
    let cuts = 2
    answers((request, answer) => {
      if (isCreate(request) && request.method === 'POST' && cuts > 0) {
        cuts -= 1
        answer.cut = true
      }
    })
    await write()
    expect(bucket.get('large')?.size).toBe(large.length)
    expect([bucket.uploads.has(theirs, 'other'), bucket.uploads.has(older, 'large'), bucket.uploads.count]).toEqual([
      true,
      true,
      2,
    ])
  })

  it.each(['create', 'part', 'complete'] as const)(
    'a cancel while the %s is under way leaves no upload',
    async (when) => {
      const leave = new AbortController()
      answers((request, answer) => {
        const isPart = request.method === 'PUT' && request.path.includes('partNumber')
        if (
          !(when === 'create'
            ? isCreate(request) && request.method === 'POST'
            : when === 'part'
              ? isPart
              : isComplete(request))
        )
          return
        leave.abort()
        answer.cut = true
      })
      await expect(write(leave.signal)).rejects.toThrow()
      expect(bucket.uploads.count).toBe(0)
    },
  )

  it('an upload that is said to be done and is not is aborted', async () => {
    const body = '<CompleteMultipartUploadResult><Location>x</Location></CompleteMultipartUploadResult>'
    proxy.touch = {
      request: (request) => {
        // The store never hears of it.
        if (isComplete(request)) request.path = '/data?location'
      },
      answer: ({ path }, answer) => {
        if (path !== '/data?location') return
        answer.status = 200
        answer.body = body
        answer.headers['content-length'] = body.length
      },
    }
    await expect(write()).rejects.toMatchObject({ code: 'not_found' })
    expect(bucket.uploads.count).toBe(0)
  })

  it('ETags that writes do not name are known by what was written', async () => {
    answers(({ method }, { headers }) => {
      if (method !== 'HEAD') delete headers['etag']
    })
    await write()
    await store.write('small', 10, chunksOf(Buffer.alloc(10)), { overwrite: true }, never)
    expect(bucket.sortedKeys).toEqual(['a', 'large', 'small'])
  })

  it('an error document of status 200 is an error for every write', async () => {
    const body = '<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>'
    answers(({ method }, answer) => {
      if (method !== 'PUT' && method !== 'POST') return
      answer.body = body
      answer.headers['content-length'] = body.length
      delete answer.headers['etag']
    })
    await expect(store.copy('a', 'b', never)).rejects.toMatchObject({ code: 'permission_denied' })
    await expect(store.write('s', 3, chunksOf(Buffer.alloc(3)), { overwrite: true }, never)).rejects.toMatchObject({
      code: 'permission_denied',
    })
  })
})

describe('answers that trickle', () => {
  it('are given up below the least rate, and only there', async () => {
    const origin = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
    const { etag } = origin.bucket('data').generate('a', 2000)
    const proxy = await startTouchingProxy(origin.port, {
      answer: (_, answer) => {
        answer.trickle = { bytes: 1, everyMs: 20 }
      },
    })
    const open = (leastBytesPerSecond: number) =>
      openS3(
        proxy.url,
        's3://data',
        testCredential,
        { ...impatientDefaults, leastBytesPerSecond },
        testDependencies({ random: () => 0.02 }),
      )
    const [strict, lenient] = [await open(1024), await open(1)]
    const request = { key: 'a', etag, offset: 0, length: 2000, inOneAnswer: true }
    await expect(strict.readWhole(request, never)).rejects.toMatchObject({
      code: 'deadline_exceeded',
      message: expect.stringContaining('slower than skein.ufs.read.rate.min'),
    })
    expect(proxy.requests.length).toBe(2)
    expect((await lenient.readWhole({ ...request, length: 60, inOneAnswer: false }, never)).length).toBe(60)
    for (const close of [strict, lenient, proxy, origin]) await close.close()
  })
})
