// Why: a load takes over what the store has with its objects, and may not cost a request for it.
// How: all of Skein in a process, an origin that counts, and two datasets that differ in nothing
// else.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'
import { SourceSkein } from '../support/source-skein.ts'

const call = { signal: new AbortController().signal }
const smallFiles = 60
const text = { 'content-type': 'text/plain', 'x-amz-meta-project': 'x' }

let origin: Origin
let skein: SourceSkein

beforeAll(async () => {
  origin = await startOrigin({ credentials: [testCredential], buckets: ['data'], seed: 1 })
  skein = new SourceSkein('metadata', { 'fs.cosn.block.size': '1MB', 'fs.cosn.read.ahead.block.size': '256KB' })
  await skein.start()
  await skein.createNamespace('data', origin, 'data')
}, 120_000)
afterAll(async () => {
  await skein.dispose()
  await origin.close()
})

function fill(directory: string, metadata: Readonly<Record<string, string>>): void {
  const bucket = origin.bucket('data')
  for (let i = 0; i < smallFiles; i += 1) bucket.generate(`${directory}/s${i}`, 5000 + i, { metadata })
  bucket.generate(`${directory}/large`, 3_500_000, { metadata })
  bucket.put(`${directory}/empty`, new Uint8Array(0), { metadata })
}

/** Loads a directory. @returns the requests that it took */
async function load(directory: string): Promise<{ get: number; head: number; list: number }> {
  const { get, head, list } = origin.counters.requests
  const options = { replication: 1, activeJobs: 100, batchSize: 0 }
  const request = { requestKey: '', path: `/data/${directory}`, options }
  const { loadId } = await skein.cluster.jobMaster().submitLoad(request, call)
  await expect
    .poll(async () => (await skein.cluster.jobMaster().getLoad({ loadId }, call)).state, { timeout: 30_000 })
    .toBe('COMPLETED')
  const now = origin.counters.requests
  return { get: now.get - get, head: now.head - head, list: now.list - list }
}

const stat = (path: string) => skein.cluster.master().getStatus({ path: `/data/${path}` }, call)

test(
  'a load knows the metadata of what it read, with the requests of a load without',
  { timeout: 90_000 },
  async () => {
    fill('plain', {})
    fill('text', text)
    const plain = await load('plain')
    // The path itself is looked at twice, and what is listed with no bytes.
    expect(plain).toMatchObject({ get: smallFiles + 14, head: 3 })
    expect(await load('text')).toEqual(plain)
    const { head } = origin.counters.requests
    for (const name of ['s0', `s${smallFiles - 1}`, 'large']) {
      const known = { contentType: 'text/plain', userMetadata: { values: { project: 'x' } } }
      expect(await stat(`text/${name}`)).toMatchObject(known)
      const other = await stat(`plain/${name}`)
      expect([other.contentType, other.userMetadata]).toEqual([undefined, undefined])
    }
    // Nothing of an empty object is read, but it was looked at.
    expect((await stat('text/empty')).contentType).toBe('text/plain')
    expect(origin.counters.requests.head).toBe(head)
  },
)
