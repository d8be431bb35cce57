// Why: a probe spends money of its user: what it asks for must be what it says, and what it finds
// must reach the recommendation.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { WorkerInfo } from '../../../src/wire/generated/master.ts'
import type { ProbeStoreRequest, ProbeStoreResponse } from '../../../src/wire/generated/worker.ts'
import { type CommandResult, type FakeCluster, file, run } from './support/harness.ts'

const folder = mkdtempSync(join(tmpdir(), 'skein-probe-'))
afterAll(() => rmSync(folder, { recursive: true }))
const megabyte = 1024 ** 2
const tune = (words: readonly string[], fake: FakeCluster = {}) =>
  run(['tune', ...words], fake, { environment: { SKEIN_HOME: join(folder, 'home') } })
const json = ({ stdout }: CommandResult): Record<string, unknown> => JSON.parse(stdout) as Record<string, unknown>

const worker = (workerId: string, more: Partial<WorkerInfo> = {}): WorkerInfo => ({
  ...{ workerId, hostname: `host-${workerId}`, rpcAddress: `${workerId}:1`, dataAddress: `${workerId}:2` },
  ...{ webAddress: '', live: true, lastHeartbeatMs: 1, startedMs: 1, capacityBytes: 1, usedBytes: 0, blockCount: 0 },
  directories: [],
  ...more,
})

interface Asked extends ProbeStoreRequest {
  readonly at: string
}

/** A store that serves `width` requests at once, 20 ms each, and refuses above `refusedAbove`. */
function storeOf(
  { width = 8, refusedAbove = 1000, size = 64 * megabyte, count = 16 } = {},
  workers = [worker('a'), worker('b', { hostname: 'box' }), worker('gone', { hostname: 'box', live: false })],
): FakeCluster & { readonly asked: Asked[] } {
  const asked: Asked[] = []
  const probeStore = async (at: string, request: ProbeStoreRequest): Promise<ProbeStoreResponse> => {
    asked.push({ ...request, at })
    const { connections, objects, rangeBytes } = request
    const each = Math.min(rangeBytes, objects[0]?.length ?? 1)
    const isRefused = connections > refusedAbove
    const ranges = Math.floor(Math.min(request.bytesMax / each, request.requestsMax - connections - request.heads))
    const elapsedMs = (20 * ranges) / Math.min(width, connections)
    const firstByteMs = 5 * Math.max(1, connections / width)
    return {
      ...{ elapsedMs, bytes: ranges * each, ranges, requests: ranges + connections + request.heads },
      ...{ slowDowns: isRefused ? 7 : 0, failed: 0, problem: '', headMs: Array<number>(request.heads).fill(2) },
      firstByteMs: Array<number>(ranges).fill(firstByteMs),
      ...{ busyMs: elapsedMs, busyBytes: ranges * each },
      endedBy: isRefused ? 'slow_down' : 'bytes',
    }
  }
  const disks = [
    { path: '/d/0', tier: 'SSD', mediumType: 'SSD', bytes: 64 * megabyte, writeMs: 640, problem: '' },
    { path: '/d/1', tier: 'SSD', mediumType: 'SSD', bytes: 0, writeMs: 0, problem: 'no room in its quota' },
  ]
  const files = Array.from({ length: count }, (_, index) =>
    file({ path: `/data/f${index}`, key: `p/f${index}`, etag: `v${index}`, length: size }),
  )
  const useless = [file({ folder: true }), file({ length: 0 }), file({ persistenceState: 'NOT_PERSISTED' })]
  return {
    asked,
    master: {
      listStatus: async ({ path }) => ({
        files: path === '/empty' ? useless : [...useless, ...files],
        nextPageToken: '',
      }),
      listWorkers: async () => ({ workers }),
    },
    workers: Object.fromEntries(
      workers.map(({ rpcAddress, workerId }) => [
        rpcAddress,
        {
          probeStore: (request: ProbeStoreRequest) => probeStore(workerId, request),
          probeDisks: async () => ({ disks }),
        },
      ]),
    ),
    jobs: {
      getJobServiceSummary: async () => {
        throw new SkeinError('unavailable', 'no job master is registered')
      },
    },
  }
}

describe('tune probe', () => {
  it('finds the knee through a worker of this host, and says what it has spent', async () => {
    const fake = storeOf()
    const { code, stdout, stderr } = await tune(['probe', 'data'], fake)
    expect(code).toBe(0)
    expect(stderr).toContain('at most 4096 requests, 536870912 bytes, 30 s; the store may charge for them')
    expect(stdout).toContain('Worker: b on host-b'.replace('host-b', 'box'))
    expect(stdout).toContain('16 objects, median 64.00MB, read in ranges of 1MB')
    expect(stdout).toContain('Round trip (HEAD): 2.00 ms least')
    expect(stdout).toContain('Knee: 8 at once, 400 MB/s: 16 bring less than 10 % more')
    expect(stdout).toContain('SSD /d/0: 100 MB/s\n  SSD /d/1: no room in its quota')
    expect(stdout).toMatch(/Spent: \d+ requests \(GET and HEAD\), .*Stores may charge/)
    expect(fake.asked.map(({ connections }) => connections)).toEqual([1, 2, 4, 8, 16, 16])
    for (const { at, namespaceId, objects } of fake.asked)
      expect([at, namespaceId, objects[0]?.key.slice(0, 3)]).toEqual(['b', 'n1', 'p/f'])
  })

  it('reads other ranges in each step', async () => {
    const fake = storeOf()
    await tune(['probe', '/data'], fake)
    let done = 0
    for (const { objects, firstRange, bytesMax } of fake.asked) {
      const first = Number(objects[0]?.key.slice(3)) * 64 + firstRange
      expect(first).toBe(done % (16 * 64))
      done += Math.floor(bytesMax / megabyte)
    }
  })

  it('keeps to lower bounds, and to the worker that is named', async () => {
    const fake = storeOf({ width: 1000 })
    const bounds = ['--bytes', '20MB', '--requests', '100', '--time', '5s', '--connections', '4', '--range', '512KB']
    const found = json(
      await tune(['probe', '/data', ...bounds, '--worker', 'host-a', '--no-disks', '--format', 'json'], fake),
    )
    expect(found).toMatchObject({ rangeBytes: 524_288, endedBy: 'connections', disks: [], knee: { connections: 4 } })
    expect(fake.asked.map(({ at }) => at)).toEqual(['a', 'a', 'a'])
    const { requests, bytes } = found['spent'] as { requests: number; bytes: number }
    expect([requests <= 100, bytes <= 20 * megabyte, bytes > 10 * megabyte]).toEqual([true, true, true])
    for (const { rangeBytes } of fake.asked) expect(rangeBytes).toBe(524_288)
  })

  it('stays below what the store refuses, and waits for it once', async () => {
    const fake = storeOf({ width: 1000, refusedAbove: 8 })
    const found = json(await tune(['probe', '/data', '--format', 'json'], fake))
    expect(found).toMatchObject({
      endedBy: 'slow_down',
      knee: { connections: 8 },
      slowDown: { connections: 16, answers: 7, recoveredMs: expect.any(Number) },
    })
    expect(fake.asked.at(-1)).toMatchObject({ connections: 1, requestsMax: 4 })
  })

  it.each([
    ['--time', '0s'],
    ['--time', '2h'],
    ['--bytes', '1KB'],
    ['--requests', '15'],
    ['--connections', '129'],
    ['--range', '1GB'],
  ])('refuses %s %s before anything is asked', async (...flag) => {
    expect(await tune(['probe', 'data', ...flag])).toMatchObject({ code: 64, addresses: [] })
  })

  it('says what is missing', async () => {
    const none = await tune(['probe', '/empty'], storeOf())
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('/empty has no objects to read')])
    const idle = await tune(['probe', 'data'], storeOf({}, [worker('a', { live: false })]))
    expect([idle.code, idle.stderr]).toEqual([1, expect.stringContaining('no worker is live')])
    const other = await tune(['probe', 'data', '--worker', 'c'], storeOf())
    expect([other.code, other.stderr]).toEqual([2, expect.stringContaining("no live worker is 'c'")])
  })
})

describe('tune recommend --probe', () => {
  const machine = ['--cores', '2', '--memory', '8GB']

  it('goes by the knee of a file, and refuses a file that is none', async () => {
    const saved = join(folder, 'probe.json')
    expect((await tune(['probe', 'data', '--write', saved], storeOf({ width: 32 }))).code).toBe(0)
    const fake = storeOf()
    const { stdout } = await tune(['recommend', '/data', '--probe', saved, ...machine], fake)
    expect(stdout).toContain('# the knee that the probe found: 32 requests at once\nfs.cosn.upload_thread_pool=32\n')
    expect(stdout).toContain('# Store: 32 requests at once, 1600 MB/s; measured by b on box')
    expect(stdout).toContain('# Disks: the disks take 100 MB/s, the store gives 1600 MB/s')
    expect(fake.asked).toEqual([])
    writeFileSync(saved, readFileSync(saved, 'utf8').replace('"knee"', '"knees"').replace('"rungs"', '"steps"'))
    const refused = await tune(['recommend', '/data', '--probe', saved], fake)
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/probe\.json is no file of .*: rungs/)])
  })

  it('probes now without a file; small files are several for each read', async () => {
    const fake = storeOf({ width: 32, size: 16_384, count: 2000 })
    const { stdout } = await tune(['recommend', '/data', ...machine, '--probe'], fake)
    expect(fake.asked.length).toBeGreaterThan(3)
    expect(stdout).toMatch(/32 requests at once, 8 small files for each read\nfs\.cosn\.upload_thread_pool=4\n/)
  })

  it('shares what the store allows among the job workers', async () => {
    const fake = storeOf({ width: 1000, refusedAbove: 16 })
    const { stdout } = await tune(['recommend', '/data', ...machine, '--workers', '4', '--probe'], fake)
    expect(stdout).toMatch(/above 16 requests at once for 4 job workers together\nfs\.cosn\.upload_thread_pool=4\n/)
  })
})
