import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { UnderFileSystem } from '../../../../src/ufs/under-file-system.ts'
import { type Origin, startOrigin } from '../../../support/origin/server.ts'
import { openS3, plainDefaults, testCredential, testDependencies } from '../../../support/origin/stores.ts'
import { startTouchingProxy, type TouchingProxy } from '../../../support/touching-proxy.ts'

const size = 3_000_000

describe('reading through a proxy that touches the answers', () => {
  const signal = new AbortController().signal
  let origin: Origin
  let proxy: TouchingProxy
  let store: UnderFileSystem

  beforeEach(async () => {
    origin = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
    origin.bucket('data').generate('big', size)
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

  const etag = (): string => origin.bucket('data').get('big')?.etag ?? ''
  const read = async (
    fields: { offset?: number; length?: number; inOneAnswer?: boolean; objectLength?: number } = {},
  ): Promise<Buffer> => {
    const chunks: Uint8Array[] = []
    for await (const chunk of store.read({ key: 'big', etag: etag(), offset: 0, length: size, ...fields }, signal))
      chunks.push(chunk)
    return Buffer.concat(chunks)
  }

  it('tells what is stored with the object, of the requested version alone', async () => {
    const headers = { 'content-type': 'text/plain', 'x-amz-meta-a': '1' }
    const { etag: version } = origin.bucket('data').put('m', Buffer.alloc(10), { metadata: headers })
    const told: unknown[] = []
    const request = { key: 'm', offset: 0, length: 10, onMetadata: (metadata: object) => told.push(metadata) }
    await store.readWhole({ ...request, etag: version }, signal)
    await expect(store.readWhole({ ...request, etag: 'other' }, signal)).rejects.toMatchObject({ code: 'aborted' })
    expect(told).toEqual([{ contentType: 'text/plain', userMetadata: { a: '1' } }])
  })
  const isBig = (bytes: Buffer): boolean => bytes.equals(origin.bucket('data').bytesOf('big'))

  it('takes a part only with an ETag, and the whole in one answer without', async () => {
    proxy.touch = {
      request: ({ headers }) => delete headers['if-match'],
      answer: (_, { headers }) => delete headers['etag'],
    }
    await expect(read({ length: 1000 })).rejects.toMatchObject({
      code: 'failed_precondition',
      reason: 'unproven_version',
      retryable: false,
    })
    expect(proxy.requests.length).toBe(1)
    expect(isBig(await read({ inOneAnswer: true }))).toBe(true)
    expect(
      (await store.readWhole({ key: 'big', etag: etag(), offset: 0, length: size, inOneAnswer: true }, signal)).length,
    ).toBe(size)
  })

  it('resumes nothing that must come in one answer', async () => {
    origin.faults.add({ kind: 'cut', on: 'get', afterBytes: 1_000_000 })
    await expect(read({ inOneAnswer: true })).rejects.toMatchObject({ code: 'unavailable', retryable: true })
    expect(origin.counters.requests.get).toBe(1)
  })

  it('takes weak ETags and chunks in place of lengths', async () => {
    proxy.touch = {
      answer: (_, { headers }) => {
        headers['etag'] = `W/${String(headers['etag'])}`
        delete headers['content-length']
      },
    }
    expect(isBig(await read())).toBe(true)
    expect((await read({ offset: 77, length: 1000 })).length).toBe(1000)
  })

  it('tells the version that came in place of the wanted one, after a few tries', async () => {
    proxy.touch = { request: ({ headers }) => delete headers['if-match'] }
    const old = etag()
    origin.bucket('data').overwrite('big')
    const reading = store.readWhole({ key: 'big', etag: old, offset: 10, length: 20 }, signal)
    await expect(reading).rejects.toMatchObject({
      code: 'aborted',
      reason: 'object_changed',
      message: expect.stringContaining(etag()),
    })
    expect(proxy.requests.length).toBe(5)
  })

  it('believes the size that the object has, not the one that was listed', async () => {
    const reading = read({ length: 1000, objectLength: 1000 })
    await expect(reading).rejects.toMatchObject({
      reason: 'object_changed',
      message: expect.stringContaining(`has ${size} bytes`),
    })
    const longer = read({ length: size + 10, objectLength: size + 10 })
    await expect(longer).rejects.toMatchObject({
      reason: 'object_changed',
      message: expect.stringContaining(`has ${size} bytes`),
    })
  })

  it('says what a proxy that compresses does, and does not ask for ever', async () => {
    proxy.touch = {
      answer: (_, answer) => {
        answer.gzip = true
        answer.headers['content-encoding'] = 'gzip'
        delete answer.headers['content-length']
      },
    }
    const reading = store.readWhole({ key: 'big', etag: etag(), offset: 0, length: 1000 }, signal)
    await expect(reading).rejects.toMatchObject({
      retryable: false,
      message: expect.stringContaining('Content-Encoding "gzip"'),
    })
  })

  it('refuses the whole object in place of a part', async () => {
    proxy.touch = { request: ({ headers }) => delete headers['range'] }
    await expect(read({ offset: 10, length: 1000 })).rejects.toMatchObject({ reason: 'unproven_version' })
    expect(isBig(await read({ inOneAnswer: true }))).toBe(true)
  })
})
