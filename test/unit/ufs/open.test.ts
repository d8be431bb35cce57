import type { lookup } from 'node:dns'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../../src/base/secret.ts'
import { guardedLookup, isPrivateAddress } from '../../../src/ufs/s3/request/endpoint-guard.ts'
import { openUnderFileSystem } from '../../../src/ufs/open-store.ts'
import { cosnDefaults, s3Options, storeTuning } from '../../../src/ufs/store-options.ts'
import { parseStoreUri } from '../../../src/ufs/store-uri.ts'
import { testDependencies } from '../../support/origin/stores.ts'

const cosnSecrets = { 'fs.cosn.userinfo.secretId': new Secret('id'), 'fs.cosn.userinfo.secretKey': new Secret('key') }
const s3Secrets = { 's3.accessKeyId': new Secret('id'), 's3.secretAccessKey': new Secret('canary-key') }
const cosn = { kind: 'cosn', bucket: 'b-125', prefix: '' } as const
const s3 = { kind: 's3', bucket: 'b', prefix: '' } as const

describe('store URIs', () => {
  it('reads the three kinds, prefix as it is spelled', () => {
    expect(parseStoreUri('cosn://data-1250000000/a/b%20c')).toEqual({
      kind: 'cosn',
      bucket: 'data-1250000000',
      prefix: 'a/b%20c/',
    })
    expect(parseStoreUri('s3://bucket')).toEqual({ kind: 's3', bucket: 'bucket', prefix: '' })
    expect(parseStoreUri('s3://bucket/')).toEqual({ kind: 's3', bucket: 'bucket', prefix: '' })
    expect(parseStoreUri('file:///mnt/nfs/data')).toEqual({ kind: 'file', directory: '/mnt/nfs/data' })
    expect(parseStoreUri('file:////mnt//nfs/%2e%2e/')).toEqual({ kind: 'file', directory: '/mnt/nfs/%2e%2e' })
  })

  it('refuses the rest', () => {
    for (const text of [
      '',
      'bucket',
      's3:/b',
      's3://',
      'S3://b',
      'http://x/y',
      'hdfs://n/x',
      's3://b@d/x',
      's3://bucket/../x',
      's3://bucket/a\nb',
      'file://host/x',
      'file:///',
      'file:////',
      'file:///a/./b',
      'file:///a/../b',
    ]) {
      expect(() => parseStoreUri(text), text).toThrow(expect.objectContaining({ code: 'invalid_argument' }) as Error)
    }
  })
})

describe('attributes and secrets', () => {
  const open = (uri: string, attributes: Record<string, string>, secrets: Record<string, Secret>) =>
    openUnderFileSystem({ uri, attributes, secrets }, cosnDefaults, testDependencies())

  it('a namespace reads ahead as its attributes say', async () => {
    const attributes = { 'fs.cosn.read.ahead.block.size': '2MB', 'fs.cosn.read.ahead.queue.size': '3' }
    expect((await open('file:///tmp', attributes, {})).readAhead).toEqual({
      rangeBytes: 2 * 1024 * 1024,
      rangesAhead: 3,
      isRangeGiven: true,
    })
  })

  it('names an unknown key and the nearest known one', async () => {
    await expect(open('cosn://b-125', { 'fs.cosn.bucket.regoin': 'x' }, cosnSecrets)).rejects.toThrow(
      'did you mean fs.cosn.bucket.region?',
    )
    await expect(open('s3://bucket', { 's3.endpoind': 'x' }, s3Secrets)).rejects.toThrow('did you mean s3.endpoint?')
    await expect(open('s3://bucket', {}, { ...s3Secrets, 's3.secretKey': new Secret('x') })).rejects.toThrow(
      '"s3.secretKey" is not a known secret of s3 stores; did you mean s3.',
    )
    await expect(open('file:///tmp', {}, s3Secrets)).rejects.toThrow('file stores take no secrets')
    await expect(open('s3://bucket', { 's3.accessKeyId': 'x' }, s3Secrets)).rejects.toThrow('is a secret')
  })

  it('names a missing or bad value, and no secret', async () => {
    await expect(open('cosn://b-125', {}, cosnSecrets)).rejects.toThrow('fs.cosn.bucket.region is missing')
    await expect(open('s3://bucket', {}, { 's3.secretAccessKey': new Secret('canary-key') })).rejects.toThrow(
      'the secret s3.accessKeyId is missing',
    )
    const bad = open('s3://bucket', {}, { ...s3Secrets, 's3.secretAccessKey': new Secret('canary key\n') })
    await expect(bad).rejects.toThrow('s3.secretAccessKey')
    await expect(bad).rejects.not.toThrow('canary')
    const half = open('s3://bucket', { 'fs.cosn.http.proxy.ip': 'proxy' }, s3Secrets)
    await expect(half).rejects.toThrow('fs.cosn.http.proxy.port is missing')
    for (const [key, text] of [
      ['s3.endpoint', 'ftp://x'],
      ['s3.endpoint', 'http://a:b@c'],
      ['s3.endpoint', 'http://c/path?x=1'],
      ['s3.endpoint', 'http://c/a path'],
      ['s3.endpoint', 'http://c/a//b'],
      ['fs.cosn.http.proxy.ip', 'a/b'],
      ['fs.cosn.http.proxy.port', '0'],
      ['skein.ufs.read.rate.min', 'fast'],
      ['s3.forcePathStyle', 'yes'],
      ['s3.region', 'a/b'],
      ['fs.cosn.maxRetries', '-1'],
      ['fs.cosn.block.size', '12QB'],
      ['fs.cosn.client.socket.timeoutsec', '0'],
    ] as const) {
      const more = key === 'fs.cosn.http.proxy.ip' ? { 'fs.cosn.http.proxy.port': '1' } : {}
      await expect(open('s3://bucket', { ...more, [key]: text }, s3Secrets), `${key}=${text}`).rejects.toThrow(key)
    }
  })

  it('builds the endpoint of a bucket', () => {
    const region = { 'fs.cosn.bucket.region': 'ap-guangzhou' }
    expect(s3Options(cosn, region, cosnSecrets, cosnDefaults)).toMatchObject({
      endpoint: 'https://cos.ap-guangzhou.myqcloud.com',
      pathStyle: false,
      region: 'ap-guangzhou',
    })
    expect(
      s3Options(cosn, { 'fs.cosn.bucket.endpoint_suffix': 'cos.ap-beijing.myqcloud.com' }, cosnSecrets, cosnDefaults),
    ).toMatchObject({
      region: 'ap-beijing',
    })
    expect(
      s3Options(
        cosn,
        { ...region, 'fs.cosn.bucket.endpoint_suffix': 'x.localhost:90', 'fs.cosn.useHttps': 'false' },
        cosnSecrets,
        cosnDefaults,
      ).endpoint,
    ).toBe('http://x.localhost:90')
    expect(
      s3Options(
        cosn,
        {},
        {},
        { ...cosnDefaults, region: 'ap-tokyo', secretId: new Secret('i'), secretKey: new Secret('k') },
      ),
    ).toMatchObject({ region: 'ap-tokyo' })
    expect(s3Options(s3, {}, s3Secrets, cosnDefaults)).toMatchObject({
      endpoint: 'https://s3.us-east-1.amazonaws.com',
      pathStyle: false,
    })
    expect(s3Options(s3, { 's3.endpoint': 'minio.example.com:9000' }, s3Secrets, cosnDefaults)).toMatchObject({
      endpoint: 'https://minio.example.com:9000',
      pathStyle: false,
    })
    expect(s3Options(s3, { 's3.endpoint': 'http://10.0.0.1:9000' }, s3Secrets, cosnDefaults)).toMatchObject({
      pathStyle: true,
    })
    expect(() =>
      s3Options(s3, { 's3.endpoint': 'http://10.0.0.1:9000', 's3.forcePathStyle': 'false' }, s3Secrets, cosnDefaults),
    ).toThrow('IP address')
  })

  it('lets attributes override the defaults, in their units', () => {
    const attributes = {
      'fs.cosn.client.socket.timeoutsec': '7',
      'fs.cosn.connection.timeout': '3s',
      'fs.cosn.maxRetries': '0',
      'fs.cosn.max.connection.num': '12',
    }
    expect(s3Options(s3, attributes, s3Secrets, cosnDefaults)).toMatchObject({
      socketTimeoutMs: 7000,
      connectionTimeoutMs: 3000,
      maxRetries: 0,
      connectionsMax: 12,
    })
    expect(storeTuning({ 'fs.cosn.block.size': '64MB', 'fs.cosn.read.ahead.queue.size': '3' }, cosnDefaults)).toEqual({
      blockSizeBytes: 64 * 1024 ** 2,
      readAheadBlockBytes: 4 * 1024 ** 2,
      readAheadQueueSize: 3,
    })
  })
})

describe('the endpoint guard', () => {
  it('knows private addresses', () => {
    for (const address of [
      '127.0.0.1',
      '10.0.0.1',
      '172.31.255.255',
      '192.168.1.1',
      '169.254.169.254',
      '100.64.0.1',
      '0.0.0.0',
      '224.0.0.1',
      '::1',
      '::',
      'fe80::1',
      'fd00::1',
      '::ffff:10.0.0.1',
      '::ffff:7f00:1',
      'nonsense',
    ]) {
      expect(isPrivateAddress(address), address).toBe(true)
    }
    for (const address of [
      '8.8.8.8',
      '172.32.0.1',
      '100.128.0.1',
      '192.169.0.1',
      '2001:4860:4860::8888',
      '::ffff:8.8.8.8',
    ])
      expect(isPrivateAddress(address), address).toBe(false)
  })

  it('judges what a name leads to at the moment of connecting', async () => {
    const resolvesTo = (...addresses: string[]) =>
      ((_host: string, _options: object, callback: (error: null, found: object[]) => void) =>
        callback(
          null,
          addresses.map((address) => ({ address, family: 4 })),
        )) as unknown as typeof lookup
    const look = (allow: boolean, resolver: typeof lookup, host = 'store.example.com') =>
      new Promise((resolve, reject) => {
        guardedLookup(allow, resolver)(host, {}, (error, address) =>
          error === null ? resolve(address) : reject(error),
        )
      })
    expect(await look(false, resolvesTo('8.8.8.8'))).toBe('8.8.8.8')
    await expect(look(false, resolvesTo('8.8.8.8', '10.0.0.1'))).rejects.toMatchObject({
      code: 'permission_denied',
      reason: 'endpoint_not_allowed',
    })
    expect(await look(true, resolvesTo('10.0.0.1'))).toBe('10.0.0.1')
    expect(await look(true, resolvesTo(), 'bucket.localhost')).toBe('127.0.0.1')
    await expect(look(false, resolvesTo(), 'bucket.localhost')).rejects.toMatchObject({ code: 'permission_denied' })
  })
})
