// Why: a few streams serve the large blocks of all loads; a load that its store holds back must not
// keep them from the others.
import { expect, it } from 'vitest'
import { Budget } from '../../../src/base/flow/budget.ts'
import { BlockStreams, type CopyInStream } from '../../../src/job-worker/set/block-streams.ts'
import type { StoreLease } from '../../../src/ufs/store-cache.ts'
import type { UnderFileSystem } from '../../../src/ufs/under-file-system.ts'
import { never } from './support/fakes.ts'

function setUp() {
  const shared = new Budget('streams', 2)
  const gate = { isSlow: false, closed: false, wait: () => Promise.resolve() }
  const lease: StoreLease = {
    store: { gate } as unknown as UnderFileSystem,
    renew: () => Promise.resolve(false),
    release: () => Promise.resolve(),
  }
  let own = 0
  const pace = {
    runStream: (isSlow: boolean) => {
      if (!isSlow) return undefined
      return async (copy: () => Promise<void>) => {
        own += 1
        await copy()
      }
    },
  }
  const open = (signal = never): BlockStreams => new BlockStreams({ streams: shared, pace, lease, signal })
  return { shared, gate, open, own: () => own }
}

it('copies in a shared stream, and no more of them at once than there are', async () => {
  const { shared, open, own } = setUp()
  const streams = open()
  let most = 0
  await Promise.all(
    Array.from({ length: 6 }, () =>
      streams.run(async () => {
        most = Math.max(most, shared.used)
        await new Promise((resolve) => setImmediate(resolve))
      }),
    ),
  )
  expect([most, shared.used, own()]).toEqual([2, 0, 0])
})

it('leaves the shared streams while it waits for the store, and what comes then runs apart', async () => {
  const { shared, gate, open, own } = setUp()
  const [slow, other] = [open(), open()]
  const opened = Promise.withResolvers<void>()
  const waits: CopyInStream = async (lend) => {
    await new Promise((resolve) => setImmediate(resolve))
    gate.isSlow = true
    await lend(() => opened.promise)
  }
  const waiting = [slow.run(waits), slow.run(waits), slow.run(waits), slow.run(waits)]
  await expect.poll(() => [shared.used, own()]).toEqual([0, 2])
  gate.isSlow = false
  let copied = false
  await other.run(async () => void (copied = true))
  expect(copied).toBe(true)
  opened.resolve()
  await Promise.all(waiting)
  expect(shared.used).toBe(0)
})

it('begins nothing after an abort', async () => {
  const { shared, open } = setUp()
  const stop = new AbortController()
  const held = [await shared.acquire(1, never), await shared.acquire(1, never)]
  let copied = false
  const waiting = open(stop.signal).run(async () => void (copied = true))
  stop.abort()
  await waiting
  for (const share of held) share.release()
  expect([copied, shared.used, shared.waiting]).toEqual([false, 0, 0])
})
