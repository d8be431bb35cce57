// The checker over a real registry and block map, with time and workers in the test's hands.
import { beforeEach, describe, expect, it } from 'vitest'
import { blockIdOf, fileIdOf } from '../../../src/base/block-id.ts'
import { seededRandom } from '../../../src/base/clock.ts'
import {
  ReplicationChecker,
  type ReplicationOptions,
} from '../../../src/cache-master/replication/replication-checker.ts'
import { ReplicationPass } from '../../../src/cache-master/replication/replication-pass.ts'
import { ReplicationQueue } from '../../../src/cache-master/replication/replication-queue.ts'
import { WorkerRegistry } from '../../../src/cache-master/workers/worker-registry.ts'
import { BlockMap } from '../../../src/meta/block-map.ts'
import type { FileInode } from '../../../src/meta/meta-tables.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'
import { MemoryTables } from '../meta/support/memory-tables.ts'
import { FakeClock } from './support/fakes.ts'

const grace = 1000

class House {
  readonly clock = new FakeClock()
  readonly tables = new MemoryTables()
  readonly blocks = new BlockMap()
  readonly metrics = new MetricRegistry()
  readonly sessions = new Map<string, string>()
  readonly workers = new WorkerRegistry({
    blocks: this.blocks,
    blockCount: (fileId) => (this.tables.inode(fileId) === undefined ? undefined : 1),
    clock: this.clock,
    logger: silentLogger,
    workerLostMs: 10_000,
    isDecommissioning: (workerId) => this.tables.decommissioningIds.has(workerId),
  })
  readonly checker: ReplicationChecker

  constructor(options: Partial<ReplicationOptions> = {}) {
    const { tables, blocks, workers, clock, metrics } = this
    const random = seededRandom(3)
    const all = { graceMs: grace, intervalMs: 1_000_000, ...options }
    this.checker = new ReplicationChecker({
      tables,
      blocks,
      workers,
      clock,
      random,
      logger: silentLogger,
      metrics,
      options: all,
    })
    workers.watch(this.checker)
  }

  file(number: number, fields: Partial<FileInode> = {}): number {
    const id = fileIdOf(number)
    const base = {
      kind: 'file',
      id,
      parentId: 1,
      name: `f${number}`,
      length: 10,
      etag: 'e',
      modifiedMs: 0,
      createdMs: 0,
    } as const
    const rest = {
      blockSizeBytes: 10,
      storageClass: '',
      crc64: '',
      pinned: false,
      replicationMin: 0,
      replicationMax: -1,
    }
    this.tables.putInode({ ...base, ...rest, ttlMs: -1, ttlAction: 'FREE', expiresMs: -1, persisted: true, ...fields })
    return id
  }

  join(workerId: string, quotaBytes = 100_000): void {
    const directories = [{ path: '/d', tier: 'SSD', mediumType: 'SSD', quotaBytes, usedBytes: 0 }]
    const addresses = { rpcAddress: `${workerId}:1`, dataAddress: `${workerId}:2`, webAddress: '' }
    this.sessions.set(workerId, this.workers.register({ workerId, hostname: workerId, ...addresses, directories }))
    this.report(workerId, [], [], true)
  }

  report(workerId: string, added: number[], removed: number[] = [], fullReportEnd = false): void {
    const session = this.sessions.get(workerId) ?? ''
    this.workers.report({ workerId, session, added, removed, fullReportEnd, directories: [] })
  }

  /** Time goes on, in steps in which all workers but `silent` are heard. */
  pass(ms: number, silent: string[] = []): void {
    for (let left = ms; left > 0; left -= 500) {
      this.clock.now += Math.min(500, left)
      for (const [workerId, session] of this.sessions) {
        if (silent.includes(workerId)) continue
        const directories = [{ path: '/d', tier: 'SSD', mediumType: 'SSD', quotaBytes: 100_000, usedBytes: 0 }]
        this.workers.heartbeat({ workerId, session, directories, counters: {} })
      }
    }
  }

  settle(): void {
    for (let turns = 0; this.checker.step(); turns += 1) if (turns > 10_000) throw new Error('never ends')
  }

  told(...workerIds: string[]): number {
    return workerIds.reduce((sum, workerId) => sum + this.checker.copiesFor(workerId).length, 0)
  }
}

let house: House
const block = blockIdOf(fileIdOf(1), 0)
beforeEach(() => {
  house = new House()
  for (const id of ['w1', 'w2', 'w3']) house.join(id)
  house.pass(grace)
  house.settle()
})

describe('the replication checker', () => {
  it('tells a copy with every heartbeat until it is reported, and no other', () => {
    house.file(1, { replicationMin: 2 })
    house.report('w1', [block])
    house.checker.changed(fileIdOf(1))
    house.settle()
    const target = ['w2', 'w3'].find((id) => house.told(id) > 0) ?? ''
    expect(house.checker.copiesFor(target)).toEqual([{ blockId: block, sourceDataAddress: 'w1:2', durable: false }])
    house.checker.changed(fileIdOf(1))
    house.settle()
    expect(house.told('w1', 'w2', 'w3')).toBe(1)
    house.report(target, [block])
    expect(house.told('w1', 'w2', 'w3')).toBe(0)
    house.settle()
    expect(house.told('w1', 'w2', 'w3')).toBe(0)
    expect(house.metrics.get('skein_master_replication_copies_total', { outcome: 'ok' })).toBe(1)
  })

  it('waits for the grace time after a loss, then repairs without being asked', () => {
    house.file(1, { replicationMin: 2 })
    house.report('w1', [block])
    house.report('w2', [block])
    house.pass(10_000, ['w1'])
    house.settle()
    house.checker.changed(fileIdOf(1))
    house.settle()
    expect(house.told('w2', 'w3')).toBe(0)
    house.pass(grace - 1, ['w1'])
    house.settle()
    expect(house.told('w2', 'w3')).toBe(0)
    house.pass(1, ['w1'])
    house.settle()
    expect(house.told('w3')).toBe(1)
  })

  it('makes no copies before the workers had time to report after a start', () => {
    const fresh = new House()
    fresh.file(1, { replicationMin: 2 })
    for (const id of ['w1', 'w2']) fresh.join(id)
    fresh.report('w1', [block])
    fresh.checker.changed(fileIdOf(1))
    fresh.settle()
    expect(fresh.told('w2')).toBe(0)
    fresh.pass(2 * grace)
    fresh.settle()
    expect(fresh.told('w2')).toBe(1)
  })

  it('plans a copy anew when its source, or its target, is gone, or it takes too long', () => {
    house.file(1, { replicationMin: 2 })
    house.report('w1', [block])
    house.checker.changed(fileIdOf(1))
    house.settle()
    const target = ['w2', 'w3'].find((id) => house.told(id) > 0) ?? ''
    // A target that registers again is told again.
    house.join(target)
    house.settle()
    expect(house.told('w2', 'w3')).toBe(1)
    house.pass(120_000)
    house.settle()
    expect(house.metrics.get('skein_master_replication_copies_total', { outcome: 'error' })).toBe(1)
    expect(house.told('w2', 'w3')).toBe(1)
    house.report('w1', [], [block])
    expect(house.told('w2', 'w3')).toBe(0)
    house.settle()
    expect(house.metrics.get('skein_master_replication_copies_in_flight')).toBe(0)
  })

  it('drops what is above the maximum after the grace time, and never the last one', () => {
    house.file(1, { replicationMax: 1 })
    for (const id of ['w1', 'w2', 'w3']) house.report(id, [block])
    house.settle()
    expect(house.workers.workerIds(block)).toHaveLength(3)
    house.pass(grace)
    house.settle()
    expect(house.workers.workerIds(block)).toHaveLength(1)
    for (let i = 0; i < 3; i += 1) {
      house.checker.changed(fileIdOf(1))
      house.settle()
    }
    expect(house.workers.workerIds(block)).toHaveLength(1)
    expect(house.metrics.get('skein_master_replication_dropped_replicas_total')).toBe(2)
  })

  it('keeps the only copies of what the store has not', () => {
    house.file(1, { replicationMax: 0, persisted: false })
    for (const id of ['w1', 'w2']) house.report(id, [block])
    house.checker.changed(fileIdOf(1))
    house.settle()
    expect(house.workers.workerIds(block)).toHaveLength(1)
    house.file(1, { replicationMin: 2, persisted: false })
    house.checker.changed(fileIdOf(1))
    house.settle()
    expect(['w1', 'w2', 'w3'].flatMap((id) => house.checker.copiesFor(id)).map(({ durable }) => durable)).toEqual([
      true,
    ])
  })

  it('repairs a replica that a worker dropped', () => {
    house.file(1, { replicationMin: 2 })
    for (const id of ['w1', 'w2']) house.report(id, [block])
    house.report('w1', [], [block])
    house.settle()
    expect(house.told('w1', 'w3')).toBe(0)
    house.pass(grace)
    house.settle()
    expect(house.told('w1', 'w3')).toBe(1)
  })

  it('has no more copies on their way than it may, looks at a bounded number of files a turn, and ends', () => {
    const files = 3000
    const small = new House({ copiesMax: 20, copiesPerWorkerMax: 15, filesPerTurn: 50, filesWaitingMax: 100 })
    for (const id of ['w1', 'w2', 'w3']) small.join(id)
    const ids = Array.from({ length: files }, (_, index) => blockIdOf(small.file(index + 1, { replicationMin: 2 }), 0))
    small.report('w1', ids)
    small.pass(2 * grace)
    let most = 0
    let turns = 0
    let copied = 0
    let seen = 0
    const inode = small.tables.inode.bind(small.tables)
    small.tables.inode = (id) => {
      seen += 1
      return inode(id)
    }
    for (; copied < files && turns < 100_000; turns += 1) {
      seen = 0
      small.checker.step()
      expect(seen).toBeLessThanOrEqual(50)
      expect(small.metrics.get('skein_master_replication_pending_files')).toBeLessThanOrEqual(400)
      most = Math.max(most, small.told('w2', 'w3'))
      for (const workerId of ['w2', 'w3']) {
        const told = small.checker.copiesFor(workerId)
        expect(told.length).toBeLessThanOrEqual(15)
        // The reports come one by one, as those of a slow worker.
        for (const { blockId } of told.slice(0, 7)) {
          small.report(workerId, [blockId])
          copied += 1
        }
      }
      small.pass(100)
    }
    expect(copied).toBe(files)
    expect(most).toBeGreaterThan(15)
    expect(most).toBeLessThanOrEqual(20)
    small.pass(5000)
    small.settle()
    expect(ids.every((id) => small.workers.workerIds(id).length === 2)).toBe(true)
  })
})

describe('the replication queue', () => {
  it('is bounded, gives each file once, and says when it left some out', () => {
    const queue = new ReplicationQueue({ filesMax: 2, delayMs: 10 })
    for (const id of [1, 1, 2]) queue.addNow(id)
    queue.addLater(3, 100)
    queue.addLater(3, 105)
    expect(queue.takeOverflow()).toBe(false)
    queue.addNow(4)
    expect([queue.takeOverflow(), queue.takeOverflow()]).toEqual([true, false])
    expect(queue.take(1, 100)).toEqual([1])
    expect(queue.take(9, 109)).toEqual([2])
    expect(queue.take(9, 110)).toEqual([3])
    expect(queue.size).toBe(0)
  })
})

describe('the replication pass', () => {
  it('meets every file once, a piece at a time, and begins again when asked or in time', () => {
    const blocks = new BlockMap()
    const worker = blocks.addWorker('w')
    for (let i = 1; i <= 10; i += 1) blocks.add(blockIdOf(fileIdOf(i), 0), 1, worker)
    const pass = new ReplicationPass(blocks, { intervalMs: 100, firstMs: 0 })
    const met: number[] = []
    for (let piece = pass.take(3, 0); piece.length > 0; piece = pass.take(3, 0)) {
      expect(piece.length).toBeLessThanOrEqual(3)
      met.push(...piece)
      // Changes in between do no harm.
      blocks.dropFile(fileIdOf(10))
    }
    expect(met).toEqual(Array.from({ length: 9 }, (_, index) => fileIdOf(index + 1)))
    expect(pass.take(3, 99)).toEqual([])
    pass.dueBy(50)
    expect(pass.take(3, 50)).toHaveLength(3)
    pass.dueBy(60)
    expect(pass.take(9, 50)).toHaveLength(6)
    expect(pass.take(9, 59)).toEqual([])
    expect(pass.take(9, 60)).toHaveLength(9)
  })
})
