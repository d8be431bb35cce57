// Why: how much of a file is in memory is told by reports, so a block that changes its medium must
// be told of.
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { openTiers } from '../../../src/block/assembly/open-tiers.ts'
import { bytesOf, headerOf, storeDependencies, temporaryFolder } from '../../conformance/support/block-store-fixture.ts'

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

test('a block that goes out of memory, or into it, is told, and one that stays in the same medium is not', async () => {
  const folder = await temporaryFolder()
  cleanups.push(folder.remove)
  const deps = storeDependencies()
  const moved: number[] = []
  const tiers = ['MEM', 'SSD', 'HDD'].map((mediumType, level) => [
    { path: join(folder.path, `tier-${level}`), tier: mediumType, mediumType, quotaBytes: 100 },
  ])
  const events = Object.assign(Object.create(deps.events) as typeof deps.events, {
    moved: (blockId: number) => void moved.push(blockId),
  })
  const store = await openTiers({ tiers, workerId: 'worker-1', annotator: { kind: 'LRU' }, ...deps, events })
  cleanups.push(() => store.close())
  for (const id of [1, 2, 3]) await store.put(headerOf(id, 100), bytesOf(100, id))
  expect([1, 2, 3, 4].map((id) => store.isInMemory(id))).toEqual([false, false, true, false])
  expect(moved).toEqual([1, 2])
})
