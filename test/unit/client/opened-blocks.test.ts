// Block files that stay open for a while: each opened once, and closed once, whoever reads.
import { beforeEach, describe, expect, test } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { OpenedBlocks } from '../../../src/client/read/opened-blocks.ts'
import { ManualClock } from './support/manual-clock.ts'

const never = new AbortController().signal
let clock: ManualClock
let blocks: OpenedBlocks
let log: string[]

beforeEach(() => {
  clock = new ManualClock()
  blocks = new OpenedBlocks({ clock, blocksMax: 2, keepMs: 100 })
  log = []
})

const opening = (key: string) => async () => {
  log.push(`open ${key}`)
  return {
    read: async () => new Uint8Array(),
    readInto: async () => undefined,
    close: async () => void log.push(`close ${key}`),
  }
}
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve()
}
async function use(key: string, isBroken = false): Promise<void> {
  const lent = await blocks.lend(key, opening(key), never)
  lent?.giveBack(isBroken)
  await settled()
}

describe('OpenedBlocks', () => {
  test('are opened once for reads at the same time and soon after', async () => {
    const both = await Promise.all(['a', 'a'].map((key) => blocks.lend(key, opening(key), never)))
    expect(both.map((lent) => lent?.wasOpen)).toEqual([false, true])
    for (const lent of both) lent?.giveBack(false)
    await use('a')
    expect([log, blocks.has('a')]).toEqual([['open a'], true])
  })

  test('are closed after a time, also while they are used all the time, but not under a read', async () => {
    await use('a')
    clock.passMs(60)
    const lent = await blocks.lend('a', opening('a'), never)
    clock.passMs(60)
    await settled()
    expect([log, blocks.has('a')]).toEqual([['open a'], false])
    await use('a')
    expect(log).toEqual(['open a', 'open a'])
    lent?.giveBack(false)
    lent?.giveBack(false)
    await settled()
    expect(log).toEqual(['open a', 'open a', 'close a'])
    clock.passMs(100)
    await settled()
    expect([log.at(-1), log.length, clock.waiting]).toEqual(['close a', 4, 0])
  })

  test('are closed when there are too many, the least recently used first', async () => {
    for (const key of ['a', 'b', 'a', 'c']) await use(key)
    expect(log).toEqual(['open a', 'open b', 'open c', 'close b'])
  })

  test('a broken one is not lent again', async () => {
    await use('a', true)
    expect([log, blocks.has('a')]).toEqual([['open a', 'close a'], false])
  })

  test('nothing is kept of a block that cannot be opened', async () => {
    expect(await blocks.lend('a', async () => undefined, never)).toBeUndefined()
    const failing = (): Promise<never> => Promise.reject(new SkeinError('unavailable', 'down'))
    await expect(blocks.lend('b', failing, never)).rejects.toMatchObject({ code: 'unavailable' })
    expect([blocks.has('a'), blocks.has('b')]).toEqual([false, false])
  })

  test('who stops waiting leaves the block to the others', async () => {
    const controller = new AbortController()
    const opened = Promise.withResolvers<void>()
    const slow = async () => {
      await opened.promise
      return opening('a')()
    }
    const first = blocks.lend('a', slow, controller.signal)
    const second = blocks.lend('a', slow, never)
    controller.abort(new SkeinError('cancelled', 'stopped'))
    await expect(first).rejects.toMatchObject({ code: 'cancelled' })
    opened.resolve()
    const lent = await second
    expect([lent?.wasOpen, log]).toEqual([true, ['open a']])
    lent?.giveBack(false)
    blocks.close()
    await settled()
    expect(log).toEqual(['open a', 'close a'])
  })

  test('close leaves none open', async () => {
    await use('a')
    const lent = await blocks.lend('b', opening('b'), never)
    blocks.close()
    await settled()
    expect(log).toEqual(['open a', 'open b', 'close a'])
    lent?.giveBack(false)
    await settled()
    expect([log.at(-1), clock.waiting]).toEqual(['close b', 0])
  })
})
