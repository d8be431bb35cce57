// The shell of the controller: what it looks at, what it applies, and what it tells.
import { describe, expect, it } from 'vitest'
import { Budget } from '../../../src/base/flow/budget.ts'
import { LoadTuner } from '../../../src/job-worker/tune/load-tuner.ts'
import type { Logger } from '../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'
import type { StoreLease } from '../../../src/ufs/store-cache.ts'
import { ManualClock } from '../client/support/manual-clock.ts'

const mib = 1024 ** 2
const limits = { readsMax: 64, smallReadsMax: 200, rangeBytesMax: 16 * mib, tasksMax: 100, streamsMax: 40 }

/** A store that gives 10 answers in a tenth of a second for each read that is allowed. */
function house(readAhead?: { rangeBytes: number; rangesAhead: number; isRangeGiven?: boolean }) {
  const clock = new ManualClock()
  const budgets = {
    slots: new Budget('slots', 8),
    smallSlots: new Budget('small', 64),
    bytes: new Budget('bytes', 128 * mib),
    streams: new Budget('streams', 10),
  }
  const told = { tasks: [] as number[], lines: [] as string[] }
  const metrics = new MetricRegistry()
  const process = { demand: false, paused: false, limited: false, busyMs: 0 }
  const logger: Pick<Logger, 'info'> = { info: (message) => void told.lines.push(message) }
  const tuner = new LoadTuner({
    begin: { reads: 8, smallReadsPerSlot: 8, rangeBytes: 4 * mib, tasks: 16, streams: 10 },
    limits,
    budgets,
    demand: {
      get active() {
        return process.demand
      },
    },
    pacer: {
      get limited() {
        return process.limited
      },
      isPaused: () => process.paused,
    },
    busyMs: () => process.busyMs,
    tasksRunning: () => 1000,
    onTasks: (tasks) => told.tasks.push(tasks),
    clock,
    logger,
    metrics,
  })
  const store = (name: string) => {
    const counts = { readBytes: 0, readRequests: 0, answers: 0, logMsSum: 0, slowDowns: 0 }
    const fake = {
      readAhead,
      gate: { closed: false },
      get slowDowns() {
        return counts.slowDowns
      },
      get counters() {
        return { ...counts, firstBytes: { answers: counts.answers, logMsSum: counts.logMsSum } }
      },
    }
    const lease = { store: fake } as unknown as StoreLease
    const reads = tuner.open(name, lease)
    /** As when the definition of the namespace changes: only these begin again. */
    const timeAnew = (): void => void Object.assign(counts, { answers: 0, logMsSum: 0 })
    const tick = (allowed: number, refused = 0): void => {
      counts.answers += 10 * allowed
      counts.readRequests += 10 * allowed + refused
      counts.readBytes += 10 * allowed * 4 * mib
      counts.logMsSum += 10 * allowed * Math.log(20)
      counts.slowDowns += refused
    }
    return { reads, tick, timeAnew, fake, lease }
  }
  const readsOf = (name: string): number =>
    tuner.report().stores.find(({ namespaceId }) => namespaceId === name)?.reads ?? 0
  return { clock, budgets, told, metrics, process, tuner, store, readsOf }
}

describe('LoadTuner', () => {
  it('grows the reads of a store up to the limits, and everything that follows from them', () => {
    const { clock, budgets, told, metrics, tuner, store, readsOf } = house()
    const { tick } = store('ns')
    for (let look = 0; look < 200; look += 1) {
      tick(readsOf('ns'))
      clock.passMs(100)
    }
    expect(readsOf('ns')).toBe(64)
    expect([budgets.slots.capacity, budgets.smallSlots.capacity, budgets.streams.capacity]).toEqual([64, 200, 40])
    expect([tuner.tasks, told.tasks.at(-1)]).toEqual([100, 100])
    // The memory is not raised by anything.
    expect(budgets.bytes.capacity).toBe(128 * mib)
    expect(told.lines[0]).toBe('tuning: 8 -> 16 reads at once: reads wait for their turn')
    const { stores, tasks } = tuner.report()
    expect([tasks, stores[0]?.smallReads]).toEqual([100, 200])
    expect(stores[0]?.decisions[0]?.text).toBe('8 -> 16 reads at once: reads wait for their turn')
    const labels = { change: 'increase', reason: 'throughput' } as const
    expect(metrics.get('skein_job_worker_tuning_decisions_total', labels)).toBeGreaterThanOrEqual(3)
  })

  it('takes reads from the store that asks to slow down, not from another one', () => {
    const { clock, budgets, store, readsOf } = house()
    const [slow, well] = [store('slow'), store('well')]
    for (let look = 0; look < 30; look += 1) {
      slow.tick(1, 5)
      well.tick(8)
      clock.passMs(100)
    }
    expect(readsOf('slow')).toBe(1)
    expect(readsOf('well')).toBeGreaterThanOrEqual(8)
    expect(budgets.slots.capacity).toBeGreaterThanOrEqual(8)
    const turns = [1, 2].map(() => slow.reads.slots.tryAcquire(1))
    expect(turns.map((turn) => turn !== undefined)).toEqual([true, false])
    expect(well.reads.slots.tryAcquire(1)).toBeDefined()
  })

  it('tries no more reads while the event loop has no time left', () => {
    const { clock, process, store, told } = house()
    const { tick } = store('ns')
    for (let look = 0; look < 50; look += 1) {
      tick(8)
      process.busyMs += 95
      clock.passMs(100)
    }
    expect(told.lines).toEqual([])
  })

  it('does not judge a store while reads are held back', () => {
    for (const hold of ['demand', 'paused', 'gate'] as const) {
      const { clock, process, store, told } = house()
      const { tick, fake } = store('ns')
      if (hold === 'gate') fake.gate.closed = true
      else process[hold] = true
      for (let look = 0; look < 50; look += 1) {
        tick(8)
        clock.passMs(100)
      }
      expect(told.lines).toEqual([])
    }
  })

  it('keeps the range that the namespace sets, and grows one that is nobody’s', () => {
    for (const isRangeGiven of [true, false]) {
      const { clock, store, readsOf } = house({ rangeBytes: mib, rangesAhead: 8, isRangeGiven })
      const { reads, tick } = store('ns')
      let largest = 0
      for (let look = 0; look < 400; look += 1) {
        tick(Math.min(readsOf('ns'), 12))
        clock.passMs(100)
        largest = Math.max(largest, reads.rangeBytes)
      }
      expect(largest > mib).toBe(!isRangeGiven)
    }
  })

  it('takes a store whose times begin again for the same store', () => {
    for (let anew = 2; anew < 40; anew += 1) {
      const { clock, told, store } = house()
      const { tick, timeAnew } = store('ns')
      for (let look = 0; look < 60; look += 1) {
        if (look === anew) timeAnew()
        tick(8)
        clock.passMs(100)
      }
      // Throughput does not come out of nowhere.
      expect(told.lines.filter((line) => / brought \d{3,} % more| instead of /.test(line))).toEqual([])
    }
  })

  it('logs one line a second, and reports a store once more after its last set', () => {
    const { clock, told, tuner, store } = house()
    const { reads, tick, lease } = store('ns')
    for (let look = 0; look < 20; look += 1) {
      tick(8)
      clock.passMs(100)
    }
    expect(told.lines.length).toBeLessThanOrEqual(2)
    reads.close()
    clock.passMs(100)
    expect(tuner.report().stores).toHaveLength(1)
    expect(tuner.report().stores).toHaveLength(0)
    // What was learned is kept for the next load.
    tuner.open('ns', lease)
    expect(tuner.report().stores[0]?.decisions.length).toBeGreaterThan(0)
  })
})
