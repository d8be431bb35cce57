import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'
import { type CosnDefaults, cosnDefaults } from '../../../src/ufs/store-options.ts'
import type { UnderFileSystem } from '../../../src/ufs/under-file-system.ts'
import { startFaultProxy } from '../../support/fault-proxy.ts'
import { type Origin, startOrigin } from '../../support/origin/server.ts'
import type { OriginCredential } from '../../support/origin/signature-check.ts'
import {
  impatientDefaults,
  openCosn,
  openS3,
  plainDefaults,
  testCredential,
  testDependencies,
} from '../../support/origin/stores.ts'

describe('a store that is not well', () => {
  const signal = new AbortController().signal
  const credential: OriginCredential = { ...testCredential }
  const metrics = new MetricRegistry()
  let origin: Origin
  let store: UnderFileSystem
  const size = 3_000_000
  const open = (defaults: CosnDefaults): Promise<UnderFileSystem> =>
    openS3(origin.url, 's3://data', testCredential, defaults, testDependencies({ metrics, random: () => 0.02 }))
  const openImpatient = async (): Promise<void> => {
    await store.close()
    store = await open(impatientDefaults)
  }

  beforeEach(async () => {
    origin = await startOrigin({ credentials: [credential], buckets: ['data'] })
    origin.bucket('data').generate('big', size)
    origin.bucket('data').generate('small', 16_384)
    store = await open(plainDefaults)
  })
  afterEach(async () => {
    await store.close()
    await origin.close()
  })

  const etagOf = (key: string): string => origin.bucket('data').get(key)?.etag ?? ''
  const read = async (key: string, offset = 0, length = size): Promise<Buffer> => {
    const chunks: Uint8Array[] = []
    for await (const chunk of store.read({ key, etag: etagOf(key), offset, length }, signal)) chunks.push(chunk)
    return Buffer.concat(chunks)
  }
  const readWhole = (key: string, length = 16_384): Promise<Uint8Array> =>
    store.readWhole({ key, etag: etagOf(key), offset: 0, length }, signal)
  const equal = (got: Uint8Array, key: string, offset = 0): boolean =>
    origin
      .bucket('data')
      .bytesOf(key)
      .subarray(offset, offset + got.length)
      .equals(got)

  it.each([
    ['longer', 'no two bytes are alike'],
    ['shorter', 'a'.repeat(1000)],
  ])('keeps no byte of a body without a length that is %s than its range', async (_name, text) => {
    const bytes = Buffer.from(text)
    const proxy = createServer((request, response) => {
      const [, from = '0', to = '0'] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? []
      response.writeHead(206, {
        etag: '"v"',
        'content-range': `bytes ${from}-${to}/${bytes.length}`,
        'content-encoding': 'gzip',
      })
      response.end(gzipSync(bytes.subarray(Number(from), Number(to) + 1)))
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const { port } = proxy.address() as AddressInfo
    const behind = await openS3(`http://127.0.0.1:${port}`, 's3://data', testCredential, plainDefaults)
    try {
      const request = { key: 'k', etag: 'v', offset: 0, length: bytes.length }
      const toTheEnd = async (): Promise<void> => {
        for await (const chunk of behind.read(request, signal)) expect(chunk.length).toBeGreaterThan(0)
      }
      await expect(toTheEnd()).rejects.toMatchObject({ reason: 'bad_answer' })
      await expect(behind.readWhole(request, signal)).rejects.toMatchObject({ reason: 'bad_answer' })
    } finally {
      await behind.close()
      proxy.close()
      proxy.closeAllConnections()
    }
  })

  it('goes on behind a cut body with the rest of the range', async () => {
    origin.faults.add(
      { kind: 'cut', on: 'get', afterBytes: 1_000_000 },
      { kind: 'cut', on: 'get', afterBytes: 700_000 },
    )
    const got = await read('big', 100, 2_900_000)
    expect(got.length).toBe(2_900_000)
    expect(equal(got, 'big', 100)).toBe(true)
    expect(origin.faults.applied.cut).toBe(2)
    expect(origin.counters.objectBytes).toBe(2_900_000)
  })

  it('notices a stalled body and goes on behind it', async () => {
    await openImpatient()
    origin.faults.add({ kind: 'stall', on: 'get', afterBytes: 500_000 })
    expect(equal(await read('big'), 'big')).toBe(true)
    origin.faults.add({ kind: 'stall', on: 'get', afterBytes: 5_000 })
    expect(equal(await readWhole('small'), 'small')).toBe(true)
    expect(origin.faults.applied.stall).toBe(2)
  })

  it('notices an answer that never comes, on every kind of request', async () => {
    await openImpatient()
    origin.faults.add({ kind: 'silent', on: 'get' }, { kind: 'silent', on: 'head' }, { kind: 'silent', on: 'list' })
    expect(equal(await readWhole('small'), 'small')).toBe(true)
    expect((await store.stat('small', signal)).length).toBe(16_384)
    expect(
      (await store.list({ prefix: '', delimiter: undefined, after: undefined, limit: 10 }, signal)).objects.length,
    ).toBe(2)
    expect(origin.faults.applied.silent).toBe(3)
  })

  it('notices a listing that stalls half way', async () => {
    await openImpatient()
    origin.faults.add({ kind: 'stall', on: 'list', afterBytes: 100 })
    expect(
      (await store.list({ prefix: '', delimiter: undefined, after: undefined, limit: 10 }, signal)).objects.length,
    ).toBe(2)
  })

  it('gives up after the retry limit, and says what was wrong', async () => {
    origin.faults.add({ kind: 'internal', on: 'get', times: 100 })
    await expect(readWhole('small')).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('bucket data: GET "small"'),
    })
    expect(origin.faults.applied.internal).toBe(plainDefaults.maxRetries + 1)
  })

  it('gives up after two time-outs at one place, each of which costs its whole time', async () => {
    await openImpatient()
    origin.faults.add({ kind: 'stall', on: 'get', afterBytes: 0, times: 100 })
    await expect(readWhole('small')).rejects.toMatchObject({
      code: 'deadline_exceeded',
      message: expect.stringContaining('bucket data: GET "small"'),
    })
    expect(origin.faults.applied.stall).toBe(2)
  })

  it('does not count attempts that make progress', async () => {
    origin.faults.add({ kind: 'cut', on: 'get', afterBytes: 300_000, times: 9 })
    expect(equal(await read('big'), 'big')).toBe(true)
    expect(origin.faults.applied.cut).toBe(9)
  })

  it('waits at one gate for all when the store says SlowDown', async () => {
    origin.faults.add({ kind: 'slow_down', on: 'get', times: 3 }, { kind: 'slow_down', on: 'get', status: 429 })
    await Promise.all(
      Array.from({ length: 20 }, async () => expect(equal(await readWhole('small'), 'small')).toBe(true)),
    )
    origin.faults.add({ kind: 'slow_down', on: 'list' }, { kind: 'slow_down', on: 'head' })
    await store.check(signal)
    await store.stat('big', signal)
    expect(origin.faults.applied.slow_down).toBe(6)
    expect(metrics.get('skein_ufs_retries_total', { reason: 'slow_down' })).toBeGreaterThan(0)
  })

  it('takes nothing for data that is not', async () => {
    origin.faults.add(
      { kind: 'error_document', on: 'get', times: 2 },
      { kind: 'wrong_range', on: 'get', times: 1 },
      { kind: 'short', on: 'get', times: 2 },
      { kind: 'stale_etag', on: 'get', times: 2 },
    )
    const tolerant = await open({ ...plainDefaults, maxRetries: 20 })
    const got = await tolerant.readWhole({ key: 'big', etag: etagOf('big'), offset: 77, length: 100_000 }, signal)
    expect(equal(got, 'big', 77)).toBe(true)
    expect(origin.faults.applied).toMatchObject({ error_document: 2, wrong_range: 1, short: 2, stale_etag: 2 })
    await tolerant.close()
    origin.faults.add({ kind: 'error_document', on: 'list' })
    expect(
      (await store.list({ prefix: '', delimiter: undefined, after: undefined, limit: 10 }, signal)).objects.length,
    ).toBe(2)
  })

  it('never mixes two versions', async () => {
    const etag = etagOf('big')
    origin.faults.add({ kind: 'cut', on: 'get', afterBytes: 1_000_000 }, { kind: 'overwrite', on: 'get' })
    const before = origin.bucket('data').bytesOf('big')
    const got: Uint8Array[] = []
    const reading = (async () => {
      for await (const chunk of store.read({ key: 'big', etag, offset: 0, length: size }, signal)) got.push(chunk)
    })()
    await expect(reading).rejects.toMatchObject({ code: 'aborted', reason: 'object_changed', retryable: false })
    const bytes = Buffer.concat(got)
    expect(before.subarray(0, bytes.length).equals(bytes)).toBe(true)
  })

  it('names the restore of an archived object, and can still stat it', async () => {
    origin.bucket('data').generate('old', 100, { storageClass: 'DEEP_ARCHIVE' })
    await expect(readWhole('old', 100)).rejects.toMatchObject({
      code: 'failed_precondition',
      reason: 'object_archived',
      message: expect.stringContaining('restore'),
    })
    expect((await store.stat('old', signal)).storageClass).toBe('DEEP_ARCHIVE')
  })

  it('keeps its connections: errors are drained, early leavers closed', async () => {
    for (let round = 0; round < 30; round += 1)
      await expect(store.readWhole({ key: 'gone', etag: 'x', offset: 0, length: 10 }, signal)).rejects.toMatchObject({
        code: 'not_found',
      })
    expect(await origin.connections()).toBeLessThanOrEqual(2)
    for (let round = 0; round < 30; round += 1) {
      for await (const _chunk of store.read({ key: 'big', etag: etagOf('big'), offset: 0, length: size }, signal)) break
    }
    await expect.poll(() => origin.connections()).toBeLessThanOrEqual(3)
  })

  it('does not send what was stopped in the queue, and frees the caller at once', async () => {
    origin.faults.add({ kind: 'silent', on: 'get', times: 1 })
    const narrow = await openS3(origin.url, 's3://data', testCredential, {
      ...plainDefaults,
      connectionsMax: 1,
    })
    const first = new AbortController()
    const second = new AbortController()
    const request = { key: 'small', etag: etagOf('small'), offset: 0, length: 16_384 }
    const stuck = narrow.readWhole(request, first.signal)
    const queued = narrow.readWhole(request, second.signal)
    second.abort()
    await expect(queued).rejects.toMatchObject({ code: 'cancelled' })
    await expect.poll(() => origin.counters.requests.get).toBe(1)
    first.abort()
    await expect(stuck).rejects.toMatchObject({ code: 'cancelled' })
    expect(equal(await narrow.readWhole(request, signal), 'small')).toBe(true)
    expect(origin.counters.requests.get).toBe(2)
    await narrow.close()
  })

  it('survives resets, stalls and SlowDown of the network before a store', async () => {
    const proxy = await startFaultProxy(origin.port)
    const far = await openS3(`http://127.0.0.1:${proxy.port}`, 's3://data', testCredential, impatientDefaults)
    proxy.arm(
      { kind: 'cut', afterBytes: 200_000 },
      { kind: 'stall', afterBytes: 150_000 },
      { kind: 'slow_down' },
      { kind: 'cut', afterBytes: 0 },
    )
    const chunks: Uint8Array[] = []
    for await (const chunk of far.read({ key: 'big', etag: etagOf('big'), offset: 0, length: size }, signal))
      chunks.push(chunk)
    expect(equal(Buffer.concat(chunks), 'big')).toBe(true)
    expect(proxy.applied).toBe(4)
    await far.close()
    await proxy.close()
  })
})

describe('what check says', () => {
  const signal = new AbortController().signal
  const token = 'session-Token+canary/='
  const expired: OriginCredential = {
    accessKeyId: 'AKIDEXPIRED',
    secretAccessKey: 'expired-canary-secret',
    sessionToken: token,
    expired: true,
  }
  let origin: Origin
  beforeEach(async () => {
    origin = await startOrigin({ credentials: [testCredential, expired], buckets: ['data-125'], cos: true })
    origin.bucket('data-125').put('k', Buffer.from('hello'))
  })
  afterEach(() => origin.close())

  const complaint = async (
    opening: Promise<UnderFileSystem>,
  ): Promise<{ code: string; reason: string | undefined; message: string; everything: string }> => {
    const store = await opening
    const attempts = [
      store.check(signal),
      store.stat('k', signal),
      store.readWhole({ key: 'k', etag: 'x', offset: 0, length: 5 }, signal),
      store.list({ prefix: '', delimiter: undefined, after: undefined, limit: 5 }, signal),
    ]
    const errors = (await Promise.allSettled(attempts)).map(
      (result) =>
        (result.status === 'rejected' ? result.reason : undefined) as Error & {
          code: string
          reason: string | undefined
        },
    )
    await store.close()
    const [first] = errors
    if (first === undefined) throw new Error('check found nothing wrong')
    const everything = errors
      .map((error) => `${error?.message} ${error?.stack} ${JSON.stringify(error)} ${String(error?.cause)}`)
      .join(' ')
    for (const error of errors) expect(error).toMatchObject({ code: first.code })
    expect(first.message).not.toContain('\n')
    return { code: first.code, reason: first.reason, message: first.message, everything }
  }

  it('answers when all is well', async () => {
    const store = await openCosn(origin.endpointSuffix, 'cosn://data-125')
    await store.check(signal)
    expect((await store.stat('k', signal)).crc64).toMatch(/^\d+$/)
    await store.close()
  })

  it('tells a wrong secret, unknown key, expired token, missing bucket and wrong style apart', async () => {
    const suffix = origin.endpointSuffix
    const wrong = await complaint(
      openCosn(suffix, 'cosn://data-125', { ...testCredential, secretAccessKey: 'wrong-canary-secret' }, plainDefaults),
    )
    expect(wrong).toMatchObject({ code: 'unauthenticated', reason: 'wrong_secret' })
    expect(wrong.message).toContain(`http://${suffix} bucket data-125`)
    expect(wrong.message).toContain('SignatureDoesNotMatch')
    const unknown = await complaint(
      openCosn(suffix, 'cosn://data-125', { ...testCredential, accessKeyId: 'NOBODY' }, plainDefaults),
    )
    expect(unknown.message).toContain('InvalidAccessKeyId')
    const old = await complaint(openCosn(suffix, 'cosn://data-125', { ...expired, sessionToken: token }, plainDefaults))
    expect(old).toMatchObject({ code: 'unauthenticated', reason: 'expired_token' })
    const gone = await complaint(openCosn(suffix, 'cosn://nothing-125', testCredential, plainDefaults))
    expect(gone).toMatchObject({ code: 'not_found', reason: 'no_such_bucket' })
    const path = await complaint(openS3(origin.url, 's3://data-125', testCredential, plainDefaults))
    expect(path.message).toContain('s3.forcePathStyle=false')
    const all = [wrong, unknown, old, gone, path].map((each) => each.everything).join(' ')
    for (const secret of ['canary', encodeURIComponent(token), Buffer.from('wrong-canary-secret').toString('base64')])
      expect(all).not.toContain(secret)
  })

  it('tells when nothing listens or the name is unknown', async () => {
    const closed = await startOrigin({ credentials: [] })
    await closed.close()
    const down = await complaint(
      openS3(closed.url, 's3://data-125', testCredential, { ...plainDefaults, maxRetries: 0 }),
    )
    expect(down).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('no server listens at this address (ECONNREFUSED)'),
    })
    const unknown = await complaint(
      openS3('http://no-such-host.invalid', 's3://data-125', testCredential, { ...plainDefaults, maxRetries: 0 }),
    )
    expect(unknown.message).toMatch(/ENOTFOUND|EAI_AGAIN/)
  })

  it('refuses private endpoints unless they are allowed, by address and by name', async () => {
    const strict = testDependencies({ allowPrivateEndpoints: false })
    for (const host of [
      '127.0.0.1:9',
      '169.254.169.254',
      '10.1.2.3',
      '[::1]:9',
      '[fd00::1]',
      '[::ffff:127.0.0.1]',
      'localhost:9',
      'a.localhost',
    ]) {
      const opening = openS3(`http://${host}`, 's3://data-125', testCredential, plainDefaults, strict)
      await expect(opening, host).rejects.toMatchObject({
        code: 'permission_denied',
        message: expect.stringContaining('skein.ufs.allowPrivateEndpoints'),
      })
    }
    await expect(
      openCosn(origin.endpointSuffix, 'cosn://data-125', testCredential, plainDefaults, strict),
    ).rejects.toMatchObject({
      code: 'permission_denied',
    })
  })

  it('sends the traffic limit with every range', async () => {
    const store = await openCosn(
      origin.endpointSuffix,
      'cosn://data-125',
      testCredential,
      cosnDefaults,
      testDependencies(),
      {
        'fs.cosn.traffic.limit': '8388608',
      },
    )
    const { etag } = await store.stat('k', signal)
    expect(Buffer.from(await store.readWhole({ key: 'k', etag, offset: 0, length: 5 }, signal)).toString()).toBe(
      'hello',
    )
    expect([...origin.counters.trafficLimits]).toEqual(['8388608'])
    await store.close()
  })
})
