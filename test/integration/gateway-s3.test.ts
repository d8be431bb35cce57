// Why: programs use the cache as a store of S3, by their own clients. How: `skein local` and a
// `skein gateway` of its own beside it, with a file of access keys; each client that is installed
// writes and reads a folder by one and the other; the command line and the library see the same.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { main } from '../support/cluster.ts'
import { type Child, isInstalled, startChild } from '../support/child.ts'
import { contentOf } from '../support/dataset.ts'
import { LocalSkein, oneLine } from '../support/local-skein.ts'
import { until } from '../support/until.ts'
import { oddNames, presigned, storeClients, tablesAt } from '../support/store-clients.ts'
import { ordinaryOrLong } from '../support/run-length.ts'

const keys = { accessKey: 'loader', secretKey: 'secret-of-the-loader' }
const reader = { accessKey: 'reader', secretKey: 'secret-of-the-reader' }
const sizes: Readonly<Record<string, number>> = {
  small: 17,
  empty: 0,
  'dir/a b+c': 3000,
  'dir/ü&é': 70_000,
  large: 7_500_000,
}

let skein: LocalSkein
let gateway: Child
let open: string
let closed: string
let folder: string

const credentials = (): string => join(skein.folder, 'credentials.json')
const gatewayArguments = (): string[] => [
  main,
  'gateway',
  '--home',
  skein.home,
  `-Dskein.gateway.credentials.file=${credentials()}`,
  '-Dskein.gateway.s3.port=0',
  '-Dskein.gateway.web.port=0',
  '-Dskein.gateway.webhdfs.port=-1',
  `-Dgoosefs.master.rpc.addresses=${skein.addresses()['master'] ?? ''}`,
]

beforeAll(async () => {
  // Each request asks the master: the tests change files behind the gateway, too.
  skein = await LocalSkein.start({ properties: { 'skein.user.opened.file.age': 0 } })
  folder = join(skein.folder, 'given')
  mkdirSync(join(folder, 'dir'), { recursive: true })
  for (const [name, size] of Object.entries(sizes)) writeFileSync(join(folder, name), contentOf(name, size))
  const store = join(skein.folder, 'store')
  mkdirSync(store)
  expect(await skein.cli('ns', 'create', 'data', `file://${store}`)).toMatchObject({ code: 0 })
  const entry = (pair: typeof keys, access: string): object => ({
    accessKeyId: pair.accessKey,
    secretAccessKey: pair.secretKey,
    namespaces: ['*'],
    access,
  })
  writeFileSync(credentials(), JSON.stringify([entry(keys, 'write'), entry(reader, 'read')]), { mode: 0o600 })
  open = `http://${skein.addresses()['s3'] ?? ''}`
  gateway = startChild(process.execPath, gatewayArguments(), { logFile: join(skein.folder, 'gateway.log') })
  const ready = await gateway.line((line) => (line.startsWith('{"ready":"gateway"') ? line : undefined), 40_000)
  closed = `http://${(JSON.parse(ready) as { readonly s3: string }).s3}`
})
afterAll(async () => {
  await gateway?.end('SIGTERM')
  await skein?.dispose()
})

describe.each(storeClients())('$name', (client) => {
  it.skipIf(!client.isInstalled)('writes through one gateway what it reads through the other', async () => {
    const prefix = client.name
    await client.upload({ ...keys, endpoint: closed }, folder, 'data', prefix)
    const back = join(skein.folder, `back-${client.name}`)
    mkdirSync(back)
    const listed = await client.download({ ...keys, endpoint: open }, 'data', prefix, back)
    expect(listed).toEqual(sizes)
    for (const [name, size] of Object.entries(sizes))
      expect(readFileSync(join(back, name)).equals(contentOf(name, size)), name).toBe(true)
    const read = await skein.cli('fs', 'cat', `/data/${prefix}/large`)
    expect(read.bytes.equals(contentOf('large', 7_500_000))).toBe(true)
    rmSync(back, { recursive: true })
    await expect(client.upload({ ...reader, endpoint: closed }, folder, 'data', 'denied')).rejects.toThrow()
    await expect(
      client.upload({ ...keys, secretKey: 'another-secret', endpoint: closed }, folder, 'data', 'denied'),
    ).rejects.toThrow()
    expect((await skein.cli('fs', 'test', '-e', '/data/denied')).code).not.toBe(0)
  })

  it.skipIf(!client.isInstalled)('keeps many odd names, and what the files hold', async () => {
    const names = oddNames(ordinaryOrLong(30, 1000))
    const [given, back] = [join(skein.folder, `odd-${client.name}`), join(skein.folder, `odd-back-${client.name}`)]
    for (const [name, size] of Object.entries(names)) {
      mkdirSync(dirname(join(given, name)), { recursive: true })
      writeFileSync(join(given, name), contentOf(name, size))
    }
    mkdirSync(back)
    const prefix = `odd ${client.name}`
    await client.upload({ ...keys, endpoint: closed }, given, 'data', prefix)
    expect(await client.download({ ...keys, endpoint: open }, 'data', prefix, back)).toEqual(names)
    for (const [name, size] of Object.entries(names))
      expect(readFileSync(join(back, name)).equals(contentOf(name, size)), name).toBe(true)
    for (const path of [given, back]) rmSync(path, { recursive: true })
  })
})

const tables = tablesAt()
if (tables === undefined) console.warn('clients of tables are not there: bash scripts/clients.sh --tables')

it.skipIf(tables === undefined)('serves tables to pandas, pyarrow and DuckDB', async () => {
  const expected = { rows: 200_000, sum: 9_999_950_000 }
  expect(await tables?.({ ...keys, endpoint: closed }, 'data', 'tables')).toEqual({
    ...{ expected, pandas: expected, arrow: expected },
    ...{ 'duckdb reads pandas': expected, 'pandas reads duckdb': expected, 'duckdb prunes': 50_000 },
    ...{ csv: 1000, range: true, whole: true, moved: [false, true], pruned: 50_000, groups: 10, group: 60_000 },
  })
})

const presign = presigned()

it.skipIf(presign === undefined || !isInstalled('curl'))('serves whoever has a presigned address', async () => {
  const key = "presigned/it's a+b \u00fc"
  const [put = '', get = ''] = (await presign?.({ ...keys, endpoint: closed }, 'data', key)) ?? []
  const curl = (...args: readonly string[]): string => execFileSync('curl', ['-s', ...args], { encoding: 'utf8' })
  expect(curl('-T', join(folder, 'dir/a b+c'), '-w', '%{http_code}', put)).toBe('200')
  const got = execFileSync('curl', ['-s', get])
  expect(got.equals(contentOf('dir/a b+c', 3000))).toBe(true)
  expect(curl('-r', '10-19', '-w', '%{http_code}', '-o', '/dev/null', get)).toBe('206')
  expect(curl('-w', '%{http_code}', '-o', '/dev/null', get.replace('presigned/it', 'presigned/is'))).toBe('403')
})

it('takes any caller of this machine without a file of keys, and none with one', async () => {
  const put = await fetch(`${open}/data/plain`, { method: 'PUT', body: 'bytes' })
  expect(put.status).toBe(200)
  expect((await skein.cli('fs', 'cat', '/data/plain')).stdout).toBe('bytes')
  const got = await fetch(`${open}/data/plain`, { headers: { range: 'bytes=1-2' } })
  expect([got.status, await got.text()]).toEqual([206, 'yt'])
  const denied = await fetch(`${closed}/data/plain`)
  expect([denied.status, await denied.text()]).toEqual([403, expect.stringContaining('<Code>AccessDenied</Code>')])
  // A page of another site.
  const page = await fetch(`${open}/data/page`, { method: 'PUT', body: 'x', headers: { origin: 'http://example.com' } })
  expect(page.status).toBe(403)
})

it('shows objects of the store that nobody has loaded, and keeps what it read', async () => {
  writeFileSync(join(skein.folder, 'store', 'cold'), contentOf('cold', 200_000))
  const before = await fileBytes()
  let rounds = 0
  const get = async (): Promise<{ cache: number; store: number }> => {
    const got = await fetch(`${open}/data/cold`)
    expect(Buffer.from(await got.arrayBuffer()).equals(contentOf('cold', 200_000))).toBe(true)
    rounds += 1
    return fileBytes()
  }
  expect((await get()).store - before.store).toBe(200_000)
  // It counts as cached when the worker has reported it, and it is opened anew.
  const after = await until(get, ({ cache }) => cache > before.cache)
  expect(after.cache - before.cache).toBe(200_000)
  expect(after.store - before.store).toBe(200_000 * (rounds - 1))
})

/** Of the metrics of `skein local`. */
async function fileBytes(): Promise<{ cache: number; store: number }> {
  const text = await (await fetch(`http://${skein.addresses()['web'] ?? ''}/metrics`)).text()
  const of = (source: string): number =>
    Number(new RegExp(`^skein_door_file_bytes_total\\{door="s3",source="${source}"\\} (\\d+)$`, 'm').exec(text)?.[1])
  return { cache: of('cache'), store: of('store') }
}

it('shows old objects or new ones, and no mixture, while an atomic load runs', async () => {
  const names = Array.from({ length: 12 }, (_, index) => `object ${index}`)
  const inStore = join(skein.folder, 'store', 'version')
  mkdirSync(inStore)
  const write = (version: string): void => {
    for (const name of names) writeFileSync(join(inStore, name), contentOf(`${version} ${name}`, 300_000))
  }
  write('old')
  expect(await skein.cli('fs', 'distributedLoad', '/data/version')).toMatchObject({ code: 0 })
  const seen: string[] = []
  const readAll = async (): Promise<void> => {
    for (const name of names) {
      const got = await fetch(`${open}/data/version/${name}`)
      const bytes = Buffer.from(await got.arrayBuffer())
      const version = ['old', 'new'].find((each) => bytes.equals(contentOf(`${each} ${name}`, 300_000)))
      expect(version, `${name}: ${got.status}, ${bytes.length} bytes`).toBeDefined()
      seen.push(version ?? '')
    }
  }
  await readAll()
  write('new')
  await readAll()
  expect(new Set(seen)).toEqual(new Set(['old']))
  let isOver = false
  const load = skein.cli('fs', 'distributedLoad', '-A', '/data/version').finally(() => (isOver = true))
  while (!isOver) await readAll()
  expect(await load).toMatchObject({ code: 0 })
  const before = seen.length
  await readAll()
  expect(new Set(seen.slice(before))).toEqual(new Set(['new']))
  // Whoever saw one of the new objects sees no old one afterwards.
  expect(seen.indexOf('new')).toBe(seen.lastIndexOf('old') + 1)
})

it('is refused with one line where its keys can be read by others', async () => {
  chmodSync(credentials(), 0o644)
  const child = startChild(process.execPath, gatewayArguments(), { logFile: join(skein.folder, 'refused.log') })
  expect(await child.ended).toBe(1)
  const stderr = readFileSync(join(skein.folder, 'refused.log'), 'utf8')
  expect(oneLine({ code: 1, stdout: '', stderr, bytes: Buffer.alloc(0) })).toContain('chmod 600')
  chmodSync(credentials(), 0o600)
  const exposed = await skein.cli('gateway', '-Dskein.gateway.bind.host=0.0.0.0')
  expect(oneLine(exposed)).toMatch(/skein\.gateway\.bind\.host.*set skein\.gateway\.credentials\.file/)
})
