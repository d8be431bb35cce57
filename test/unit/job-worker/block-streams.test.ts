// Why: a few streams serve the large blocks of all loads. A load that its store slows down must not
// keep them from the other loads.
import { expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { Budget } from '../../../src/base/flow/budget.ts'
import { DemandGauge } from '../../../src/base/flow/demand-gauge.ts'
import { BlockStreams, type CopyInStream } from '../../../src/job-worker/set/block-streams.ts'
import { ReadPacer } from '../../../src/job-worker/pace/read-pacer.ts'
import type { StoreLease } from '../../../src/ufs/store-cache.ts'
import type { UnderFileSystem } from '../../../src/ufs/under-file-system.ts'
import { never } from './support/fakes.ts'

function setUp(streams = 2) {
  const shared = new Budget('streams', streams)
  const gate = { isSlow: false, closed: false, wait: () => Promise.resolve() }
  const lease: StoreLease = {
    store: { gate } as unknown as UnderFileSystem,
    renew: () => Promise.resolve(false),
    release: () => Promise.resolve(),
  }
  const pacer = new ReadPacer(systemClock, new DemandGauge())
  const pace = pacer.open('L1', 'n1')
  const open = (signal = never): BlockStreams => new BlockStreams({ streams: shared, pace, lease, signal })
  return { shared, gate, pace, open, own: () => pace.ownStreams(true)?.used }
}

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

it('copies in a shared stream, and no more of them at once than there are', async () => {
  const { shared, open } = setUp()
  const streams = open()
  let most = 0
  const copy: CopyInStream = async () => {
    most = Math.max(most, shared.used)
    await tick()
  }
  await Promise.all(Array.from({ length: 6 }, () => streams.run(copy)))
  expect([most, shared.used]).toEqual([2, 0])
})

it('leaves the shared streams while it waits for the store, and what comes then runs apart', async () => {
  const { shared, gate, open, own } = setUp()
  const slow = open()
  const opened = Promise.withResolvers<void>()
  const waits: CopyInStream = async (lend) => {
    await tick()
    gate.isSlow = true
    await lend(() => opened.promise)
  }
  const waiting = Array.from({ length: 5 }, () => slow.run(waits))
  await expect.poll(() => [shared.used, own()]).toEqual([0, 3])
  opened.resolve()
  await Promise.all(waiting)
  expect([shared.used, own()]).toEqual([0, 0])
})

it('returns to the shared streams when its store is well again', async () => {
  const { shared, gate, open, own } = setUp(16)
  gate.isSlow = true
  const first = Promise.withResolvers<void>()
  const streams = open()
  const copies = Array.from({ length: 4 }, () => streams.run(() => first.promise))
  let mostShared = 0
  for (let index = 0; index < 40; index += 1)
    copies.push(
      streams.run(async () => {
        mostShared = Math.max(mostShared, shared.used)
        await tick()
      }),
    )
  await expect.poll(own).toBe(4)
  gate.isSlow = false
  first.resolve()
  await Promise.all(copies)
  expect([mostShared > 8, shared.used, own()]).toEqual([true, 0, 0])
})

it('leaves the shared streams with a few blocks only where the store fails without a word', async () => {
  const { shared, open, own } = setUp(2)
  const streams = open()
  const end = Promise.withResolvers<void>()
  let begun = 0
  const fails: CopyInStream = async (lend) => {
    begun += 1
    await tick()
    await lend(() => end.promise)
  }
  const copies = Array.from({ length: 50 }, () => streams.run(fails))
  await expect.poll(() => [shared.used, own()]).toEqual([0, 4])
  expect(begun).toBeLessThanOrEqual(10)
  end.resolve()
  await Promise.all(copies)
  expect([begun, shared.used, own()]).toEqual([50, 0, 0])
})

it('begins nothing after an abort, in shared streams and in its own', async () => {
  const { shared, gate, open, pace } = setUp()
  for (const [isSlow, budget] of [
    [false, shared],
    [true, pace.ownStreams(true)],
  ] as const) {
    gate.isSlow = isSlow
    const held = []
    for (let share = budget?.tryAcquire(1); share !== undefined; share = budget?.tryAcquire(1)) held.push(share)
    const stop = new AbortController()
    let copied = false
    const waiting = open(stop.signal).run(async () => void (copied = true))
    stop.abort()
    await waiting
    for (const share of held) share.release()
    expect([copied, budget?.used, budget?.waiting]).toEqual([false, 0, 0])
  }
})
