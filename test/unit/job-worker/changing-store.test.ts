// Objects that change or go while they are loaded, and secrets that change: nothing mixed, nothing
// lost, asked once.
import { describe, expect, test } from 'vitest'
import { blockIdOf, fileIdOf } from '../../../src/base/block-id.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { SyncedFile } from '../../../src/wire/generated/master.ts'
import { expectedBlock, mib, never, taskOf } from './support/fakes.ts'
import { byFirst, house, large, smalls } from './support/house.ts'

describe('a store that changes during a task', () => {
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
      replacements: [
        {
          oldFileId: large.fileId,
          fileId: newFileId,
          key: 'large',
          etag: 'v2',
          length: 3 * mib,
          blockSizeBytes: 2 * mib,
        },
      ],
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
    expect(
      jobMaster.completed[0]!.replacements.map(({ oldFileId, fileId }) => [oldFileId, fileId]).sort(byFirst),
    ).toEqual(
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
      jobMaster.completed[0]!.failures.map(({ blockIndex, reason, retryable }) => [blockIndex, reason, retryable]).sort(
        byFirst,
      ),
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
      if (refusing && (key !== 'large' || at >= mib))
        throw new SkeinError('unauthenticated', 'expired', { reason: 'expired_token' })
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
    expect(jobMaster.completed[1]!.failures.map(({ code, retryable }) => [code, retryable])).toEqual([
      ['permission_denied', false],
    ])
    expect(stores).toHaveLength(2)
  })

  test('secrets that expire in the middle of a large block: the block goes on where it was', async () => {
    const { runner, add, store, stores, jobMaster, targets, expectHas, expectNothingLeft } = house()
    add([large])
    store.beforeChunk = (_request, at) => {
      if (stores.length === 1 && at >= mib && at < 2 * mib)
        throw new SkeinError('unauthenticated', 'expired', { reason: 'expired_token' })
    }
    await runner.run(taskOf(1), never)
    expect(jobMaster.completed[0]!.failures).toEqual([])
    for (let index = 0; index < 3; index += 1) expectHas(targets.b, large, index)
    expect(targets.b.opens).toBe(3)
    expectNothingLeft()
  })
})
