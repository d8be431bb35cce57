// One task from its name to its report: one read for all targets, failures named where they belong,
// nothing left open.
import { describe, expect, test } from 'vitest'
import { blockIdOf, fileIdOf } from '../../../src/base/block-id.ts'
import { SetOutcome } from '../../../src/job-worker/set/set-outcome.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { mib, never, pieceOf, settle, taskOf } from './support/fakes.ts'
import { byFirst, house, large, smalls } from './support/house.ts'

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
      {
        jobWorkerId: 'jw',
        session: '',
        loadId: 'L1',
        set: 1,
        attempt: 1,
        failures: [],
        replacements: [],
        originBytes: total,
      },
    ])
    expectNothingLeft()
  })

  test('what is stored with objects is reported once a file, and nothing where there is none', async () => {
    const { runner, add, store, jobMaster } = house()
    add([large, ...smalls, { ...pieceOf(fileIdOf(9), 'later', 'v1', 5 * mib, 2 * mib), firstBlock: 1, blockCount: 1 }])
    const userMetadata = { project: 'x' }
    store.describe('large', { contentType: 'text/html' })
    store.describe('small-3', { contentType: 'text/plain', userMetadata })
    store.describe('small-5', { userMetadata: { much: 'v'.repeat(2000) } })
    store.describe('later', { contentType: 'text/html' })
    await runner.run(taskOf(1), never)
    const files = jobMaster.completed[0]?.metadata?.files ?? []
    expect(files.toSorted((a, b) => a.fileId - b.fileId)).toEqual([
      { fileId: large.fileId, contentType: 'text/html' },
      { fileId: smalls[3]!.fileId, contentType: 'text/plain', userMetadata: { values: userMetadata } },
      { fileId: smalls[5]!.fileId, userMetadata: { values: { much: 'v'.repeat(2000) } } },
    ])
  })

  test('a report of very much metadata ends somewhere', () => {
    const outcome = new SetOutcome()
    for (let id = 0; id < 5000; id += 1) outcome.described(id, { userMetadata: { much: 'v'.repeat(2000) } })
    expect(outcome.metadata?.files.length).toBe(Math.floor((4 * mib) / 2004))
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
        failures.every(
          ({ workerId, reason, code }) => workerId === 'b' && reason === 'no_capacity' && code === 'resource_exhausted',
        ),
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
