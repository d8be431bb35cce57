// Why: one bad file among thousands must cost the others nothing, and must be named. How: an origin
// with small objects of which 1 % are refused for good, 2 % fail twice and one does not answer; the
// load is watched while it runs. A thousand objects, or with SKEIN_TORTURE=full ten thousand.
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/read-config.ts'
import { connectCluster } from '../../src/client/connect.ts'
import type { Cluster as Client } from '../../src/client/cluster.ts'
import type { LoadFile, LoadOptions, LoadStatus } from '../../src/wire/generated/job.ts'
import { LocalSkein } from '../support/local-skein.ts'
import type { Fault } from '../support/origin/faults.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'

const scale = process.env['SKEIN_TORTURE'] === 'full' ? 10 : 1
const files = 1000 * scale
const refused = 10 * scale
const failingTwice = 20 * scale
const timeOutSeconds = 15
const always = 1_000_000
const never = new AbortController().signal

let origin: Origin | undefined
let skein: LocalSkein | undefined
let client: Client | undefined
afterEach(async () => {
  client?.close()
  await skein?.dispose()
  await origin?.close()
  client = undefined
  skein = undefined
  origin = undefined
})

const keyOf = (index: number): string => `set/${String(index).padStart(7, '0')}`

interface World {
  readonly origin: Origin
  readonly skein: LocalSkein
  submit(options?: Partial<LoadOptions>): Promise<string>
  status(loadId: string): Promise<LoadStatus>
  /** The status once it satisfies `wanted`. */
  until(loadId: string, wanted: (status: LoadStatus) => boolean): Promise<LoadStatus>
  failedFiles(loadId: string): Promise<LoadFile[]>
}

async function begin(count: number, properties: Readonly<Record<string, string | number>> = {}): Promise<World> {
  const store = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
  origin = store
  store.bucket('data').generateMany('set/', count, 2048)
  const running = await LocalSkein.start({ properties: { 'skein.load.retry.initial': '100ms', ...properties } })
  skein = running
  expect(await running.createNamespace('ns', store, 'data')).toMatchObject({ code: 0 })
  const definitions = { 'skein.home': join(running.folder, 'client') }
  const environment = { SKEIN_MASTER: running.addresses()['master'] ?? '' }
  const connected = connectCluster(loadConfig({ mode: 'client', definitions, environment }))
  client = connected
  const jobs = connected.jobMaster()
  const status = (loadId: string): Promise<LoadStatus> => jobs.getLoad({ loadId }, { signal: never })
  return {
    origin: store,
    skein: running,
    status,
    submit: async (options = {}) => {
      // As the command submits it without --replication, so that the command joins it.
      const all = { replication: 1, keepReplication: true, activeJobs: 3000, batchSize: 0, ...options }
      return (await jobs.submitLoad({ requestKey: '', path: '/ns/set/', options: all }, { signal: never })).loadId
    },
    until: async (loadId, wanted) => {
      for (;;) {
        const now = await status(loadId)
        if (wanted(now)) return now
        if (now.endedMs > 0) throw new Error(`the load ended: ${JSON.stringify(now)}`)
        await delay(100)
      }
    },
    failedFiles: async (loadId) => {
      const found: LoadFile[] = []
      for (let pageToken = ''; ;) {
        const page = await jobs.listLoadFiles({ loadId, pageToken, limit: 1000, failedOnly: true }, { signal: never })
        found.push(...page.files)
        pageToken = page.nextPageToken
        if (pageToken === '') return found
      }
    },
  }
}

const refuse = (keys: readonly string[]): Fault[] =>
  keys.map((key) => ({ kind: 'denied', on: 'get', key, times: always }))

describe('a load with bad files', () => {
  it('exits 3, lists exactly those that are refused, and nobody waits for the one that does not answer', async () => {
    const world = await begin(files, { 'fs.cosn.client.socket.timeoutsec': timeOutSeconds })
    const { faults } = world.origin
    const bad = Array.from({ length: refused }, (_, index) => keyOf(index * (files / refused)))
    const flaky = Array.from({ length: failingTwice }, (_, index) => keyOf(index * (files / failingTwice) + 3))
    const hanging = keyOf(files / 2 + 1)
    faults.add(
      ...refuse(bad),
      ...flaky.map((key) => ({ kind: 'internal' as const, on: 'get' as const, key, times: 2 })),
    )
    faults.add({ kind: 'silent', on: 'get', key: hanging, times: always })
    const loadId = await world.submit()
    const healthyIn = await world.until(loadId, ({ counts }) => counts?.filesLoaded === files - refused - 1)
    // Asked for in its set, and then alone: had a time-out passed, there would be a third request.
    expect(faults.applied.silent).toBeLessThanOrEqual(2)
    expect(healthyIn).toMatchObject({ state: 'RUNNING', counts: { files, filesFailed: refused } })
    expect(faults.applied.internal).toBe(failingTwice * 2)
    faults.clear()
    faults.add(...refuse(bad))
    // Joins the same load. The request that hangs times out, and the next one is answered.
    const command = await world.skein.cli('fs', 'distributedLoad', '/ns/set/')
    expect(command.stderr).toContain(`joined load ${loadId} `)
    expect(command.code).toBe(3)
    expect(command.stdout).toContain(`file count is ${files - refused}, failed file count is ${refused}`)
    expect(await world.status(loadId)).toMatchObject({
      state: 'PARTIAL',
      counts: { filesLoaded: files - refused, filesFailed: refused },
    })
    const listed = await world.failedFiles(loadId)
    expect(listed.map(({ path }) => path).toSorted()).toEqual(bad.map((key) => `/ns/${key}`).toSorted())
    for (const file of listed) {
      expect(file).toMatchObject({ state: 'FAILED', attempts: 1, errorCode: 'permission_denied' })
      expect(file.reason).toContain('AccessDenied')
      expect(file.workerId).not.toBe('')
    }
  }, 240_000)

  it('stops early above --max-failures, says so, and keeps what is in', async () => {
    const world = await begin(1000, { 'skein.load.batch.files': 10 })
    const bad = Array.from({ length: 500 }, (_, index) => keyOf(index * 2 + 1))
    world.origin.faults.add(...refuse(bad))
    const partial = await world.submit({ maxFailures: '20' })
    const stopped = await world.until(partial, ({ endedMs }) => endedMs > 0)
    expect(stopped).toMatchObject({ state: 'PARTIAL', errorCode: 'aborted' })
    expect(stopped.reason).toMatch(
      /^stopped early: \d+ files failed, --max-failures allows 20, such as set\/\d+: .*AccessDenied/,
    )
    expect(stopped.counts?.filesFailed).toBeGreaterThan(20)
    // Sets that were under way may have failed meanwhile, no more.
    expect(stopped.counts?.filesFailed).toBeLessThan(500)
    world.origin.faults.clear()
    const again = await world.submit()
    expect(await world.until(again, ({ endedMs }) => endedMs > 0)).toMatchObject({
      state: 'COMPLETED',
      counts: { files: 1000, filesFailed: 0 },
    })
  }, 240_000)
})
