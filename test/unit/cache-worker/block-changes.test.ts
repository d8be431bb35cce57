// Why: the master's picture is right only if the last word about each block is what it hears last.
import { expect, test } from 'vitest'
import { BlockChanges } from '../../../src/cache-worker/blocks/block-changes.ts'
import { headerOf, never } from '../../conformance/support/block-store-fixture.ts'

test('nothing is kept before a session and after it', () => {
  const changes = new BlockChanges()
  changes.added(headerOf(1, 1))
  changes.giveBack({ added: [2], removed: [3], durable: [], number: 1 })
  expect(changes.waiting).toBe(0)
  changes.restart()
  changes.added(headerOf(1, 1))
  expect(changes.waiting).toBe(1)
  changes.stop()
  changes.removed(1)
  expect(changes.waiting).toBe(0)
})

test('the last word about a block is the one that is told, in batches', () => {
  const changes = new BlockChanges()
  changes.restart()
  for (const id of [1, 2, 3]) changes.added(headerOf(id, 1))
  changes.removed(2)
  expect(changes.take(2)).toMatchObject({ added: [1], removed: [2], durable: [], number: 1 })
  expect(changes.take(2)).toMatchObject({ added: [3], removed: [], durable: [], number: 2 })
  expect(changes.take(2)).toMatchObject({ added: [], removed: [], durable: [] })
})

test('a batch that is given back does not undo what was said meanwhile', () => {
  const changes = new BlockChanges()
  changes.restart()
  for (const id of [1, 2]) changes.added(headerOf(id, 1))
  changes.removed(3)
  const batch = changes.take(10)
  changes.removed(1)
  changes.added(headerOf(3, 1))
  changes.giveBack(batch)
  expect(changes.take(10)).toMatchObject({ added: [3, 2], removed: [1], durable: [] })
})

test('which of the blocks are durable is told with them, also when a batch comes back', () => {
  const changes = new BlockChanges()
  changes.restart()
  changes.added({ ...headerOf(1, 1), durable: true })
  changes.added(headerOf(2, 1))
  changes.added({ ...headerOf(3, 1), durable: true })
  const batch = changes.take(10)
  expect(batch).toMatchObject({ added: [1, 2, 3], removed: [], durable: [1, 3] })
  changes.removed(3)
  changes.giveBack(batch)
  expect(changes.take(10)).toMatchObject({ added: [1, 2], removed: [3], durable: [1] })
})

test('that a block is here, said again, does not make it less durable', () => {
  const changes = new BlockChanges()
  changes.restart()
  changes.added({ blockId: 1, length: 1, durable: true })
  changes.addedAgain(1)
  changes.addedAgain(2)
  expect(changes.take(10)).toMatchObject({ added: [1, 2], removed: [], durable: [1] })
  // Also while the first word is on its way, and comes back.
  changes.added({ blockId: 3, length: 1, durable: true })
  const batch = changes.take(10)
  changes.addedAgain(3)
  changes.giveBack(batch)
  expect(changes.take(10)).toMatchObject({ added: [3], removed: [], durable: [3] })
})

test('a waiter wakes at a change and at an abort', async () => {
  const changes = new BlockChanges()
  changes.restart()
  const woken = changes.untilAny(never)
  changes.removed(1)
  await woken
  await changes.untilAny(never)
  changes.take(1)
  const stop = new AbortController()
  const aborted = changes.untilAny(stop.signal)
  stop.abort()
  await aborted
  await changes.untilAny(stop.signal)
})
