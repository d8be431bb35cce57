// Why: what proxies do to headers is tried on a real store: loads, reads and a persist through a
// proxy before radosgw, for each header that proxies touch; and nginx as a plain HTTP store behind
// a listing. One oracle: exit 0 only with every byte.
import { CreateBucketCommand, ListMultipartUploadsCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Child, isInstalled, startChild } from '../support/child.ts'
import type { CommandResult } from '../support/command-result.ts'
import { freePort } from '../support/free-port.ts'
import { LocalSkein } from '../support/local-skein.ts'
import { Oracle } from '../support/oracle.ts'
import { startProxyServer } from '../support/proxy-server.ts'
import { type Radosgw, radosgwInstalled, startRadosgw } from '../support/radosgw.ts'
import { startTouchingProxy, type Touch, type TouchingProxy } from '../support/touching-proxy.ts'
import { until } from '../support/until.ts'

const largeBytes = 24 * 1024 * 1024
/** What never comes right is given up after two attempts. */
const impatience = { 'skein.load.attempts.max': 2, 'skein.load.retry.initial': '10ms', 'skein.load.retry.max': '100ms' }
const digest = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex')
const filled = (seed: number, length: number): Buffer => {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at += 4)
    bytes.writeUInt32LE((Math.imul(at + seed, 0x9e3779b1) ^ seed) >>> 0, Math.min(at, length - 4))
  return bytes
}
const objects: Readonly<Record<string, Buffer>> = {
  large: filled(1, largeBytes),
  ...Object.fromEntries(Array.from({ length: 5 }, (_, index) => [`small-${index}`, filled(10 + index, 10_000)])),
}

describe.skipIf(!radosgwInstalled())('proxies before radosgw', { timeout: 240_000 }, () => {
  const Bucket = 'behind'
  let gateway: Radosgw
  let client: S3Client
  let proxy: TouchingProxy
  let skein: LocalSkein
  let oracle: Oracle
  let namespaces = 0

  beforeAll(async () => {
    gateway = await startRadosgw({ memoryGiB: 2 })
    const { accessKey: accessKeyId, secretKey: secretAccessKey } = gateway
    const credentials = { accessKeyId, secretAccessKey }
    client = new S3Client({ region: 'us-east-1', endpoint: gateway.endpoint, forcePathStyle: true, credentials })
    await client.send(new CreateBucketCommand({ Bucket }))
    for (const [Key, Body] of Object.entries(objects)) await client.send(new PutObjectCommand({ Bucket, Key, Body }))
    proxy = await startTouchingProxy(gateway.port)
    skein = await LocalSkein.start({
      properties: {
        'fs.cosn.client.socket.timeoutsec': 2,
        'fs.cosn.maxRetries': 4,
        'fs.cosn.read.ahead.block.size': '1MB',
        ...impatience,
      },
    })
    oracle = new Oracle(skein.addresses()['master'] ?? '')
  }, 240_000)
  afterAll(async () => {
    oracle?.close()
    await skein?.dispose()
    await proxy?.close()
    client?.destroy()
    await gateway?.stop()
  })

  const namespace = async (endpoint = proxy.url, attributes: readonly string[] = []): Promise<string> => {
    namespaces += 1
    const name = `n${namespaces}`
    const created = await skein.cli(
      ...[
        'ns',
        'create',
        name,
        `s3://${Bucket}/`,
        '--attribute',
        `s3.endpoint=${endpoint}`,
        '--attribute',
        's3.forcePathStyle=true',
      ],
      ...attributes.flatMap((attribute) => ['--attribute', attribute]),
      ...['--secret', `s3.accessKeyId=${gateway.accessKey}`, '--secret', `s3.secretAccessKey=${gateway.secretKey}`],
    )
    expect(created.code, created.stderr).toBe(0)
    return name
  }
  const isObject = (path: string, key = ''): boolean =>
    path.startsWith(`/${Bucket}/${key}`) && path.length > Bucket.length + 2 && !path.includes('?')
  const load = async (touch: Touch): Promise<{ name: string; loaded: CommandResult }> => {
    proxy.touch = touch
    const name = await namespace()
    return { name, loaded: await skein.cli('fs', 'distributedLoad', `/${name}`) }
  }
  const expectAll = async (name: string, keys = Object.keys(objects)): Promise<void> => {
    // From the cache alone: the store gives no bytes any more.
    proxy.touch = { answer: ({ method, path }, answer) => void (answer.cut = method === 'GET' && isObject(path)) }
    for (const key of keys)
      expect(digest(await oracle.bytes(`/${name}/${key}`)), key).toBe(digest(objects[key] ?? Buffer.alloc(0)))
  }

  const harmless: readonly (readonly [string, Touch])[] = [
    ['weaken the ETag', { answer: (_, { headers }) => void (headers['etag'] &&= `W/${headers['etag']}`) }],
    [
      'drop ETag and If-Match',
      { request: ({ headers }) => delete headers['if-match'], answer: (_, { headers }) => delete headers['etag'] },
    ],
    ['put chunks in place of lengths', { answer: (_, { headers }) => delete headers['content-length'] }],
    ['close every connection', { answer: (_, { headers }) => void (headers['connection'] = 'close') }],
    [
      'add headers that nobody knows',
      {
        answer: (_, { headers }) =>
          void Object.assign(headers, { 'x-amz-abort-date': 'soon', expires: '0', via: '1.1 x' }),
      },
    ],
    ['ignore Range', { request: ({ path, headers }) => void (isObject(path) && delete headers['range']) }],
  ]
  it.each(harmless)('that %s do no harm', async (_, touch) => {
    const { name, loaded } = await load(touch)
    expect(loaded.code, loaded.stdout + loaded.stderr).toBe(0)
    await expectAll(name)
  })

  it('that send reads on to a node are followed', async () => {
    const { name, loaded } = await load({
      answer: ({ method, path }, answer) => {
        if ((method !== 'GET' && method !== 'HEAD') || !isObject(path)) return
        answer.status = 307
        answer.body = ''
        answer.headers['location'] = `${gateway.endpoint}${path}`
      },
    })
    expect(loaded.code, loaded.stdout).toBe(0)
    await expectAll(name)
  })

  it('that lie about keeping connections do no harm', async () => {
    let answers = 0
    const { name, loaded } = await load({
      answer: ({ path }, answer) => {
        answers += 1
        if (isObject(path) && answers % 4 === 0) answer.cut = true
      },
    })
    expect(loaded.code, loaded.stdout).toBe(0)
    await expectAll(name)
  })

  it('that compress are told by name, and nothing of theirs is kept', async () => {
    const { name, loaded } = await load({
      answer: ({ method, path }, answer) => {
        if (method !== 'GET' || !isObject(path, 'small')) return
        answer.gzip = true
        answer.headers['content-encoding'] = 'gzip'
        answer.headers['etag'] = String(answer.headers['etag']).replace(/"$/, '-gzip"')
        delete answer.headers['content-length']
      },
    })
    expect(loaded.code).toBe(3)
    for (const key of Object.keys(objects)) {
      if (key !== 'large') expect(loaded.stdout).toMatch(new RegExp(`/${name}/${key}: .*compress`))
    }
    await expectAll(name, ['large'])
  })

  it('that drop ETags never make one file of two versions, when the object is replaced under way', async () => {
    const versions = [objects['large'] ?? Buffer.alloc(0), filled(2, largeBytes)]
    let replaced: Promise<unknown> | undefined
    const { name, loaded } = await load({
      request: ({ headers }) => delete headers['if-match'],
      answer: ({ method, path }, { headers }) => {
        delete headers['etag']
        if (method === 'GET' && isObject(path, 'large'))
          replaced ??= client.send(new PutObjectCommand({ Bucket, Key: 'large', Body: versions[1] ?? '' }))
      },
    })
    await replaced
    expect([0, 3]).toContain(loaded.code)
    if (loaded.code === 3) expect(loaded.stdout).toContain(`/${name}/large: `)
    proxy.touch = { answer: ({ method, path }, answer) => void (answer.cut = method === 'GET' && isObject(path)) }
    const kept = loaded.code === 0 ? await oracle.bytes(`/${name}/large`) : undefined
    if (kept !== undefined) expect(versions.map(digest)).toContain(digest(kept))
    await client.send(new PutObjectCommand({ Bucket, Key: 'large', Body: versions[0] ?? '' }))
  })

  it('that let one object trickle cost that object, by name, and no other', async () => {
    const { name, loaded } = await load({
      answer: ({ method, path }, answer) => {
        if (method === 'GET' && isObject(path, 'small-3')) answer.trickle = { bytes: 1, everyMs: 500 }
      },
    })
    expect(loaded.code, loaded.stdout).toBe(3)
    expect(loaded.stdout).toMatch(
      new RegExp(`failed file count is 1[^]*/${name}/small-3: .*slower than skein\\.ufs\\.read\\.rate\\.min`),
    )
    await expectAll(
      name,
      Object.keys(objects).filter((key) => key !== 'small-3'),
    )
  })

  it('that make begun uploads odd leave none behind, and the file is persisted', async () => {
    proxy.touch = { answer: (_, { headers }) => void (headers['x-amz-abort-date'] = '2026-12-01T00:00:00.000Z') }
    const name = await namespace()
    const file = join(skein.folder, 'upload')
    writeFileSync(file, objects['large'] ?? '')
    expect((await skein.cli('fs', 'copyFromLocal', file, `/${name}/mine`)).code).toBe(0)
    const persisted = await skein.cli('fs', 'persist', `/${name}/mine`)
    expect(persisted.code, persisted.stderr).toBe(0)
    expect((await client.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads ?? []).toEqual([])
  })

  it('that stand before everything, with a password, are gone through', async () => {
    const forward = await startProxyServer({ names: ['cos.localhost'] })
    try {
      proxy.touch = {}
      const keys = ['fs.cosn.http.proxy.ip=127.0.0.1', `fs.cosn.http.proxy.port=${forward.port}`]
      const name = await namespace(`http://cos.localhost:${proxy.port}`, keys)
      const loaded = await skein.cli('fs', 'distributedLoad', `/${name}`)
      expect(loaded.code, loaded.stdout).toBe(0)
      await expectAll(name, ['large', 'small-0'])
      expect(forward.requests.length).toBeGreaterThan(5)
    } finally {
      await forward.close()
    }
  })

  describe.skipIf(!isInstalled('nginx'))('nginx as the store of the bytes', () => {
    let folder: string
    let nginx: Child
    let ports: { readonly withEtag: number; readonly without: number }

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'skein-nginx-'))
      chmodSync(folder, 0o755)
      ports = { withEtag: await freePort(), without: await freePort() }
      mkdirSync(join(folder, 'root', Bucket), { recursive: true })
      for (const [key, bytes] of Object.entries(objects)) writeFileSync(join(folder, 'root', Bucket, key), bytes)
      const server = (port: number, etag: string): string =>
        `server { listen 127.0.0.1:${port}; root ${folder}/root; etag ${etag}; gzip on; gzip_types *; ` +
        'default_type application/octet-stream; }'
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
        .map((name) => `${name}_temp_path ${folder}/tmp;`)
        .join(' ')
      writeFileSync(
        join(folder, 'nginx.conf'),
        `user root; daemon off; pid ${folder}/pid; error_log ${folder}/error.log; events {} http { access_log ` +
          `off; ${temporary} ${server(ports.withEtag, 'on')} ${server(ports.without, 'off')} }`,
      )
      nginx = startChild('nginx', ['-c', join(folder, 'nginx.conf'), '-e', join(folder, 'start.log')], {
        logFile: join(folder, 'out.log'),
      })
      const answers = async (): Promise<boolean> =>
        (await fetch(`http://127.0.0.1:${ports.without}/${Bucket}/large`, { method: 'HEAD' }).catch(() => undefined))
          ?.ok === true
      await until(answers, (isUp) => isUp)
    })
    afterAll(async () => {
      await nginx?.end('SIGTERM')
      rmSync(folder, { recursive: true, force: true })
    })

    it.each(['withEtag', 'without'] as const)('%s gives every byte', async (which) => {
      const entries: string[] = []
      for (const key of Object.keys(objects).sort()) {
        const { headers } = await fetch(`http://127.0.0.1:${ports[which]}/${Bucket}/${key}`, {
          method: 'HEAD',
          headers: { 'accept-encoding': 'identity' },
        })
        const etag = headers.get('etag') ?? `"${digest(Buffer.from(key))}"`
        entries.push(
          `<Contents><Key>${key}</Key><LastModified>${headers.get('last-modified') ?? ''}</LastModified>` +
            `<ETag>${etag.replaceAll('"', '&quot;')}</ETag><Size>${objects[key]?.length}</Size></Contents>`,
        )
      }
      const listing =
        `<ListBucketResult><Name>${Bucket}</Name>` +
        `<IsTruncated>false</IsTruncated>${entries.join('')}</ListBucketResult>`
      const { name, loaded } = await load({
        request: (request) => {
          if (!isObject(request.path)) return
          request.port = ports[which]
          // Without ETags nginx answers every If-Match with 412, and rightly so.
          if (which === 'without') delete request.headers['if-match']
        },
        answer: ({ path }, answer) => {
          if (!path.includes('list-type')) return
          answer.status = 200
          answer.body = listing
        },
      })
      expect(loaded.code, loaded.stdout).toBe(0)
      await expectAll(name)
    })
  })
})
