// One task from its name to its report: one read for all targets, failures named where they belong, nothing left open.
import { describe, expect, test } from 'vitest'
import { blockIdOf, fileIdOf } from '../../../src/base/block-id.ts'
import { Budget } from '../../../src/base/budget.ts'
import { seededRandom } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { StoreCache } from '../../../src/job-worker/store-cache.ts'
import { TaskRunner } from '../../../src/job-worker/task-runner.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'
import type { SetPiece } from '../../../src/wire/generated/job.ts'
import { SyncedFile } from '../../../src/wire/generated/master.ts'
import {
  expectedBlock,
  FakeJobMaster,
  FakeMaster,
  FakeStore,
  FakeTarget,
  hurriedClock,
  mib,
  never,
  pieceOf,
  settle,
  taskOf,
} from './fakes.ts'

function house(options: { slots?: number; bytes?: number; streams?: number } = {}) {
  const store = new FakeStore()
  const stores: FakeStore[] = []
  const jobMaster = new FakeJobMaster()
  const master = new FakeMaster()
  const targets = { a: new FakeTarget('a'), b: new FakeTarget('b') }
  const slots = new Budget('slots', options.slots ?? 4)
  const bytes = new Budget('bytes', options.bytes ?? 8 * mib)
  const cache = new StoreCache({
    openStore: async () => {
      stores.push(store)
      return store
    },
    clock: hurriedClock,
    idleStoresMax: 2,
    renewPauseMs: 60_000,
  })
  const runner = new TaskRunner({
    jobWorkerId: 'jw',
    jobMaster: jobMaster.service,
    master: master.service,
    link: { session: '', replaceIfLost: async () => false },
    stores: cache,
    targets: { targetFor: ({ workerId }) => (workerId === 'a' ? targets.a : targets.b) },
    resources: {
      slots,
      bytes,
      runStream: (copy) => copy(),
      rangeBytes: 256 * 1024,
      rangesAhead: 4,
      smallBlockBytes: mib,
    },
    clock: hurriedClock,
    random: seededRandom(1),
    logger: silentLogger,
    metrics: new MetricRegistry(),
  })
  const add = (pieces: SetPiece[], workers = ['a', 'b']): void => {
    for (const { key, etag, length } of pieces) store.put(key, etag, length)
    jobMaster.sets.set(1, { pieces, targets: workers })
  }
  const expectNothingLeft = (): void => {
    expect(targets.a.openSinks + targets.b.openSinks).toBe(0)
    expect(store.openReads).toBe(0)
    expect([slots.used, bytes.used, slots.waiting, bytes.waiting]).toEqual([0, 0, 0, 0])
    expect(runner.running()).toEqual([])
  }
  const expectHas = (target: FakeTarget, piece: SetPiece, index: number): void => {
    const block = target.blocks.get(blockIdOf(piece.fileId, index))
    expect(block?.bytes.equals(expectedBlock(piece, index))).toBe(true)
    expect(block?.header).toMatchObject({ key: piece.key, etag: piece.etag, offset: index * piece.blockSizeBytes, namespaceId: 'n1' })
  }
  return { store, stores, jobMaster, master, targets, slots, bytes, runner, add, expectNothingLeft, expectHas }
}

const large = pieceOf(fileIdOf(1), 'large', 'v1', 5 * mib + 123, 2 * mib)
const smalls = Array.from({ length: 40 }, (_, index) => pieceOf(fileIdOf(100 + index), `small-${index}`, 'v1', 1 + index * 999, 2 * mib))

const byFirst = ([a]: readonly unknown[], [b]: readonly unknown[]): number => Number(a) - Number(b)

describe('TaskRunner', () => {
  test('reads every block once and writes it to both targets', async () => {
    const { runner, add, store, jobMaster, targets, expectHas, expectNothingLeft } = house()
    add([...smalls.slice(0, 20), large, ...smalls.slice(20)])
    await runner.run(taskOf(1), never)
    for (const target of [targets.a, targets.b]) {
      for (let index = 0; index < 3; index += 1) expectHas(target, large, index)
      for (const piece of smalls) expectHas(target, piece, 0)
    }
    const total = [large, ...smalls].reduce((sum, { length }) => sum + length, 0)
    expect(store.readBytes).toBe(total)
    expect(jobMaster.completed).toEqual([
      { jobWorkerId: 'jw', session: '', loadId: 'L1', set: 1, attempt: 1, failures: [], replacements: [], originBytes: total },
    ])
    expectNothingLeft()
  })

  test('only the blocks of its piece are read', async () => {
    const { runner, add, store, targets, expectHas } = house()
    add([{ ...large, firstBlock: 1, blockCount: 1 }])
    await runner.run(taskOf(1), never)
    expect(targets.a.blocks.size).toBe(1)
    expectHas(targets.a, large, 1)
    expect(store.readBytes).toBe(2 * mib)
  })

  test('a failing target is named for its blocks; the other one gets them all', async () => {
    for (const step of ['open', 'write', 'commit'] as const) {
      const { runner, add, jobMaster, targets, expectHas, expectNothingLeft } = house()
      add([large, ...smalls])
      targets.b.before = (at, header, offset) => {
        if (
          (at === step && offset > 0 === (step === 'write')) ||
          (at === 'commit' && step === 'commit') ||
          (at === 'put' && header.key === 'small-3')
        ) {
          throw new SkeinError('resource_exhausted', 'full', { reason: 'no_capacity' })
        }
      }
      await runner.run(taskOf(1), never)
      for (let index = 0; index < 3; index += 1) expectHas(targets.a, large, index)
      for (const piece of smalls) expectHas(targets.a, piece, 0)
      const failures = jobMaster.completed[0]!.failures
      expect(failures).toHaveLength(4)
      expect(
        failures.every(({ workerId, reason, code }) => workerId === 'b' && reason === 'no_capacity' && code === 'resource_exhausted'),
      ).toBe(true)
      expect(targets.b.blocks.size).toBe(smalls.length - 1)
      expectNothingLeft()
    }
  })

  test('when the last target fails the read stops', async () => {
    const { runner, add, store, jobMaster, targets, expectNothingLeft } = house()
    const one = pieceOf(fileIdOf(1), 'one', 'v1', 16 * mib, 16 * mib)
    add([one])
    for (const target of Object.values(targets)) {
      target.before = (at, _header, offset) => {
        if (at === 'write' && offset > mib) throw new SkeinError('unavailable', 'down')
      }
    }
    await runner.run(taskOf(1), never)
    expect(store.readBytes).toBeLessThan(4 * mib)
    expect(jobMaster.completed[0]!.failures.map(({ workerId, blockIndex }) => [workerId, blockIndex])).toEqual([
      ['a', 0],
      ['b', 0],
    ])
    expectNothingLeft()
  })

  test('a target that is down is asked a few times only, and with no target left nothing is read', async () => {
    const { runner, add, store, jobMaster, targets, expectNothingLeft } = house({ slots: 1 })
    add(smalls, ['a'])
    targets.a.before = () => {
      throw new SkeinError('unavailable', 'down')
    }
    await runner.run(taskOf(1), never)
    expect(jobMaster.completed[0]!.failures).toHaveLength(smalls.length)
    expect(targets.a.puts).toBeLessThan(8)
    expect(store.reads.length).toBeLessThan(8)
    expectNothingLeft()
  })

  test('one request that fails with many blocks in it does not give the target up', async () => {
    const { runner, add, jobMaster, targets, expectNothingLeft } = house()
    add(smalls, ['a'])
    const cut = new SkeinError('unavailable', 'cut')
    targets.a.before = (_step, { key }) => {
      if (Number(key.slice('small-'.length)) < 20) throw cut
    }
    await runner.run(taskOf(1), never)
    expect(jobMaster.completed[0]!.failures).toHaveLength(20)
    expect(targets.a.blocks.size).toBe(20)
    expectNothingLeft()
  })

  test('a read that fails or ends early fails its block only, and commits nothing of it', async () => {
    for (const kind of ['error', 'cut'] as const) {
      const { runner, add, store, jobMaster, targets, expectHas, expectNothingLeft } = house()
      add([large, ...smalls])
      store.beforeChunk = ({ key, offset }, at) => {
        const hit = (key === 'large' && offset >= 2 * mib && offset < 4 * mib && at > 3 * mib) || key === 'small-5'
        if (kind === 'error' && hit) throw new SkeinError('unavailable', 'cut')
      }
      store.cutBytes = (key) => (kind === 'cut' && key === 'small-5' ? 1 : 0)
      await runner.run(taskOf(1), never)
      const failures = jobMaster.completed[0]!.failures
      expect(failures.map(({ fileId, blockIndex, workerId }) => [fileId, blockIndex, workerId]).sort(byFirst)).toEqual(
        kind === 'error'
          ? [
              [large.fileId, 1, ''],
              [smalls[5]!.fileId, 0, ''],
            ].sort(byFirst)
          : [[smalls[5]!.fileId, 0, '']],
      )
      expect(failures.every(({ retryable }) => retryable)).toBe(true)
      expect(targets.a.blocks.has(blockIdOf(smalls[5]!.fileId, 0))).toBe(false)
      if (kind === 'error') expect(targets.a.blocks.has(blockIdOf(large.fileId, 1))).toBe(false)
      expectHas(targets.a, large, 0)
      expectHas(targets.a, large, 2)
      expectNothingLeft()
    }
  })

  test('a large block whose store ends every range early is data_loss, never committed', async () => {
    const { runner, add, store, jobMaster, targets, expectNothingLeft } = house()
    add([large])
    store.cutBytes = () => 1
    await runner.run(taskOf(1), never)
    expect(targets.a.blocks.size + targets.b.blocks.size).toBe(0)
    expect(jobMaster.completed[0]!.failures.map(({ code, workerId }) => [code, workerId])).toEqual(
      Array.from({ length: 3 }, () => ['data_loss', '']),
    )
    expectNothingLeft()
  })

  test('an object that changes in the middle is replaced once, and no block mixes versions', async () => {
    const { runner, add, store, jobMaster, master, targets, expectNothingLeft } = house()
    add([large, ...smalls])
    const newFileId = fileIdOf(2)
    master.answer = (key) => ({
      file: SyncedFile.fromPartial({ fileId: newFileId, key, length: 3 * mib, etag: 'v2', blockSizeBytes: 2 * mib }),
    })
    store.beforeChunk = ({ key }, at) => {
      if (key === 'large' && at === mib) store.put('large', 'v2', 3 * mib)
    }
    await runner.run(taskOf(1), never)
    expect(master.refreshed).toEqual(['large'])
    expect(jobMaster.completed[0]).toMatchObject({
      failures: [],
      replacements: [{ oldFileId: large.fileId, fileId: newFileId, key: 'large', etag: 'v2', length: 3 * mib, blockSizeBytes: 2 * mib }],
    })
    for (const target of [targets.a, targets.b]) {
      for (const [blockId, { bytes }] of target.blocks) {
        if (blockId < blockIdOf(large.fileId, 0) + 3 && blockId >= blockIdOf(large.fileId, 0)) {
          expect(bytes.equals(expectedBlock(large, blockId - blockIdOf(large.fileId, 0)))).toBe(true)
        }
      }
      expect(target.blocks.has(blockIdOf(large.fileId, 0))).toBe(false)
      expect(target.aborted).toBeGreaterThan(0)
    }
    expectNothingLeft()
  })

  test('a deleted object is a replacement by nothing; its other blocks are not tried', async () => {
    const { runner, add, store, jobMaster, master, expectNothingLeft } = house()
    add([large, ...smalls])
    store.objects.delete('large')
    store.objects.delete('small-7')
    await runner.run(taskOf(1), never)
    expect(master.refreshed.sort()).toEqual(['large', 'small-7'])
    expect(jobMaster.completed[0]!.failures).toEqual([])
    expect(jobMaster.completed[0]!.replacements.map(({ oldFileId, fileId }) => [oldFileId, fileId]).sort(byFirst)).toEqual(
      [
        [large.fileId, 0],
        [smalls[7]!.fileId, 0],
      ].sort(byFirst),
    )
    expectNothingLeft()
  })

  test('a change that the master does not see is a failure of every block of the file', async () => {
    const { runner, add, store, jobMaster, master, expectNothingLeft } = house()
    add([large])
    store.put('large', 'v2', 10)
    master.answer = (key) => ({ file: SyncedFile.fromPartial({ fileId: large.fileId, key, etag: 'v1' }) })
    await runner.run(taskOf(1), never)
    expect(master.refreshed).toHaveLength(1)
    expect(jobMaster.completed[0]!.replacements).toEqual([])
    expect(
      jobMaster.completed[0]!.failures.map(({ blockIndex, reason, retryable }) => [blockIndex, reason, retryable]).sort(byFirst),
    ).toEqual([
      [0, 'object_changed', true],
      [1, 'object_changed', true],
      [2, 'object_changed', true],
    ])
    expectNothingLeft()
  })

  test('secrets that were changed are fetched once more; a store that goes on refusing is reported', async () => {
    const { runner, add, store, stores, jobMaster, targets } = house()
    add([large, ...smalls])
    let refusing = true
    store.beforeChunk = ({ key }, at) => {
      if (stores.length > 1) refusing = false
      if (refusing && (key !== 'large' || at >= mib)) throw new SkeinError('unauthenticated', 'expired', { reason: 'expired_token' })
    }
    await runner.run(taskOf(1), never)
    expect(stores).toHaveLength(2)
    expect(jobMaster.completed[0]!.failures).toEqual([])
    expect(targets.a.blocks.size).toBe(smalls.length + 3)

    store.beforeChunk = () => {
      throw new SkeinError('permission_denied', 'no')
    }
    jobMaster.sets.set(2, { pieces: [{ ...smalls[0]!, fileId: fileIdOf(900) }], targets: ['a'] })
    await runner.run(taskOf(2), never)
    expect(jobMaster.completed[1]!.failures.map(({ code, retryable }) => [code, retryable])).toEqual([['permission_denied', false]])
    expect(stores).toHaveLength(2)
  })

  test('secrets that expire in the middle of a large block: the block goes on where it was', async () => {
    const { runner, add, store, stores, jobMaster, targets, expectHas, expectNothingLeft } = house()
    add([large])
    store.beforeChunk = (_request, at) => {
      if (stores.length === 1 && at >= mib && at < 2 * mib) throw new SkeinError('unauthenticated', 'expired', { reason: 'expired_token' })
    }
    await runner.run(taskOf(1), never)
    expect(jobMaster.completed[0]!.failures).toEqual([])
    for (let index = 0; index < 3; index += 1) expectHas(targets.b, large, index)
    expect(targets.b.opens).toBe(3)
    expectNothingLeft()
  })

  test('a task that comes twice, at once or later, is harmless', async () => {
    const { runner, add, jobMaster, targets, expectHas, expectNothingLeft } = house()
    add([large, ...smalls])
    await Promise.all([runner.run(taskOf(1), never), runner.run(taskOf(1), never)])
    expect(jobMaster.completed).toHaveLength(1)
    await runner.run(taskOf(1, 2), never)
    expect(jobMaster.completed.map(({ attempt, failures }) => [attempt, failures.length])).toEqual([
      [1, 0],
      [2, 0],
    ])
    for (let index = 0; index < 3; index += 1) expectHas(targets.a, large, index)
    expectNothingLeft()
  })

  test('a later attempt waits for the earlier one on the same job worker, so nothing is read twice', async () => {
    const { runner, add, store, jobMaster, targets, expectNothingLeft } = house()
    add([large])
    const first = runner.run(taskOf(1, 1), never)
    const second = runner.run(taskOf(1, 2), never)
    expect(runner.running().map(({ attempt }) => attempt)).toEqual([1, 2])
    await Promise.all([first, second])
    expect(store.readBytes).toBe(large.length)
    expect(targets.a.blocks.size).toBe(3)
    expect(jobMaster.completed.map(({ attempt, failures }) => [attempt, failures.length])).toEqual([
      [1, 0],
      [2, 0],
    ])
    expectNothingLeft()
  })

  test('an obsolete task reads nothing and reports nothing', async () => {
    const { runner, jobMaster, store } = house()
    await runner.run(taskOf(77), never)
    expect([jobMaster.starts.length, jobMaster.completed.length, store.reads.length]).toEqual([1, 0, 0])
  })

  test('a cancel at any moment leaves nothing open and reports nothing', async () => {
    for (const at of [0, 1, 3, 8, 20, 60]) {
      const { runner, add, store, jobMaster, expectNothingLeft } = house({ bytes: mib, slots: 2 })
      add([...smalls, large])
      let chunks = 0
      store.beforeChunk = async () => {
        chunks += 1
        const mine = chunks
        // Even ones at once, odd ones while the loop waits for a budget.
        if (mine === at && at % 2 === 0) runner.cancelLoads(['L1'])
        await settle()
        if (mine === at) runner.cancelLoads(['L1'])
      }
      const running = runner.run(taskOf(1), never)
      if (at === 0) runner.cancelLoads(['L1'])
      await running
      expect(jobMaster.completed).toEqual([])
      expectNothingLeft()
    }
  })

  test('a cancel while a target is stuck in open or write ends when the target lets go', async () => {
    for (const step of ['open', 'write'] as const) {
      const { runner, add, targets, jobMaster, expectNothingLeft } = house()
      add([large])
      let release: () => void = () => undefined
      const held = new Promise<void>((resolve) => (release = resolve))
      targets.a.before = (at) => (at === step ? held : undefined)
      const running = runner.run(taskOf(1), never)
      for (let turn = 0; turn < 20; turn += 1) await settle()
      runner.cancelLoads(['L1'])
      release()
      await running
      expect(jobMaster.completed).toEqual([])
      expectNothingLeft()
    }
  })

  test('the shared budgets bound what is read and held, whatever runs', async () => {
    const { runner, add, jobMaster, slots, bytes, targets } = house({ slots: 3, bytes: 300 * 1024 })
    add([large, ...smalls])
    await runner.run(taskOf(1), never)
    expect(jobMaster.completed[0]!.failures).toEqual([])
    expect(targets.b.blocks.size).toBe(smalls.length + 3)
    expect(slots.peak).toBe(3)
    expect(bytes.peak).toBeLessThanOrEqual(300 * 1024)
  })
})
