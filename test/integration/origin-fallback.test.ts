// When every worker is gone, the doors, the library and the command line read from the store by
// themselves, if they may; when a worker is back, it is used again. Real processes; the store is
// one that says who asked it for what.
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect, type FileSystem } from '../../src/client/library.ts'
import { Cluster } from '../support/cluster.ts'
import { contentOf } from '../support/dataset.ts'
import { oneLine, storeFlags } from '../support/local-skein.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'

const content = contentOf('content', 3_000_000)

let origin: Origin
let cluster: Cluster
let s3: string
let files: FileSystem
let credentials: string

const program = (properties: Readonly<Record<string, string>>): FileSystem =>
  connect({
    master: cluster.masterAddress,
    home: join(cluster.home, 'client'),
    properties: { 'skein.ufs.allowPrivateEndpoints': 'true', ...properties },
  })

async function read(from: FileSystem, path: string): Promise<Buffer> {
  const file = await from.open(path)
  const into = Buffer.alloc(file.status.length)
  try {
    expect(await file.read(into, 0)).toBe(into.length)
    return into
  } finally {
    await file.close()
  }
}

const metric = async (): Promise<number> => {
  const text = await (await fetch(`http://${cluster.webAddress('gateway')}/metrics`)).text()
  return Number(/^skein_door_origin_bytes_total(?:\{.*\})? (\d+)/m.exec(text)?.[1])
}

beforeAll(async () => {
  origin = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
  for (const name of ['cached', 'cold', 'changing']) origin.bucket('data').put(name, content)
  cluster = await Cluster.start({ queueUrl: 'redis://127.0.0.1:1', workers: 1, jobs: false, gateway: true })
  s3 = `http://${cluster.ready('gateway')['s3'] ?? ''}`
  credentials = join(cluster.home, 'credentials.json')
  const { accessKeyId, secretAccessKey } = testCredential
  const secrets = { 's3.accessKeyId': accessKeyId, 's3.secretAccessKey': secretAccessKey }
  writeFileSync(credentials, JSON.stringify({ data: secrets }), { mode: 0o600 })
  expect(await cluster.cli(['ns', 'create', 'data', 's3://data/', ...storeFlags(origin.url)])).toMatchObject({
    code: 0,
  })
  files = program({ 'skein.user.origin.credentials.file': credentials })
  expect((await read(files, '/data/cached')).equals(content)).toBe(true)
  const output = await files.create('/data/only-here')
  await output.write(Buffer.from('only here'))
  await output.close()
  await cluster.kill('worker-1')
})
afterAll(async () => {
  await files?.close()
  await cluster?.stop()
  await origin?.close()
})

describe('without a worker', () => {
  it('the S3 port answers from the store, with the secrets of the cluster', async () => {
    for (const name of ['cached', 'cold']) {
      const got = await fetch(`${s3}/data/${name}`)
      expect(got.status).toBe(200)
      expect(Buffer.from(await got.arrayBuffer()).equals(content)).toBe(true)
    }
    const part = await fetch(`${s3}/data/cold`, { headers: { range: 'bytes=2999990-' } })
    expect(Buffer.from(await part.arrayBuffer()).equals(content.subarray(2_999_990))).toBe(true)
    expect(await metric()).toBeGreaterThanOrEqual(2 * content.length)
  })

  it('the library and the command line answer with their own secrets', async () => {
    for (const name of ['cached', 'cold']) expect((await read(files, `/data/${name}`)).equals(content)).toBe(true)
    const flags = ['-Dskein.ufs.allowPrivateEndpoints=true', `-Dskein.user.origin.credentials.file=${credentials}`]
    const cat = await cluster.cli(['fs', 'cat', '/data/cold', ...flags])
    expect(cat).toMatchObject({ code: 0, stderr: '' })
    expect(cat.bytes.equals(content)).toBe(true)
  })

  it('nobody else gets the secrets of the cluster', async () => {
    const none = await cluster.cli(['fs', 'cat', '/data/cold', '-Dskein.ufs.allowPrivateEndpoints=true'])
    expect(none.code).not.toBe(0)
    expect(oneLine(none)).toMatch(/no worker answers.* the secret s3\.accessKeyId is missing/)
  })

  it('a file of secrets that others can read is refused', async () => {
    chmodSync(credentials, 0o644)
    const flags = ['-Dskein.ufs.allowPrivateEndpoints=true', `-Dskein.user.origin.credentials.file=${credentials}`]
    const open = await cluster.cli(['fs', 'cat', '/data/cold', ...flags])
    expect(oneLine(open)).toMatch(/skein\.user\.origin\.credentials\.file.*chmod 600/)
    chmodSync(credentials, 0o600)
  })

  it('says so where it must not read by itself, or nobody has the bytes', async () => {
    const strict = program({ 'skein.user.origin.fallback': 'false' })
    await expect(read(strict, '/data/cold')).rejects.toMatchObject({ code: 'unavailable' })
    await strict.close()
    await expect(read(files, '/data/only-here')).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('not persisted'),
    })
  })

  it('gives the opened version or an error', async () => {
    const file = await files.open('/data/changing')
    origin.bucket('data').put('changing', contentOf('other', content.length))
    await expect(file.read(Buffer.alloc(100), 0)).rejects.toMatchObject({ code: 'aborted', reason: 'object_changed' })
    await file.close()
    await expect
      .poll(async () => (await read(files, '/data/changing')).equals(contentOf('other', content.length)))
      .toBe(true)
  })

  it('follows a changed definition', async () => {
    const wrong = ['--attribute', 's3.region=eu-west-1']
    expect(await cluster.cli(['ns', 'update', 'data', ...wrong])).toMatchObject({ code: 0 })
    expect((await fetch(`${s3}/data/cold`)).status).toBe(200)
    expect((await read(files, '/data/cold')).equals(content)).toBe(true)
  })
})

it('uses a worker that is back', async () => {
  await cluster.startRole('worker-1')
  await expect.poll(async () => (await cluster.cli(['fsadmin', 'report'])).stdout).toMatch(/Live workers: 1/i)
  await expect
    .poll(async () => {
      const before = await metric()
      expect((await fetch(`${s3}/data/cold`)).status).toBe(200)
      return (await metric()) - before
    })
    .toBe(0)
  // The worker keeps it, and tells the master with a heartbeat.
  await expect.poll(async () => (await files.stat('/data/cold')).cachedBytes).toBe(content.length)
})

it('cannot answer when the master is gone, too', async () => {
  await cluster.kill('worker-1')
  await cluster.kill('master')
  // Not opened shortly before.
  const got = await fetch(`${s3}/data/changing`)
  expect(got.status).toBe(503)
  await expect(read(files, '/data/cached')).rejects.toMatchObject({ code: 'unavailable' })
})
