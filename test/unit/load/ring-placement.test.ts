// Why: with the policy `ring` a client of GooseFS finds a block at the worker that it asks first.
// How: whole plans, held against the look-up of the clients, by ids of files and workers as they
// see them.
import { describe, expect, it } from 'vitest'
import { fileIdOf } from '../../../src/base/block-id.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { ringOwner, type RingPoints, ringPoints } from '../../../src/base/ring/hash-ring.ts'
import { loadConfig } from '../../../src/config/read-config.ts'
import { nativeBlockId, nativeWorkerId } from '../../../src/goosefs-rpc/ids/native-ids.ts'
import { ClusterView } from '../../../src/job-master/dispatch/cluster-view.ts'
import { type ListedFile, planPage, type PlannerOptions } from '../../../src/load/plan/planner.ts'
import { Placement } from '../../../src/load/placing/placement.ts'
import { blockKey, nativeBlockKey, type PlacementPolicy } from '../../../src/load/placing/ranking.ts'
import type { PlacementWorker } from '../../../src/load/placing/worker-ledger.ts'
import { jobMasterOptions } from '../../../src/process/parts/job-master-bounds.ts'

const block = 1000
const options: PlannerOptions = {
  replication: 1,
  batchFiles: 100,
  batchBytes: 16 * block,
  largeSetBytes: 4 * block,
  groupFiles: 20,
}

function workers(count: number, capacityBytes = 1e9, hosts = count): PlacementWorker[] {
  return Array.from({ length: count }, (_, n) => ({
    workerId: `worker-${n}`,
    hostname: `host-${n % hosts}`,
    live: true,
    capacityBytes,
    usedBytes: 0,
  }))
}

function placementOf(policy: PlacementPolicy, list: readonly PlacementWorker[]): Placement {
  const placement = new Placement(policy)
  placement.update(list, 0)
  return placement
}

/** Small files, and every 20th one of 25 blocks. */
function files(count: number): ListedFile[] {
  return Array.from({ length: count }, (_, n) => ({
    fileId: fileIdOf(2 ** 32 + n),
    key: `f${n}`,
    length: n % 20 === 0 ? 24.5 * block : 700,
    etag: 'e',
    blockSizeBytes: block,
    blocks: [],
    problem: '',
  }))
}

const kept = new Map<string, RingPoints>()

function pointsOf(workerId: string): RingPoints {
  const points = kept.get(workerId) ?? ringPoints(nativeWorkerId(workerId))
  kept.set(workerId, points)
  return points
}

/** The worker that a client asks at an attempt. */
function asked(list: readonly PlacementWorker[], fileId: number, index: number, attempt = 0): string | undefined {
  const id = nativeBlockId(fileId, index)
  const key = { high: Number(id >> 32n), low: Number(id & 0xffffffffn) }
  const points = list.map(({ workerId }) => pointsOf(workerId))
  return list[ringOwner(points, key, attempt)]?.workerId
}

/** The share of the planned blocks of which a target is the worker that is asked first. */
function agreement(policy: PlacementPolicy, list: readonly PlacementWorker[], replication = 1): number {
  const plan = planPage(files(400), { ...options, replication }, placementOf(policy, list))
  expect(plan.failed).toEqual([])
  let [blocks, agreeing] = [0, 0]
  for (const { pieces, targets } of plan.sets)
    for (const piece of pieces)
      for (let index = piece.firstBlock; index < piece.firstBlock + piece.blockCount; index += 1) {
        expect(targets).toHaveLength(replication)
        blocks += 1
        if (targets[0] !== undefined && targets.includes(asked(list, piece.fileId, index) ?? '')) agreeing += 1
      }
  expect(blocks).toBe(380 + 20 * 25)
  return agreeing / blocks
}

describe('placement on the ring', () => {
  it.each([3, 8])('%i workers: every block is where clients ask first; by rendezvous about one in so many', (count) => {
    expect(agreement('ring', workers(count))).toBe(1)
    expect(agreement('ring', workers(count), 2)).toBe(1)
    const byChance = agreement('rendezvous', workers(count))
    expect(byChance).toBeGreaterThan(0.5 / count)
    expect(byChance).toBeLessThan(2 / count)
  })

  it('has the ids of clients', () => {
    for (const [container, index] of [
      [0, 0],
      [1, 5],
      [255, 7],
      [256, 2 ** 20 - 2],
      [2 ** 33 - 1, 2 ** 20 - 2],
    ] as const) {
      const fileId = fileIdOf(container)
      const { high, low } = nativeBlockKey(blockKey(fileId, index).blockId ?? 0)
      expect((BigInt(high) << 32n) | BigInt(low)).toBe(nativeBlockId(fileId, index))
    }
  })

  it('is what the key of the configuration says', () => {
    const policyOf = (definitions: Record<string, string>): PlacementPolicy => {
      const machine = { homeDirectory: '/nowhere', hostname: 'box', cpus: 2, cwd: '/' }
      const config = loadConfig({ mode: 'role', definitions, environment: {}, machine })
      const { placementPolicy } = jobMasterOptions(config)
      return new ClusterView({} as never, systemClock, placementPolicy).placementOf(1).policy
    }
    expect(policyOf({})).toBe('rendezvous')
    expect(policyOf({ 'skein.placement.policy': 'ring' })).toBe('ring')
    expect(() => policyOf({ 'skein.placement.policy': 'random' })).toThrow(/skein\.placement\.policy/)
  })

  it('spreads blocks evenly', () => {
    const placement = placementOf('ring', workers(8))
    const counts = new Map<string, number>()
    for (let n = 0; n < 8000; n += 1) {
      const [first = ''] = placement.place(blockKey(fileIdOf(n), 0), 1, 1)
      counts.set(first, (counts.get(first) ?? 0) + 1)
    }
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(200)
  })

  it('passes over a full worker, to the next that clients would ask', () => {
    const list = workers(4).map((one, n) => (n === 1 ? { ...one, usedBytes: one.capacityBytes } : one))
    const placement = placementOf('ring', list)
    let passedOver = 0
    for (let n = 0; n < 400; n += 1) {
      const [first] = placement.place(blockKey(fileIdOf(n), 0), block, 1)
      let attempt = 0
      while (asked(list, fileIdOf(n), 0, attempt) === 'worker-1') attempt += 1
      expect(first).toBe(asked(list, fileIdOf(n), 0, attempt))
      if (asked(list, fileIdOf(n), 0) === 'worker-1') passedOver += 1
    }
    expect(passedOver).toBeGreaterThan(50)
  })

  it('gives replicas to distinct hosts while there are enough, and obeys the choice of hosts', () => {
    const placement = placementOf('ring', workers(6, 1e9, 3))
    for (let n = 0; n < 200; n += 1) {
      const key = blockKey(fileIdOf(n), 0)
      const hosts = placement.place(key, 1, 3).map((id) => placement.get(id)?.hostname)
      expect(new Set(hosts).size).toBe(3)
      expect(new Set(placement.place(key, 1, 6)).size).toBe(6)
      const [only] = placement.place(key, 1, 1, [], { hosts: { hosts: ['host-2'], excludedHosts: [] } })
      expect(placement.get(only ?? '')?.hostname).toBe('host-2')
      const near = { hosts: [], excludedHosts: [], locality: 'host-1' }
      expect(placement.get(placement.place(key, 1, 1, [], { hosts: near })[0] ?? '')?.hostname).toBe('host-1')
    }
  })

  it('places by hash where no block is known, and the same in a copy', () => {
    const list = workers(5)
    const placement = placementOf('ring', list)
    expect(placement.place(77, 1, 2)).toEqual(placementOf('rendezvous', list).place(77, 1, 2))
    const key = blockKey(fileIdOf(9), 3)
    expect(placement.copy().of(4).place(key, 1, 2)).toEqual(placement.place(key, 1, 2))
  })

  it('a plan of a file of many blocks stays within the bound of its sets', () => {
    const huge = { ...files(1)[0]!, length: 25_000 * block }
    const plan = planPage([huge], options, placementOf('ring', workers(3)))
    expect(plan.failed).toEqual([])
    expect(plan.sets.length).toBeLessThanOrEqual(10_000)
  })
})
