// Why: what names a store may have, and how it lists them, is tried on real servers: radosgw with
// odd names in small pages, and nginx as a plain HTTP store behind a small listing. One oracle:
// every object is loaded with its own bytes, shown under its own name, and a second look finds
// nothing new, changed or removed.
import { CreateBucketCommand, DeleteObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compareKeys } from '../../src/ufs/key-order.ts'
import type { LoadStatus } from '../../src/wire/generated/job.ts'
import { type Child, isInstalled, startChild } from '../support/child.ts'
import { freePort } from '../support/free-port.ts'
import { LocalSkein, storeFlags } from '../support/local-skein.ts'
import { Oracle } from '../support/oracle.ts'
import { escapeXml } from '../support/origin/listing.ts'
import { type Radosgw, radosgwInstalled, startRadosgw } from '../support/radosgw.ts'
import { until } from '../support/until.ts'

const bucket = 'odd'
/** Of one segment each; a file system can hold them too. */
const oddNames = [
  ...[
    ' ',
    ' lead',
    'trail ',
    'two  blanks',
    'a b',
    'a+b',
    'a%20b',
    'a%2Bb',
    'a%252Fb',
    '%',
    '%%',
    '%zz',
    '%E9',
    '100%',
    '+',
    '++',
  ],
  ...[
    'a&b',
    'a&amp;b',
    '<x>',
    ']]>',
    '"quoted"',
    "it's",
    'semi;colon',
    'a=b',
    'a?b',
    'a#b',
    'a@b',
    'a:b',
    'a,b',
    'a|b',
    'a\\b',
    'a*b',
  ],
  ...[
    '[a]',
    '{a}',
    '^`~',
    '!$()',
    'caf\u00e9',
    'cafe\u0301',
    '\u00c5',
    '\u212b',
    '\u65e5\u672c',
    '\u{1f9f6}',
    '\uffe5',
    '\ufeffbom',
  ],
  ...[
    '\u200bzero',
    '\u202eright',
    '\u00a0',
    '\u2028',
    'tab\there',
    'line\nfeed',
    'return\rhere',
    '\u0001',
    '\u001b[31m',
    '\u007f',
    '\u0085',
  ],
  ...['-rf', '...', '.hidden', '~', 'CON', 'x'.repeat(255), '\u20ac'.repeat(85)],
]
/** Of object stores alone. */
const oddKeys = [
  'a',
  'a/',
  'a/b',
  'a/b/c',
  'd//e',
  'd///f',
  '/lead',
  '//two',
  'e/%2F/g',
  `${'y'.repeat(180)}/`.repeat(4) + 'y'.repeat(176),
]
const plainKeys = Array.from(
  { length: 1000 },
  (_, index) => `plain/part-${index % 7}/object-${String(index).padStart(4, '0')}`,
)
const content = (key: string): Buffer => Buffer.from(`content of ${key}`)

describe('listings of real servers', { timeout: 300_000 }, () => {
  let skein: LocalSkein
  let oracle: Oracle

  beforeAll(async () => {
    skein = await LocalSkein.start()
    oracle = new Oracle(skein.addresses()['master'] ?? '')
  }, 120_000)
  afterAll(async () => {
    oracle?.close()
    await skein?.dispose()
  })

  const load = (name: string): Promise<LoadStatus> => skein.json<LoadStatus>('fs', 'distributedLoad', `/${name}`)

  /** A namespace has these files, all of them in the cache, and is what the store has. */
  async function expectWhole(name: string, keys: readonly string[]): Promise<void> {
    const files = keys.toSorted(compareKeys)
    const first = await load(name)
    expect(first).toMatchObject({ state: 'COMPLETED', counts: { files: files.length, filesFailed: 0 } })
    expect((await oracle.files(`/${name}`)).map(({ key }) => key).toSorted(compareKeys)).toEqual(files)
    const { entries } = await skein.json<{
      entries: { key: string; folder: boolean; length: number; cachedBytes: number }[]
    }>(...['fs', 'ls', '-R', `/${name}`])
    const listed = entries.filter(({ folder }) => !folder)
    expect(listed.map(({ key }) => key).toSorted(compareKeys)).toEqual(files)
    expect(
      listed.filter(({ key, length, cachedBytes }) => length !== content(key).length || cachedBytes !== length),
    ).toEqual([])
    const bytes = files.reduce((sum, key) => sum + content(key).length, 0)
    expect(await skein.json('fs', 'count', `/${name}`)).toMatchObject({ files: files.length, bytes })
    for (const key of files.filter((file, index) => !file.startsWith('plain/') || index % 20 === 0))
      expect((await oracle.bytes(`/${name}/${key}`)).toString(), key).toBe(content(key).toString())
    const check = await skein.cli('fs', 'checkConsistency', `/${name}`)
    expect(check.code, check.stdout + check.stderr).toBe(0)
    expect(check.stdout).toContain('is consistent')
    const { state, counts } = await load(name)
    expect(state).toBe('COMPLETED')
    expect([counts?.files, counts?.filesAdded ?? 0, counts?.filesChanged ?? 0, counts?.filesRemoved ?? 0]).toEqual([
      files.length,
      0,
      0,
      0,
    ])
  }

  describe.skipIf(!radosgwInstalled())('radosgw', () => {
    let gateway: Radosgw
    let client: S3Client

    beforeAll(async () => {
      gateway = await startRadosgw({ memoryGiB: 2, listedMax: 50 })
      const credentials = { accessKeyId: gateway.accessKey, secretAccessKey: gateway.secretKey }
      client = new S3Client({ region: 'us-east-1', endpoint: gateway.endpoint, forcePathStyle: true, credentials })
      await client.send(new CreateBucketCommand({ Bucket: bucket }))
    }, 240_000)
    afterAll(async () => {
      client?.destroy()
      await gateway?.stop()
    })

    it('are understood, whatever the names, in pages of 50', async () => {
      const keys = [...oddNames, ...oddKeys, ...plainKeys]
      const left = [...keys]
      const put = async (): Promise<void> => {
        for (let Key = left.pop(); Key !== undefined; Key = left.pop())
          await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: content(Key) }))
      }
      await Promise.all(Array.from({ length: 8 }, put))
      const create = ['ns', 'create', 'rgw', `s3://${bucket}/`, '--attribute', `s3.endpoint=${gateway.endpoint}`]
      const secrets = [
        '--secret',
        `s3.accessKeyId=${gateway.accessKey}`,
        '--secret',
        `s3.secretAccessKey=${gateway.secretKey}`,
      ]
      expect(await skein.cli(...create, '--attribute', 's3.forcePathStyle=true', ...secrets)).toMatchObject({ code: 0 })
      await expectWhole('rgw', keys)

      const gone = ['a%20b', 'a+b', 'd//e', 'plain/part-0/object-0000']
      for (const Key of gone) await client.send(new DeleteObjectCommand({ Bucket: bucket, Key }))
      expect(await load('rgw')).toMatchObject({ state: 'COMPLETED', counts: { filesRemoved: gone.length } })
      expect((await oracle.bytes('/rgw/a b')).toString()).toBe('content of a b')
    })
  })

  describe.skipIf(!isInstalled('nginx'))('nginx', () => {
    let folder: string
    let nginx: Child
    let port: number
    let listing: Server
    let spelled: (key: string) => string = encodeURIComponent
    const keys = [...oddNames, ...oddNames.map((name) => `dir ${name}/file`), ...plainKeys.slice(0, 100)]
      .filter((key) => key.split('/').every((name) => Buffer.byteLength(name) <= 255))
      .toSorted(compareKeys)

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'skein-nginx-'))
      chmodSync(folder, 0o755)
      const root = join(folder, 'root')
      for (const key of keys) {
        const path = join(root, bucket, key)
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(path, content(key))
      }
      listing = createServer(
        (request, response) => void response.end(pageOf(join(root, bucket), keys, request.url ?? '', spelled)),
      )
      await new Promise<void>((resolve) => listing.listen(0, '127.0.0.1', resolve))
      port = await freePort()
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
        .map((name) => `${name}_temp_path ${folder}/tmp;`)
        .join(' ')
      writeFileSync(
        join(folder, 'nginx.conf'),
        `user root; daemon off; pid ${folder}/pid; error_log ${folder}/error.log; events {}
         http { access_log off; ${temporary}
         server { listen 127.0.0.1:${port}; root ${root}; default_type application/octet-stream;
         location ~ ^/${bucket}/?$ { proxy_pass http://127.0.0.1:${(listing.address() as AddressInfo).port}; } } }`,
      )
      nginx = startChild('nginx', ['-c', join(folder, 'nginx.conf'), '-e', join(folder, 'start.log')], {
        logFile: join(folder, 'out.log'),
      })
      const answers = async (): Promise<boolean> =>
        (await fetch(`http://127.0.0.1:${port}/${bucket}/a+b`).catch(() => undefined))?.ok === true
      await until(answers, (isUp) => isUp)
    }, 120_000)
    afterAll(async () => {
      await nginx?.end('SIGTERM')
      listing?.close()
      listing?.closeAllConnections()
      rmSync(folder, { recursive: true, force: true })
    })

    it.each([
      ['all of a key is encoded', encodeURIComponent],
      ['keys are encoded as AWS does it', encodedAsAws],
    ])('are understood behind a listing of its files in which %s', async (_name, encode) => {
      spelled = encode
      const name = encode === encodedAsAws ? 'aws' : 'nginx'
      const created = await skein.cli(
        'ns',
        'create',
        name,
        `s3://${bucket}/`,
        ...storeFlags(`http://127.0.0.1:${port}`),
      )
      expect(created.code, created.stderr).toBe(0)
      await expectWhole(name, keys)
    })
  })
})

function encodedAsAws(key: string): string {
  return encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/')
}

/** A page of 50 of the files, as the files are. */
function pageOf(root: string, keys: readonly string[], url: string, spelled: (key: string) => string): string {
  const query = new URL(url, 'http://listing').searchParams
  const after = query.get('continuation-token') ?? query.get('start-after') ?? ''
  const wanted = keys.filter((key) => key.startsWith(query.get('prefix') ?? '') && compareKeys(key, after) > 0)
  const page = wanted.slice(0, Math.min(50, Number(query.get('max-keys') ?? 50)))
  const isMore = wanted.length > page.length
  const entries = page.map((key) => {
    const { mtimeMs, size } = statSync(join(root, key))
    const seconds = Math.floor(mtimeMs / 1000)
    // As nginx makes it: time and length, both in hexadecimal.
    const etag = `&quot;${seconds.toString(16)}-${size.toString(16)}&quot;`
    const modified = new Date(seconds * 1000).toISOString()
    return (
      `<Contents><Key>${escapeXml(spelled(key))}</Key><LastModified>${modified}</LastModified>` +
      `<ETag>${etag}</ETag><Size>${size}</Size></Contents>`
    )
  })
  const next = isMore ? `<NextContinuationToken>${escapeXml(page.at(-1) ?? '')}</NextContinuationToken>` : ''
  return (
    `<ListBucketResult><Name>${bucket}</Name><EncodingType>url</EncodingType>` +
    `<IsTruncated>${isMore}</IsTruncated>${next}${entries.join('')}</ListBucketResult>`
  )
}
