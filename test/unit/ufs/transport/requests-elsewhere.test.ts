import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { UnderFileSystem } from '../../../../src/ufs/under-file-system.ts'
import { chunksOf } from '../../../conformance/support/under-file-system-writes.ts'
import { type Origin, startOrigin } from '../../../support/origin/server.ts'
import { openCosn, openS3, plainDefaults, testCredential, testDependencies } from '../../../support/origin/stores.ts'
import { startTouchingProxy, type TouchingProxy } from '../../../support/touching-proxy.ts'

const signal = new AbortController().signal
const size = 300_000
let node: Origin
let door: TouchingProxy
let stores: UnderFileSystem[]

beforeEach(async () => {
  node = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
  node.bucket('data').generate('dir/a b+c', size)
  door = await startTouchingProxy(node.port)
  stores = []
})
afterEach(async () => {
  for (const store of stores) await store.close()
  await door.close()
  await node.close()
})

async function open(
  endpoint = door.url,
  overrides: Parameters<typeof testDependencies>[0] = {},
): Promise<UnderFileSystem> {
  const store = await openS3(
    endpoint,
    's3://data',
    testCredential,
    { ...plainDefaults, maxRetries: 1 },
    testDependencies(overrides),
  )
  stores.push(store)
  return store
}
const etag = (): string => node.bucket('data').get('dir/a b+c')?.etag ?? ''
const digest = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex')
const wanted = (): string => digest(node.bucket('data').bytesOf('dir/a b+c'))
const request = () => ({ key: 'dir/a b+c', etag: etag(), offset: 0, length: size, objectLength: size })
async function readBoth(store: UnderFileSystem): Promise<void> {
  expect(digest(await store.readWhole(request(), signal))).toBe(wanted())
  const chunks: Uint8Array[] = []
  for await (const chunk of store.read(request(), signal)) chunks.push(chunk)
  expect(digest(Buffer.concat(chunks))).toBe(wanted())
}
/** All that comes in at the door is sent on. */
const sendOn = (location: (path: string) => string, status = 307): void => {
  door.touch = {
    answer: ({ path }, answer) => {
      answer.status = status
      answer.body = ''
      for (const name of Object.keys(answer.headers)) delete answer.headers[name]
      Object.assign(answer.headers, { location: location(path), 'content-length': 0 })
    },
  }
}

describe('a store that sends reads on to another node', () => {
  it.each([301, 302, 307, 308])('by %s is followed, signed anew, for GET, HEAD and LIST', async (status) => {
    sendOn((path) => `http://127.0.0.1:${node.port}${path}`, status)
    const store = await open()
    await readBoth(store)
    expect(await store.stat('dir/a b+c', signal)).toMatchObject({ length: size, etag: etag() })
    expect(
      (await store.list({ prefix: 'dir/', delimiter: undefined, after: undefined, limit: 10 }, signal)).objects.length,
    ).toBe(1)
    expect(node.counters.statuses[403]).toBeUndefined()
  })

  it('is not followed for ever', async () => {
    sendOn((path) => `${door.url}${path}`)
    await expect((await open()).readWhole(request(), signal)).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringContaining('it was redirected 5 times already'),
    })
    expect(door.requests.length).toBe(6)
  })

  it('is not followed to another scheme, or without an address', async () => {
    const store = await open()
    sendOn(() => 'https://elsewhere.example/data/a?secret=canary')
    const other = store.readWhole(request(), signal)
    await expect(other).rejects.toThrow(
      /answered 307.*https:\/\/elsewhere\.example, and Skein does not follow redirects to another scheme/,
    )
    await expect(other).rejects.not.toThrow('canary')
    await expect(store.stat('dir/a b+c', signal)).rejects.toThrow(/another scheme/)
    const body = '<Error><Code>TemporaryRedirect</Code></Error>'
    door.touch = {
      answer: (_, answer) => Object.assign(answer, { status: 307, body, headers: { 'content-length': body.length } }),
    }
    await expect(store.readWhole(request(), signal)).rejects.toMatchObject({ reason: 'wrong_endpoint' })
  })

  it('is followed under the guard', async () => {
    const { redirectTarget } = await import('../../../../src/ufs/transport/redirects.ts')
    expect(typeof redirectTarget('http://10.0.0.1/x', new URL('http://public.example'))).toBe('object')
    const { openTransport } = await import('../../../../src/ufs/s3/request/s3-transport.ts')
    const { s3Options } = await import('../../../../src/ufs/store-options.ts')
    const { Secret } = await import('../../../../src/base/secret.ts')
    const secrets = { 's3.accessKeyId': new Secret('id'), 's3.secretAccessKey': new Secret('key') }
    const options = s3Options(
      { kind: 's3', bucket: 'b', prefix: '' },
      { 's3.endpoint': 'http://public.example' },
      secrets,
      plainDefaults,
    )
    const transport = openTransport(options, testDependencies({ allowPrivateEndpoints: false }))
    for (const address of ['http://10.0.0.1', 'http://localhost:1', 'http://[::1]:1', 'http://169.254.169.254']) {
      expect(() => transport.connect(new URL(address)), address).toThrow(/private or loopback/)
    }
  })

  it('is not followed with a write, and says where it was sent', async () => {
    const store = await open()
    sendOn((path) => `http://127.0.0.1:${node.port}${path}`)
    const writing = store.write('new', 10, chunksOf(Buffer.alloc(10)), { overwrite: true }, signal)
    await expect(writing).rejects.toThrow(
      new RegExp(`redirects a write to http://127.0.0.1:${node.port}, and Skein follows redirects only for reads`),
    )
    expect(node.bucket('data').get('new')).toBeDefined()
  })
})

describe('an endpoint with a path', () => {
  it.each([
    ['/s3', 's3://data'],
    ['/a/b/', 's3://data/some prefix/'],
  ])('%s has everything below it, path style', async (path, uri) => {
    const base = path.replace(/\/$/, '')
    // A gateway that knows its own path: it checks signatures as they were made.
    const gateway = await startOrigin({ credentials: [testCredential], buckets: ['data'], basePath: base })
    try {
      const store = await openS3(`${gateway.url}${path}`, uri, testCredential, plainDefaults, testDependencies())
      stores.push(store)
      await exercise(store)
    } finally {
      await gateway.close()
    }
  })

  it('has everything below it, virtual-hosted', async () => {
    const gateway = await startOrigin({ credentials: [testCredential], buckets: ['data'], basePath: '/s3', cos: true })
    try {
      const store = await openCosn(
        `${gateway.endpointSuffix}/s3`,
        'cosn://data',
        testCredential,
        plainDefaults,
        testDependencies(),
      )
      stores.push(store)
      await exercise(store)
    } finally {
      await gateway.close()
    }
  })
})

async function exercise(store: UnderFileSystem): Promise<void> {
  await store.check(signal)
  const bytes = Buffer.alloc(6_000_000, 'skein')
  const written = await store.write(
    'x/ä b',
    bytes.length,
    chunksOf(bytes),
    { overwrite: true, partBytes: 5 * 1024 * 1024 },
    signal,
  )
  expect(await store.stat('x/ä b', signal)).toMatchObject({ etag: written.etag, length: bytes.length })
  expect(
    digest(await store.readWhole({ key: 'x/ä b', etag: written.etag, offset: 0, length: bytes.length }, signal)),
  ).toBe(digest(bytes))
  const page = await store.list({ prefix: 'x/', delimiter: undefined, after: undefined, limit: 10 }, signal)
  expect(page.objects.map(({ key }) => key)).toEqual(['x/ä b'])
  await store.copy('x/ä b', 'y', signal)
  await store.rename('y', 'z', written.etag, signal)
  await store.delete('z', signal)
  await store.delete('x/ä b', signal)
  expect((await store.list({ prefix: '', delimiter: undefined, after: undefined, limit: 10 }, signal)).objects).toEqual(
    [],
  )
}
