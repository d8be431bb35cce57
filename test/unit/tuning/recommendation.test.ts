// Why: a recommendation that breaks a rule of its own is worse than none. How: for any machine and
// any files, the values are read as the settings of a role, and its start finds no rule broken.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../../src/config/read-config.ts'
import type { Config } from '../../../src/config/config.ts'
import type { ProbeDocument } from '../../../src/tuning/probe-document.ts'
import { type JobWorkers, recommend } from '../../../src/tuning/recommendation.ts'
import { SizeHistogram } from '../../../src/tuning/size-histogram.ts'

const [kilobyte, megabyte, gigabyte] = [1024, 1024 ** 2, 1024 ** 3]
const usual: JobWorkers = { workers: 1, cores: 2, memoryBytes: 8 * gigabyte }
const files = (...groups: readonly (readonly [size: number, count: number])[]): SizeHistogram => {
  const histogram = new SizeHistogram()
  for (const [size, count] of groups) histogram.add(size, count)
  return histogram
}
const valueOf = (sizes: SizeHistogram | undefined, key: string, machines = usual) =>
  recommend(sizes, machines).properties.find((one) => one.key === key)
const range = 'fs.cosn.read.ahead.block.size'
const queue = 'fs.cosn.read.ahead.queue.size'

function asConfig(sizes: SizeHistogram | undefined, machines: JobWorkers, probe?: ProbeDocument): Config {
  const { properties } = recommend(sizes, machines, probe)
  return loadConfig({
    mode: 'role',
    definitions: Object.fromEntries(properties.map(({ key, value }) => [key, value])),
    environment: {},
    machine: { homeDirectory: '/n', hostname: 'h', cpus: machines.cores, cwd: '/', memoryBytes: machines.memoryBytes },
  })
}

const anyFiles = fc.array(
  fc.tuple(
    fc.integer({ min: 0, max: 42 }).chain((power) => fc.integer({ min: 0, max: 2 ** Math.min(power, 30) })),
    fc.integer({ min: 1, max: 1_000_000 }),
  ),
  { maxLength: 12 },
)
const anyMachines: fc.Arbitrary<JobWorkers> = fc.record({
  workers: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 100_000 })),
  cores: fc.oneof(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 10_000 })),
  memoryBytes: fc.oneof(
    fc.integer({ min: 2 * megabyte, max: 2 ** 31 - 1 }),
    fc.integer({ min: 1, max: 65_536 }).map((gigabytes) => gigabytes * gigabyte),
  ),
})

const probed = (connections: number, more: Partial<ProbeDocument> = {}): ProbeDocument => {
  const rates = { bytesPerSecond: 50 * megabyte, requestsPerSecond: 50, firstByteMs: 4 }
  const rung = { ...rates, slowDowns: 0, failed: 0, endedBy: 'bytes' }
  return {
    ...{ kind: 'skein-probe', version: 1, path: '/data', takenAt: '2026-01-31T00:00:00.000Z', problem: '' },
    ...{ worker: { workerId: 'w', hostname: 'h' }, rangeBytes: megabyte, objects: { count: 1, medianBytes: 1 } },
    ...{ rungs: [{ connections: 1, ...rung }], endedBy: 'gain', knee: { connections, ...rung }, disks: [] },
    spent: { requests: 0, bytes: 0, seconds: 0 },
    ...more,
  }
}
const anyProbes: fc.Arbitrary<ProbeDocument> = fc
  .record({
    connections: fc.integer({ min: 1, max: 128 }),
    endedBy: fc.constantFrom('gain', 'latency', 'slow_down', 'failures', 'bounds', 'connections'),
    firstByteMs: fc.option(fc.double({ min: 0, max: 1e5, noNaN: true }), { nil: undefined }),
    rate: fc.double({ min: 0, max: 1e6, noNaN: true }),
    found: fc.boolean(),
  })
  .map(({ connections, endedBy, firstByteMs, rate, found }) => {
    const rung = {
      ...{ connections: 1, bytesPerSecond: rate * megabyte, requestsPerSecond: rate, firstByteMs },
      ...{ slowDowns: 0, failed: 0, endedBy: 'bytes' },
    }
    const slowDown = endedBy === 'slow_down' ? { slowDown: { connections, answers: 3 } } : {}
    return probed(connections, { endedBy, rungs: [rung], ...slowDown, ...(found ? {} : { knee: undefined }) })
  })

describe('recommend', () => {
  it('never breaks a rule, for any cores, memory and files, with and without a probe', () => {
    fc.assert(
      fc.property(fc.option(anyFiles), anyMachines, fc.option(anyProbes), (groups, machines, found) => {
        const sizes = groups === null ? undefined : files(...groups)
        const probe = found ?? undefined
        const config = asConfig(sizes, machines, probe)
        expect(config.brokenRules).toEqual([])
        expect(config.warnings).toEqual([])
        const { memory, properties, leftAlone } = recommend(sizes, machines, probe)
        expect(memory.readBudgetBytes).toBeLessThan(machines.memoryBytes)
        for (const { reason } of [...properties, ...leftAlone]) expect(reason).toMatch(/^[^\n]{10,}$/)
      }),
      { numRuns: 200 },
    )
  })

  it('takes the median of 20,000 files of 16 KiB, and says why', () => {
    expect(valueOf(files([16 * kilobyte, 20_000]), range)).toMatchObject({
      value: '16KB',
      reason: expect.stringMatching(/the median size of the files is 16\.00KB: one request reads one file/),
    })
  })

  it('takes 4 to 16 MB for files of 64 MiB, and a whole block ahead', () => {
    const sizes = files([64 * megabyte, 16])
    expect(valueOf(sizes, range)?.value).toBe('8MB')
    expect(valueOf(sizes, queue)).toMatchObject({ value: '16', reason: expect.stringContaining('a whole block ahead') })
    expect(valueOf(files([32 * megabyte, 16]), range)?.value).toBe('4MB')
  })

  it('lets large files decide where they hold most bytes, although the mean is small', () => {
    const mixed = files([10 * kilobyte, 100_000], [100 * megabyte, 100])
    expect(mixed.mean).toBeLessThan(megabyte)
    expect(valueOf(mixed, range)?.value).toBe('8MB')
  })

  it('takes more than the median where that would need two requests for half of the files', () => {
    const spread = files(...Array.from({ length: 17 }, (_, index) => [(8 + index) * kilobyte, 100] as const))
    const { value, reason } = valueOf(spread, range) ?? { value: '', reason: '' }
    expect(Number.parseInt(value, 10)).toBeGreaterThan(20)
    expect(reason).toMatch(/percentile: 1\.0\d requests a file; the median, 16\.00KB, would need 1\.[3-6]/)
  })

  it('reads with 3 x the cores, with tasks, streams and threads that follow', () => {
    for (const sizes of [files([64 * megabyte, 16]), files([16 * kilobyte, 16])]) {
      const { ufs, jobWorker } = asConfig(sizes, { ...usual, cores: 16, memoryBytes: 64 * gigabyte })
      expect(ufs.cosn.uploadThreadPool).toBe(48)
      expect(jobWorker.activeTasksMax).toBeGreaterThan(48)
      expect(jobWorker.activeTasksMax).toBeLessThan(60)
      expect(jobWorker.blockStreamsMax).toBe(2 * jobWorker.activeTasksMax)
      expect(jobWorker.cpuTasksMax).toBeLessThanOrEqual(jobWorker.activeTasksMax)
    }
  })

  it('reads at the knee of a probe, and at least by the cores where the probe found none', () => {
    const large = files([64 * megabyte, 16])
    expect(asConfig(large, usual, probed(24)).ufs.cosn.uploadThreadPool).toBe(24)
    expect(asConfig(large, usual, probed(2)).ufs.cosn.uploadThreadPool).toBe(2)
    const many = recommend(large, { ...usual, cores: 8 }, probed(2)).properties
    expect(many.find(({ key }) => key === 'fs.cosn.upload_thread_pool')).toMatchObject({
      value: '8',
      reason: 'so that all cores work; the probe found a knee of 2 requests at once',
    })
    expect(asConfig(large, usual, probed(2, { endedBy: 'bounds' })).ufs.cosn.uploadThreadPool).toBe(6)
    expect(asConfig(large, usual, probed(64, { endedBy: 'connections' })).ufs.cosn.uploadThreadPool).toBe(64)
    expect(asConfig(large, usual, probed(24, { knee: undefined })).ufs.cosn.uploadThreadPool).toBe(6)
    expect(asConfig(files([16 * kilobyte, 1000]), usual, probed(64)).ufs.cosn.uploadThreadPool).toBe(8)
  })

  it('takes larger ranges from a store that takes long to begin', () => {
    // 1 MB takes 20 ms in all.
    const rung = { bytesPerSecond: 50 * megabyte, requestsPerSecond: 50, slowDowns: 0, failed: 0, endedBy: 'bytes' }
    const from = (firstByteMs: number) => probed(8, { rungs: [{ connections: 1, firstByteMs, ...rung }] })
    const rangeOf = (firstByteMs: number) =>
      recommend(files([32 * megabyte, 16]), usual, from(firstByteMs)).properties.find(({ key }) => key === range)
    expect(rangeOf(2)?.value).toBe('4MB')
    expect(rangeOf(12)?.value).toBe('8MB')
    expect(rangeOf(19)).toMatchObject({
      value: '16MB',
      reason: expect.stringContaining('the first byte takes 19.0 ms'),
    })
    expect(valueOf(files([16 * kilobyte, 16]), range)?.value).toBe('16KB')
  })

  it('reads less ahead where memory is small, and says so', () => {
    const sizes = files([64 * megabyte, 16])
    const small = { ...usual, memoryBytes: 256 * megabyte }
    const { properties, memory } = recommend(sizes, small)
    expect(2 * memory.streamBytes).toBeLessThanOrEqual(64 * megabyte)
    expect(properties.find(({ key }) => key === range)?.reason).toContain('the memory is small')
    expect(Number(valueOf(sizes, queue, small)?.value)).toBeGreaterThanOrEqual(8)
  })

  it('leaves the reads of a worker alone where the formula leaves too few for many job workers', () => {
    const many = { workers: 500, cores: 16, memoryBytes: 8 * gigabyte }
    const { properties, leftAlone } = recommend(files([64 * megabyte, 16]), many)
    expect(leftAlone.map(({ key }) => key)).toEqual(['goosefs.worker.network.block.reader.threads.max'])
    expect(properties.find(({ key }) => key === 'goosefs.worker.network.reader.buffer.size')).toBeUndefined()
    expect(Number(properties.find(({ key }) => key === 'skein.load.active.jobs')?.value)).toBe(2 * 54 * 500)
  })
})
