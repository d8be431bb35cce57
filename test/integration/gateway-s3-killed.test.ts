// Why: a gateway may be killed at any moment, and then no upload in parts may be half there or left
// behind for ever. How: many uploads run while the process is killed with SIGKILL; a new gateway
// finds each object complete or absent, completes what clients ask for again, and when the time of
// uploads is over, nothing of them is left in the namespace or on the worker's disk.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connect } from '../../src/client/library.ts'
import { type Child, startChild } from '../support/child.ts'
import { main } from '../support/cluster.ts'
import { contentOf, sha256 } from '../support/dataset.ts'
import { LocalSkein } from '../support/local-skein.ts'
import { ordinaryOrLong } from '../support/run-length.ts'
import { until } from '../support/until.ts'

const uploads = ordinaryOrLong(12, 50)
const kills = ordinaryOrLong(1, 4)
const atOnce = 6
/** Longer than a gateway takes to start where everything is slow. */
const expirySeconds = ordinaryOrLong(20, 60)
const partBytes = 5 * 1024 * 1024

let skein: LocalSkein
let gateway: Child
let client: S3Client

const lastPart = (key: string): Buffer => contentOf(key, 70_000)
const firstPart = contentOf('first part', partBytes)
const hashOf = (key: string): string => sha256(Buffer.concat([firstPart, lastPart(key)]))

async function startGateway(): Promise<void> {
  const properties = {
    'skein.gateway.s3.port': 0,
    'skein.gateway.web.port': 0,
    'skein.gateway.webhdfs.port': -1,
    'skein.gateway.s3.upload.expiry': `${expirySeconds}s`,
    'goosefs.master.rpc.addresses': skein.addresses()['master'] ?? '',
  }
  const definitions = Object.entries(properties).map(([key, value]) => `-D${key}=${value}`)
  const args = [main, 'gateway', '--home', join(skein.folder, 'gateway'), ...definitions]
  gateway = startChild(process.execPath, args, { logFile: join(skein.folder, 'gateway.log') })
  const ready = await gateway.line((line) => (line.startsWith('{"ready":"gateway"') ? line : undefined), 40_000)
  client?.destroy()
  client = new S3Client({
    endpoint: `http://${(JSON.parse(ready) as { readonly s3: string }).s3}`,
    ...{ region: 'us-east-1', forcePathStyle: true, maxAttempts: 1 },
    credentials: { accessKeyId: 'any', secretAccessKey: 'key' },
  })
}

async function upload(Key: string): Promise<void> {
  const object = { Bucket: 'data', Key }
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(object))
  const parts = []
  for (const [index, Body] of [firstPart, lastPart(Key)].entries()) {
    const PartNumber = index + 1
    const { ETag } = await client.send(new UploadPartCommand({ ...object, UploadId, PartNumber, Body }))
    parts.push({ PartNumber, ETag })
  }
  begun.set(Key, { UploadId, parts })
  await client.send(new CompleteMultipartUploadCommand({ ...object, UploadId, MultipartUpload: { Parts: parts } }))
  answered.add(Key)
}

/** Uploads with all parts, by key. */
const begun = new Map<
  string,
  { UploadId: string | undefined; parts: { PartNumber: number; ETag?: string | undefined }[] }
>()
/** Keys of uploads that were answered. */
const answered = new Set<string>()

async function stateOf(Key: string): Promise<'complete' | 'absent'> {
  try {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: 'data', Key }))
    expect(sha256((await Body?.transformToByteArray()) ?? Buffer.alloc(0)), Key).toBe(hashOf(Key))
    return 'complete'
  } catch (thrown) {
    if ((thrown as Error).name === 'NoSuchKey') return 'absent'
    throw thrown
  }
}

beforeAll(async () => {
  skein = await LocalSkein.start({
    quota: '2GB',
    properties: {
      'goosefs.master.ttl.checker.interval': '500ms',
      'skein.master.unfinished.file.timeout': `${expirySeconds}s`,
      'skein.gateway.s3.port': -1,
    },
  })
  const store = join(skein.folder, 'store')
  mkdirSync(store)
  mkdirSync(join(skein.folder, 'gateway'))
  expect(await skein.cli('ns', 'create', 'data', `file://${store}`)).toMatchObject({ code: 0 })
  await startGateway()
})
afterAll(async () => {
  client?.destroy()
  await gateway?.end('SIGKILL')
  await skein?.dispose()
})

it('leaves each upload complete or absent when it is killed, and nothing behind', async () => {
  const keys: string[] = []
  for (let kill = 0; kill < kills; kill += 1) {
    const round = Array.from({ length: uploads }, (_, index) => `round ${kill}/object ${index}`)
    keys.push(...round)
    const waiting = [...round]
    let isOver = false
    const work = async (): Promise<void> => {
      for (let key = waiting.shift(); key !== undefined && !isOver; key = waiting.shift())
        await upload(key).catch(() => undefined)
    }
    const workers = Promise.all(Array.from({ length: atOnce }, work))
    // Some are complete, some are being completed, some have not begun.
    const enough = Math.floor((uploads * (1 + 2 * kill)) / (2 * kills + 1))
    await until(
      async () => round.filter((key) => answered.has(key)).length,
      (count) => count >= enough,
    )
    await gateway.end('SIGKILL')
    isOver = true
    await workers
    await startGateway()
    // Whoever did not hear of it asks again.
    const again = round.findLast((key) => begun.has(key) && !answered.has(key))
    if (again !== undefined) {
      const { UploadId, parts: Parts } = begun.get(again) ?? { UploadId: '', parts: [] }
      const object = { Bucket: 'data', Key: again }
      await client.send(new CompleteMultipartUploadCommand({ ...object, UploadId, MultipartUpload: { Parts } }))
      answered.add(again)
    }
    const states = await Promise.all(round.map(stateOf))
    const complete = round.filter((_, index) => states[index] === 'complete')
    for (const key of round) if (answered.has(key)) expect(complete, key).toContain(key)
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: 'data', Prefix: `round ${kill}/` }))
    expect(Contents.map(({ Key = '' }) => Key).toSorted()).toEqual(complete.toSorted())
  }
  const files = connect({ home: skein.home })
  try {
    const left = async (): Promise<readonly string[]> => {
      const paths: string[] = []
      try {
        for await (const page of files.list('/data/.skein', { recursive: true }))
          paths.push(...page.filter(({ kind }) => kind === 'file').map(({ path }) => path))
      } catch {
        // The directory is gone.
      }
      return paths
    }
    expect(await left()).not.toEqual([])
    expect(await until(left, (paths) => paths.length === 0)).toEqual([])
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: 'data' }))
    expect(Uploads).toEqual([])
    const states = await Promise.all(keys.map(stateOf))
    const wanted = states.filter((state) => state === 'complete').length * (partBytes + 70_000)
    const web = `http://${skein.addresses()['web'] ?? ''}/metrics`
    const numbers = async (): Promise<{ used: number; unfinished: number }> => {
      const text = await (await fetch(web)).text()
      const of = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1])
      return { used: of('skein_worker_used_bytes'), unfinished: of('skein_master_unfinished_files') }
    }
    // Blocks have a head and checksums, which are less than a hundredth.
    const isClean = (seen: { used: number; unfinished: number }): boolean =>
      seen.unfinished === 0 && seen.used >= wanted && seen.used < wanted * 1.02
    expect(await until(numbers, isClean)).toMatchObject({ unfinished: 0 })
  } finally {
    await files.close()
  }
})
