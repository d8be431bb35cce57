// Why: what the master named must be done, whatever else is going on; also when it comes just as
// the work ends.
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { BlockChores } from '../../../src/cache-worker/blocks/block-chores.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'

test('each id is done once, a few at a time, and a failure stops nothing', async () => {
  const done: number[] = []
  let [now, most] = [0, 0]
  const act = async (blockId: number): Promise<void> => {
    most = Math.max(most, (now += 1))
    await setImmediate()
    now -= 1
    if (blockId === 3) throw new Error('no')
    done.push(blockId)
  }
  const chores = new BlockChores({ what: 'freed', act }, silentLogger)
  const ids = Array.from({ length: 30 }, (_, id) => id)
  chores.add(ids)
  chores.add(ids)
  await chores.idle()
  expect(done.toSorted((a, b) => a - b)).toEqual(ids.filter((id) => id !== 3))
  expect(most).toBe(8)
})

test('an id that comes at the very moment that the work ends is done', async () => {
  for (let moment = 0; moment < 20; moment += 1) {
    const done: number[] = []
    const chores = new BlockChores({ what: 'freed', act: (id) => Promise.resolve(done.push(id)) }, silentLogger)
    chores.add([1])
    for (let step = 0; step < moment; step += 1) await Promise.resolve()
    chores.add([2])
    await chores.idle()
    await setImmediate()
    expect(done, `added ${moment} steps later`).toEqual([1, 2])
  }
})
