// Why: what a job worker reads must keep to what it is allowed, and one read that hangs must not
// hold the report of its set.
import { describe, expect, test } from 'vitest'
import { DemandGauge } from '../../../src/base/flow/demand-gauge.ts'
import { ReadPacer } from '../../../src/job-worker/pace/read-pacer.ts'
import { Stragglers } from '../../../src/job-worker/pace/slow-reads.ts'
import { VirtualClock } from '../../model/support/load-doubles.ts'
import { never } from './support/fakes.ts'

const mib = 1024 ** 2

function paced(): { clock: VirtualClock; demand: DemandGauge; pacer: ReadPacer } {
  const clock = new VirtualClock()
  const demand = new DemandGauge()
  return { clock, demand, pacer: new ReadPacer(clock, demand) }
}

describe('the pace of reads', () => {
  test('is free until something is limited, and again when it no longer is', async () => {
    const { pacer } = paced()
    const pace = pacer.open('L1', 'n1')
    expect([pace.tryTake(1e12), pace.ownStreams(false), pace.rangeBytes(4 * mib), pacer.limited]).toEqual([
      true,
      undefined,
      4 * mib,
      false,
    ])
    expect(pace.ownStreams(true)).toBeDefined()
    pacer.apply({ allowances: [{ loadId: 'L1', bytesPerSecond: mib }], pauses: [] })
    expect(pace.tryTake(mib)).toBe(true)
    expect([pace.tryTake(1), pacer.limited, pace.rangeBytes(4 * mib)]).toEqual([false, true, mib / 2])
    expect(pace.ownStreams(false)).toBeDefined()
    pacer.apply(undefined)
    expect([pace.tryTake(1e12), pacer.limited]).toEqual([true, false])
  })

  test('is one for all sets of a load, and each load has its own', async () => {
    const { clock, pacer } = paced()
    const [a, b, other] = [pacer.open('L1', 'n', 1000), pacer.open('L1', 'n', 1000), pacer.open('L2', 'n', 1000)]
    expect(a.tryTake(2000)).toBe(true)
    expect([b.tryTake(1), other.tryTake(2000)]).toEqual([false, true])
    await clock.advance(2001)
    expect(b.tryTake(1)).toBe(true)
  })

  test('holds the reads of a namespace for as long as its store is paused', async () => {
    const { clock, pacer } = paced()
    const [held, free] = [pacer.open('L1', 'n1'), pacer.open('L2', 'n2')]
    pacer.apply({ allowances: [], pauses: [{ namespaceId: 'n1', pauseMs: 3000 }] })
    let taken = false
    void held.take(1, never).then(() => (taken = true))
    expect([held.tryTake(1), free.tryTake(1)]).toEqual([false, true])
    await clock.advance(2900)
    expect(taken).toBe(false)
    await clock.advance(200)
    expect(taken).toBe(true)
  })

  test('lets a reader on demand go first, and goes on in spite of demand without end', async () => {
    const { clock, demand, pacer } = paced()
    const pace = pacer.open('L1', 'n1')
    expect(pace.standAside(never)).toBeUndefined()
    const reader = demand.begin('n9')
    expect(pace.tryTake(1)).toBe(false)
    let passed = 0
    void pace.standAside(never)?.then(() => (passed += 1))
    await clock.advance(100)
    expect(passed).toBe(0)
    reader.end()
    await clock.advance(1)
    expect(passed).toBe(1)
    demand.begin('n9')
    void pace.take(1, never).then(() => (passed += 1))
    await clock.advance(500)
    expect(passed).toBe(2)
  })
})

describe('stragglers', () => {
  function watched(more: { crowded?: boolean } = {}): {
    clock: VirtualClock
    stragglers: Stragglers
    left: { count: number }
  } {
    const clock = new VirtualClock()
    const left = { count: 0 }
    const stragglers = new Stragglers(
      clock,
      () => left.count,
      () => more.crowded === true,
    )
    return { clock, stragglers, left }
  }

  test('the last reads of a set are cut when nothing has come for a while', async () => {
    const { clock, stragglers, left } = watched()
    const done = stragglers.begin()
    stragglers.begin()
    left.count = 1
    await clock.advance(100)
    done(true)
    stragglers.watch()
    await clock.advance(2500)
    expect(stragglers.isCut).toBe(false)
    await clock.advance(2000)
    expect(stragglers.isCut).toBe(true)
    expect(stragglers.error('k')).toMatchObject({ code: 'deadline_exceeded', reason: 'straggler', retryable: true })
  })

  test('not while bytes come, nor while a block is being written or waits for others', async () => {
    const cases = [
      { bytesCome: true, crowded: false, blocksLeft: 1 },
      { bytesCome: false, crowded: true, blocksLeft: 1 },
      // One block more than is being read: it is on its way to its targets.
      { bytesCome: false, crowded: false, blocksLeft: 2 },
      { bytesCome: false, crowded: false, blocksLeft: 1 },
    ]
    const cuts: boolean[] = []
    for (const { bytesCome, crowded, blocksLeft } of cases) {
      const { clock, stragglers, left } = watched({ crowded })
      stragglers.begin()(true)
      stragglers.begin()
      left.count = blocksLeft
      stragglers.watch()
      for (let step = 0; step < 20; step += 1) {
        if (bytesCome) stragglers.moved()
        await clock.advance(1000)
      }
      cuts.push(stragglers.isCut)
      stragglers.stop()
    }
    expect(cuts).toEqual([false, false, false, true])
  })

  test('not in a set of which nothing came: its own time-outs end it', async () => {
    const { clock, stragglers, left } = watched()
    stragglers.begin()
    stragglers.begin()(false)
    left.count = 1
    stragglers.watch()
    await clock.advance(120_000)
    expect(stragglers.isCut).toBe(false)
  })

  test('a store that is slow for all is given its time', async () => {
    const { clock, stragglers, left } = watched()
    const slow = stragglers.begin()
    stragglers.begin()
    await clock.advance(5000)
    slow(true)
    left.count = 1
    stragglers.watch()
    await clock.advance(15_000)
    expect(stragglers.isCut).toBe(false)
    await clock.advance(10_000)
    expect(stragglers.isCut).toBe(true)
  })
})
