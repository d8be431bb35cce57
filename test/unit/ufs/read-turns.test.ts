// One turn takes in what its budget allows, and what was held back goes on in the next one.
import { expect, test } from 'vitest'
import { ReadTurns } from '../../../src/ufs/read-turns.ts'

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('reads become small once the budget is spent, and whole again in the next turn', async () => {
  const turns = new ReadTurns(1_000_000)
  expect(turns.readBytesMax).toBe(1_000_000)
  expect(turns.spend(999_999)).toBe(true)
  expect(turns.readBytesMax).toBe(64 * 1024)
  expect(turns.spend(1)).toBe(false)
  let wentOn = 0
  turns.next(() => (wentOn += 1))
  turns.next(() => (wentOn += 1))
  expect(wentOn).toBe(0)
  await nextTurn()
  expect(wentOn).toBe(2)
  expect(turns.readBytesMax).toBe(1_000_000)
})

test('without a budget nothing is held back', () => {
  const turns = new ReadTurns()
  expect(turns.spend(Number.MAX_SAFE_INTEGER)).toBe(true)
  expect(turns.readBytesMax).toBe(Number.POSITIVE_INFINITY)
})
