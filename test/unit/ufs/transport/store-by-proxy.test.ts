import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request as send } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Secret } from '../../../../src/base/secret.ts'
import { openUnderFileSystem } from '../../../../src/ufs/open-store.ts'
import { parseProxy } from '../../../../src/ufs/transport/proxy-rules.ts'
import type { UnderFileSystem } from '../../../../src/ufs/under-file-system.ts'
import { chunksOf } from '../../../conformance/support/under-file-system-writes.ts'
import { type Origin, startOrigin } from '../../../support/origin/server.ts'
import { plainDefaults, testCredential, testDependencies } from '../../../support/origin/stores.ts'
import { type ProxyServerOptions, startProxyServer, type TestProxy } from '../../../support/proxy-server.ts'

const signal = new AbortController().signal
const cleanups: (() => unknown)[] = []
const hidden = 'store.hidden.example'
let origin: Origin

beforeEach(async () => {
  origin = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
  origin.bucket('data').generate('a', 300_000)
  cleanups.push(() => origin.close())
})
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

async function proxied(options: ProxyServerOptions = {}): Promise<TestProxy> {
  const proxy = await startProxyServer({ names: [hidden], ...options })
  cleanups.push(() => proxy.close())
  return proxy
}

async function open(
  endpoint: string,
  dependencies: Parameters<typeof testDependencies>[0],
  attributes: Readonly<Record<string, string>> = {},
  secrets: Readonly<Record<string, Secret>> = {},
): Promise<UnderFileSystem> {
  const { accessKeyId, secretAccessKey } = testCredential
  const store = await openUnderFileSystem(
    {
      uri: 's3://data',
      attributes: { 's3.endpoint': endpoint, 's3.forcePathStyle': 'true', ...attributes },
      secrets: {
        's3.accessKeyId': new Secret(accessKeyId),
        's3.secretAccessKey': new Secret(secretAccessKey),
        ...secrets,
      },
    },
    { ...plainDefaults, maxRetries: 1 },
    testDependencies({ random: () => 0.02, ...dependencies }),
  )
  cleanups.push(() => store.close())
  return store
}

/** Every kind of request, once. */
async function exercise(store: UnderFileSystem): Promise<void> {
  await store.check(signal)
  const { etag } = await store.stat('a', signal)
  const bytes = await store.readWhole({ key: 'a', etag, offset: 0, length: 300_000, inOneAnswer: true }, signal)
  expect(Buffer.from(bytes).equals(origin.bucket('data').bytesOf('a'))).toBe(true)
  const chunks: Uint8Array[] = []
  for await (const chunk of store.read({ key: 'a', etag, offset: 7, length: 290_000, objectLength: 300_000 }, signal))
    chunks.push(chunk)
  expect(Buffer.concat(chunks).equals(origin.bucket('data').bytesOf('a').subarray(7, 290_007))).toBe(true)
  await store.write('b', 1000, chunksOf(Buffer.alloc(1000, 5)), { overwrite: true }, signal)
  await store.write(
    'c',
    6_000_000,
    chunksOf(Buffer.alloc(6_000_000, 6)),
    { overwrite: true, partBytes: 5 * 1024 * 1024 },
    signal,
  )
  await store.copy('b', 'd', signal)
  await store.delete('b', signal)
  expect(origin.bucket('data').sortedKeys).toEqual(['a', 'c', 'd'])
}

describe('a store behind a proxy', () => {
  it('is reached by whole URLs over http, and its name is for the proxy to know', async () => {
    const proxy = await proxied({ credential: 'user:canary' })
    const store = await open(`http://${hidden}:${origin.port}`, {
      proxies: { http: parseProxy(proxy.url, 'HTTP_PROXY') },
    })
    await exercise(store)
    expect(proxy.requests.length).toBeGreaterThan(8)
    expect(proxy.requests.every((request) => request.includes(`http://${hidden}:${origin.port}/data/`))).toBe(true)
  })

  it('is reached by the keys of CosN, which go before the environment and its exceptions', async () => {
    const proxy = await proxied({ credential: 'user:canary' })
    const environment = { http: parseProxy('http://127.0.0.1:9', 'HTTP_PROXY'), except: '*' }
    const keys = {
      'fs.cosn.http.proxy.ip': '127.0.0.1',
      'fs.cosn.http.proxy.port': String(proxy.port),
      'fs.cosn.http.proxy.username': 'user',
    }
    const password = { 'fs.cosn.http.proxy.password': new Secret('canary') }
    await exercise(await open(`http://${hidden}:${origin.port}`, { proxies: environment }, keys, password))
    expect(proxy.requests.length).toBeGreaterThan(8)
  })

  it('is reached straight where NO_PROXY says so', async () => {
    const proxies = { http: parseProxy('http://127.0.0.1:9', 'HTTP_PROXY'), except: `other, 127.0.0.0/8` }
    await exercise(await open(origin.url, { proxies }))
  })

  it.each([
    [
      'wants a password',
      { credential: 'user:secret' },
      /the proxy http:\/\/127\.0\.0\.1:\d+ requires a user name and a password.*HTTP_PROXY/,
    ],
    [
      'does not reach it',
      { refuse: 502 },
      /answered 502: the proxy http:\/\/127\.0\.0\.1:\d+, or a gateway behind it, does not reach the store/,
    ],
  ] as const)('is told apart from a proxy that %s', async (_, options, words) => {
    const proxy = await proxied(options)
    const bare = parseProxy(`http://canary:pw@127.0.0.1:${proxy.port}`, 'HTTP_PROXY')
    const checking = (await open(origin.url, { proxies: { http: bare } })).check(signal)
    await expect(checking).rejects.toThrow(words)
    await expect(checking).rejects.not.toThrow(/canary|pw/)
  })

  it('is told apart from a proxy that is down, or whose name is unknown', async () => {
    const down = (await open(origin.url, { proxies: { http: parseProxy('http://127.0.0.1:9', 'HTTP_PROXY') } })).check(
      signal,
    )
    await expect(down).rejects.toThrow('the proxy http://127.0.0.1:9: no server listens at this address (ECONNREFUSED)')
    const unknown = (
      await open(origin.url, { proxies: { http: parseProxy('http://nowhere.invalid:9', 'HTTP_PROXY') } })
    ).check(signal)
    await expect(unknown).rejects.toThrow('the proxy http://nowhere.invalid:9: the host name')
  })

  it('and its own address are under the guard, but for the proxy of the process', async () => {
    const proxy = await proxied()
    const guarded = { allowPrivateEndpoints: false, proxies: { http: parseProxy(proxy.url, 'HTTP_PROXY') } }
    await expect(open('http://127.0.0.1:9', guarded)).rejects.toMatchObject({ code: 'permission_denied' })
    await expect(open('http://store.localhost:9', guarded)).rejects.toMatchObject({ code: 'permission_denied' })
    const keys = { 'fs.cosn.http.proxy.ip': '127.0.0.1', 'fs.cosn.http.proxy.port': String(proxy.port) }
    await expect(open(`http://${hidden}`, { allowPrivateEndpoints: false }, keys)).rejects.toMatchObject({
      code: 'permission_denied',
    })
    // A name that only the proxy knows is for the proxy to allow.
    await exercise(await open(`http://${hidden}:${origin.port}`, guarded))
  })
})

describe('a store of https', () => {
  let folder: string
  let ca: string
  let url: string

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'skein-tls-'))
    cleanups.push(() => rmSync(folder, { recursive: true, force: true }))
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const subject = ['-subj', '/CN=store', '-addext', `subjectAltName=DNS:${hidden},DNS:localhost`]
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '2', ...subject],
      {
        stdio: 'ignore',
      },
    )
    ca = readFileSync(cert, 'utf8')
    const server = createSecureServer({ key: readFileSync(key), cert: ca }, (incoming, outgoing) => {
      const { method, url: path, headers } = incoming
      const forward = send({ host: '127.0.0.1', port: origin.port, method, path, headers, setHost: false }, (reply) => {
        outgoing.writeHead(reply.statusCode ?? 500, reply.headers)
        reply.pipe(outgoing)
      })
      incoming.pipe(forward)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    cleanups.push(() => {
      server.close()
      server.closeAllConnections()
    })
    url = `${hidden}:${(server.address() as AddressInfo).port}`
  })

  it('is reached through a tunnel', async () => {
    const proxy = await proxied({ credential: 'user:canary' })
    const store = await open(`https://${url}`, { ca, proxies: { https: parseProxy(proxy.url, 'HTTPS_PROXY') } })
    await exercise(store)
    expect(new Set(proxy.requests)).toEqual(new Set([`CONNECT ${url}`]))
  })

  it('gives large objects through a tunnel, byte for byte, to readers that pause', async () => {
    const size = 12_000_000
    const { etag } = origin.bucket('data').generate('large', size)
    const proxy = await proxied()
    const store = await open(`https://${url}`, {
      ca,
      background: true,
      proxies: { https: parseProxy(proxy.url, 'HTTPS_PROXY') },
    })
    const chunks: Uint8Array[] = []
    for await (const chunk of store.read({ key: 'large', etag, offset: 0, length: size, objectLength: size }, signal)) {
      chunks.push(chunk)
      if (chunks.length % 10 === 1) await new Promise((resolve) => setTimeout(resolve, 20))
    }
    expect(Buffer.concat(chunks).equals(origin.bucket('data').bytesOf('large'))).toBe(true)
  })

  it.each([
    [
      'wants a password',
      { credential: 'user:secret' },
      /the proxy http:\/\/127\.0\.0\.1:\d+ requires a user name and a password \(407\)/,
      false,
    ],
    ['lets nobody through', { refuse: 403 }, /the proxy .* does not let the request through \(403\)/, false],
    ['does not reach it', { names: [] }, /the proxy .* does not reach the store \(502\)/, true],
  ] as const)('is told apart from a proxy that %s', async (_, options, words, retryable) => {
    const proxy = await proxied(options)
    const checking = (
      await open(`https://${url}`, { ca, proxies: { https: parseProxy(`127.0.0.1:${proxy.port}`, 'HTTPS_PROXY') } })
    ).check(signal)
    await expect(checking).rejects.toThrow(words)
    await expect(checking).rejects.toMatchObject({ retryable })
  })

  it('says what is wrong with its certificate', async () => {
    const port = url.split(':')[1] ?? ''
    await expect((await open(`https://localhost:${port}`, {})).check(signal)).rejects.toThrow(
      /self-signed.*NODE_EXTRA_CA_CERTS.*DEPTH_ZERO/,
    )
    await expect((await open(`https://other.localhost:${port}`, { ca })).check(signal)).rejects.toThrow(
      /for another host name/,
    )
  })

  it('is told from one of http, and the other way round', async () => {
    const plain = (await open(`https://localhost:${origin.port}`, { ca })).check(signal)
    await expect(plain).rejects.toThrow(/the endpoint speaks http, not https: set s3\.endpoint=http:/)
    await expect(plain).rejects.not.toThrow('certificate')
    await expect(plain).rejects.toMatchObject({ code: 'failed_precondition' })
  })

  it.each([
    [
      'as nginx says it',
      'HTTP/1.1 400 Bad Request\r\ncontent-length: 56\r\n\r\n' +
        'The plain HTTP request was sent to HTTPS port, he said..\n',
    ],
    ['as Go says it', 'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n'],
    ['by an alert of TLS', '\x15\x03\x01\x00\x02\x02\x46'],
  ])('is told to those who speak http to it, %s', async (_, answer) => {
    const server = createServer((socket) =>
      socket.on('data', () => socket.end(answer, 'latin1')).on('error', () => undefined),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    cleanups.push(() => server.close())
    const store = await open(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {})
    await expect(store.check(signal)).rejects.toThrow(/the endpoint speaks https, not http/)
    await expect(store.readWhole({ key: 'a', etag: 'x', offset: 0, length: 10 }, signal)).rejects.toThrow(
      /speaks https, not http/,
    )
  })
})
