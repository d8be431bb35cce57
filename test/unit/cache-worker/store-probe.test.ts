// Why: a measurement costs money at a store and time of a worker, so its bounds must hold whatever
// the store does, and its figures must be of what was really read.
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { createWorkerProbes } from '../../../src/cache-worker/probe/worker-probes.ts'
import type { ReadRequest } from '../../../src/ufs/under-file-system.ts'
import { type ProbeStoreRequest, WorkerServiceDefinition } from '../../../src/wire/generated/worker.ts'
import { limited } from '../../../src/wire/limits/all-limits.ts'
import { FakeStore, never } from '../job-worker/support/fakes.ts'
import { makeWorker } from './support/worker-fixture.ts'

const call = { signal: never }

class ProbedStore extends FakeStore {
  slowDowns = 0
  heads = 0
  inFlight = 0
  inFlightMost = 0
  override readonly counters = { readBytes: 0, readRequests: 0 }
  override stat(): never {
    this.heads += 1
    return Promise.resolve({}) as never
  }
  override async *read(request: ReadRequest, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    this.counters.readRequests += 1
    this.inFlight += 1
    this.inFlightMost = Math.max(this.inFlightMost, this.inFlight)
    try {
      yield* super.read(request, signal)
    } finally {
      this.inFlight -= 1
    }
  }
}

function probed(prepare: (store: ProbedStore) => void = () => undefined) {
  const store = new ProbedStore()
  for (let index = 0; index < 4; index += 1) store.put(`k${index}`, 'v1', 1_000_000)
  prepare(store)
  const probes = createWorkerProbes({
    openStore: async () => store,
    store: { usage: () => [] },
    clock: systemClock,
  })
  return { store, probes }
}

const request = (more: Partial<ProbeStoreRequest> = {}): ProbeStoreRequest => ({
  namespaceId: 'n1',
  objects: Array.from({ length: 4 }, (_, index) => ({ key: `k${index}`, etag: 'v1', length: 1_000_000 })),
  rangeBytes: 300_000,
  firstRange: 0,
  connections: 3,
  heads: 2,
  msMax: 10_000,
  bytesMax: 1e9,
  requestsMax: 10_000,
  ...more,
})

describe('a step of a measurement', () => {
  it('asks the store nothing of keys that no object has, nor of those of the doors', async () => {
    const { store, probes } = probed()
    for (const key of ['', 'a/../b', '.skein/uploads/x']) {
      const objects = [{ key, etag: 'v1', length: 1 }]
      await expect(probes.probeStore(request({ objects }), call)).rejects.toMatchObject({ code: 'invalid_argument' })
    }
    expect([store.heads, store.counters.readRequests]).toEqual([0, 0])
  })

  it('reads each range once with the connections that were asked for, and counts what it sent', async () => {
    const { store, probes } = probed((one) => {
      one.beforeChunk = () => sleep(1)
    })
    const found = await probes.probeStore(request(), call)
    expect(found).toMatchObject({ bytes: 4_000_000, ranges: 16, failed: 0, problem: '', endedBy: 'ranges' })
    expect(found.headMs).toHaveLength(2)
    expect(found.firstByteMs).toHaveLength(16)
    expect(found.elapsedMs).toBeGreaterThan(0)
    const ranges = store.reads.filter(({ length }) => length > 1)
    expect(ranges.slice(0, 4).map(({ key, offset, length }) => [key, offset, length])).toEqual([
      ['k0', 0, 300_000],
      ['k0', 300_000, 300_000],
      ['k0', 600_000, 300_000],
      ['k0', 900_000, 100_000],
    ])
    expect(store.inFlightMost).toBe(3)
    // 3 openings, 16 ranges, 2 HEADs and one before.
    expect([found.requests, store.heads]).toEqual([22, 3])
    expect(store.openReads).toBe(0)
  })

  it('tells what arrived while all connections were busy, without the last slow request', async () => {
    let reads = 0
    const { probes } = probed((one) => {
      one.chunkBytes = 300_000
      one.beforeChunk = async ({ length }) => {
        if (length === 1 || (reads += 1) < 16) return await sleep(2)
        while (one.openReads > 1) await sleep(2)
        await sleep(300)
      }
    })
    const found = await probes.probeStore(request({ connections: 2 }), call)
    expect(found.busyBytes).toBeGreaterThan(3_000_000)
    expect(found.busyBytes).toBeLessThan(4_000_000)
    expect(found.elapsedMs - found.busyMs).toBeGreaterThan(200)
  })

  it('goes on behind the ranges that were read before', async () => {
    const { store, probes } = probed()
    const { ranges } = await probes.probeStore(request({ firstRange: 14, connections: 1 }), call)
    expect(ranges).toBe(2)
    expect(store.reads.at(-2)).toMatchObject({ key: 'k3', offset: 600_000 })
  })

  it.each([
    ['bytes', { bytesMax: 700_000, connections: 1 }, 2],
    ['requests', { requestsMax: 9, connections: 1 }, 5],
  ] as const)('ends by its bound of %s', async (endedBy, more, ranges) => {
    const { store, probes } = probed()
    const found = await probes.probeStore(request(more), call)
    expect(found).toMatchObject({ endedBy, ranges })
    expect(store.readBytes).toBeLessThanOrEqual(request(more).bytesMax)
    expect(found.requests).toBeLessThanOrEqual(request(more).requestsMax)
  })

  it('ends by time although the store does not answer', async () => {
    const { store, probes } = probed((one) => {
      one.beforeChunk = ({ length }) => (length === 1 ? undefined : sleep(200))
    })
    const found = await probes.probeStore(request({ msMax: 100 }), call)
    expect(found).toMatchObject({ endedBy: 'time', failed: 0 })
    expect(store.openReads).toBe(0)
  })

  it('stops when the store asks to slow down', async () => {
    const { store, probes } = probed((one) => {
      one.beforeChunk = async ({ length }) => {
        if (length === 1) return
        one.slowDowns += 1
        await sleep(5)
      }
    })
    const found = await probes.probeStore(request(), call)
    expect(found.endedBy).toBe('slow_down')
    expect(found.slowDowns).toBeGreaterThan(2)
    expect(store.reads.filter(({ length }) => length > 1).length).toBeLessThan(16)
  })

  it('does not count what other readers were told before', async () => {
    const { probes } = probed((one) => {
      one.slowDowns = 1000
      one.counters.readRequests = 1e6
    })
    expect(await probes.probeStore(request(), call)).toMatchObject({ slowDowns: 0, requests: 22 })
  })

  it('goes on where objects are gone, and throws what is final', async () => {
    const gone = probed((one) => one.objects.delete('k1'))
    expect(await gone.probes.probeStore(request({ connections: 1 }), call)).toMatchObject({ ranges: 12, failed: 4 })
    const all = probed((one) => one.objects.clear())
    const found = await all.probes.probeStore(request(), call)
    expect(found).toMatchObject({ ranges: 0, endedBy: 'failures', problem: expect.stringContaining('no object') })
    const refused = probed((one) => {
      one.beforeChunk = () => {
        throw new SkeinError('failed_precondition', 'archived')
      }
    })
    await expect(refused.probes.probeStore(request(), call)).rejects.toThrow('archived')
    expect(refused.store.openReads).toBe(0)
  })

  it('is cancelled with its caller, and is one at a time', async () => {
    const stopped = new AbortController()
    const { store, probes } = probed((one) => {
      one.beforeChunk = () => sleep(20)
    })
    const running = probes.probeStore(request(), { signal: stopped.signal })
    await expect(probes.probeDisks({ bytesMax: 1, msMax: 1 }, call)).rejects.toMatchObject({ reason: 'probe_busy' })
    stopped.abort()
    await expect(running).rejects.toMatchObject({ code: 'cancelled' })
    expect(store.openReads).toBe(0)
    expect(await probes.probeDisks({ bytesMax: 1, msMax: 1 }, call)).toEqual({ disks: [] })
  })

  it('has limits that are checked at the worker', async () => {
    const { store, probes } = probed()
    const service = limited(WorkerServiceDefinition, probes as never)
    const over: readonly (readonly [keyof ProbeStoreRequest, number])[] = [
      ['connections', 129],
      ['msMax', 15_001],
      ['bytesMax', 2 ** 31 + 1],
      ['requestsMax', 20_001],
      ['rangeBytes', 2 ** 26 + 1],
      ['heads', 101],
      ['connections', 0],
    ]
    for (const [field, value] of over)
      await expect(service.probeStore(request({ [field]: value }), call)).rejects.toThrow(`refused: ${field} `)
    await expect(
      service.probeStore(request({ objects: [{ key: 'a/../b', etag: 'e', length: 1 }] }), call),
    ).rejects.toThrow('cannot be read')
    await expect(service.probeDisks({ bytesMax: 2 ** 26 + 1, msMax: 1 }, call)).rejects.toThrow('bytesMax')
    expect(store.reads).toEqual([])
  })
})

describe('the measurement of disks', () => {
  it('writes into each directory, and leaves nothing behind', async () => {
    const { worker, store, close } = await makeWorker()
    try {
      const before = store.usage()
      const { disks } = await worker.workerService.probeDisks({ bytesMax: 3_000_000, msMax: 5000 }, call)
      expect(disks.map(({ bytes, problem }) => [bytes, problem])).toEqual([
        [3_000_000, ''],
        [3_000_000, ''],
      ])
      for (const { path } of disks) expect(readdirSync(`${path}/temp`)).toEqual([])
      expect(store.usage()).toEqual(before)
    } finally {
      await close()
    }
  })

  it('skips a directory that has no room in its quota, and says so', async () => {
    const { worker, close } = await makeWorker()
    try {
      const { disks } = await worker.workerService.probeDisks({ bytesMax: 2 ** 25, msMax: 5000 }, call)
      expect(disks).toHaveLength(2)
      for (const one of disks) expect(one).toMatchObject({ bytes: 0, problem: expect.stringContaining('quota') })
    } finally {
      await close()
    }
  })
})
