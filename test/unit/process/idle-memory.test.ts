import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { collectWhenIdle, IdleWatch, PauseWatch } from '../../../src/process/idle-memory.ts'

/** The seconds after which it collected, of a process that used these shares of each second. */
function collections(shares: readonly number[], idleMs = 3000): number[] {
  const watch = new IdleWatch(idleMs)
  const at: number[] = []
  let processorMs = 700
  watch.look(0, processorMs)
  shares.forEach((share, index) => {
    processorMs += share * 1000
    if (watch.look((index + 1) * 1000, processorMs)) at.push(index + 1)
  })
  return at
}

describe('a role collects garbage', () => {
  it('once, after it was busy and then idle for the time', () => {
    expect(collections([1, 1.7, 0.01, 0.02, 0.01, 0.01, 0.01, 0.01, 0.01])).toEqual([5])
  })

  it('again after it was busy again', () => {
    expect(collections([0.5, 0, 0, 0, 0, 0.5, 0, 0, 0, 0])).toEqual([4, 9])
  })

  it('once also when the collection itself takes processor time', async () => {
    const looks: (() => void)[] = []
    let nowMs = 0
    const clock = {
      ...systemClock,
      monotonicMs: () => nowMs,
      schedule: (_ms: number, task: () => void) => {
        looks.push(task)
        return () => undefined
      },
    }
    const burn = (ms: number): void => {
      const until = process.cpuUsage().user + ms * 1000
      // To ask is time of the system, which does not count here.
      while (process.cpuUsage().user < until) for (let turn = 0; turn < 1e6; turn += 1);
    }
    let collected = 0
    const stop = collectWhenIdle(clock, 3000, async () => {
      collected += 1
      burn(400)
    })
    for (let second = 1; second <= 30; second += 1) {
      if (second === 2) burn(400)
      nowMs += 1000
      looks.shift()?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
    stop()
    expect(collected).toBe(1)
  })

  it('after slow work too, once there was enough of it', () => {
    const slow = Array.from({ length: 9 }, () => [0.12, 0.02]).flat()
    expect(collections([...slow, 0, 0, 0, 0])).toEqual([20])
    expect(collections([...slow.slice(0, 6), 0, 0, 0, 0])).toEqual([])
  })

  it('not while it works, nor without work before', () => {
    expect(collections([1, 0.15, 0.15, 0.15, 0.15, 0.15])).toEqual([])
    expect(collections([1, 0, 0, 0.15, 0, 0, 0.15])).toEqual([])
    expect(collections([0, 0.05, 0.15, 0, 0, 0, 0, 0])).toEqual([])
  })
})

const mebibyte = 1024 ** 2

interface Look {
  /** Of a quarter of a second. */
  readonly share: number
  readonly heapMiB: number
}

/** The looks after which it collected; a collection leaves a heap of 50 MiB. */
function pauses(looks: readonly Look[], firstHeapMiB = 50): number[] {
  const watch = new PauseWatch()
  const at: number[] = []
  let processorMs = 700
  watch.look(0, processorMs, firstHeapMiB * mebibyte)
  looks.forEach(({ share, heapMiB }, index) => {
    processorMs += share * 250
    if (!watch.look((index + 1) * 250, processorMs, heapMiB * mebibyte)) return
    at.push(index + 1)
    watch.collected()
  })
  return at
}

const times = (count: number, look: Look): Look[] => Array.from({ length: count }, () => look)

describe('a role whose heap has grown collects garbage', () => {
  const load = times(8, { share: 1, heapMiB: 140 })

  it('in the first pause, once', () => {
    expect(pauses([...load, ...times(2, { share: 0, heapMiB: 140 })])).toEqual([9])
    expect(pauses([...load, ...times(8, { share: 0, heapMiB: 140 }), ...times(8, { share: 0, heapMiB: 60 })])).toEqual([
      9,
    ])
  })

  it('again after it has grown and worked again', () => {
    const pause = times(3, { share: 0.02, heapMiB: 60 })
    const again = [{ share: 0, heapMiB: 140 }, ...pause, ...load, { share: 0, heapMiB: 140 }, ...pause]
    expect(pauses([...load, ...again])).toEqual([9, 21])
  })

  it('not while it works, after little work, or when the heap has not grown by much', () => {
    expect(pauses(times(20, { share: 0.15, heapMiB: 200 }))).toEqual([])
    expect(pauses([...times(3, { share: 1, heapMiB: 140 }), ...times(9, { share: 0, heapMiB: 140 })])).toEqual([])
    expect(pauses([...load, ...times(9, { share: 0, heapMiB: 95 })])).toEqual([])
    expect(pauses([...load, ...times(9, { share: 0, heapMiB: 170 })], 100)).toEqual([])
  })

  it('not when a collection would stop it for long', () => {
    const heap = { heapMiB: 400 }
    expect(pauses([...times(8, { share: 1, ...heap }), ...times(9, { share: 0, ...heap })], 150)).toEqual([])
  })
})

/** Resident bytes before garbage was made, with it, and after the collection. */
const garbageScript = `
import { readFileSync } from 'node:fs'
import { collectGarbage } from ${JSON.stringify(new URL('../../../src/process/idle-memory.ts', import.meta.url).href)}
const resident = () => Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[1]) * 4096
await collectGarbage()
const sizes = [resident()]
let kept = []
for (let round = 0; round < 20; round += 1) {
  const made = Array.from({ length: 50_000 }, (_, index) => ({ index, name: 'x' + index }))
  kept = [...kept.slice(-5), made]
}
sizes.push(resident())
kept.length = 0
await collectGarbage()
sizes.push(resident())
console.log(JSON.stringify(sizes))
`

describe('what was collected', () => {
  it.skipIf(process.platform !== 'linux')('goes back to the system, not into a pool', () => {
    const told = execFileSync(process.execPath, ['--input-type=module', '--eval', garbageScript], { encoding: 'utf8' })
    const [before = 0, full = 0, after = 0] = JSON.parse(told) as number[]
    const garbage = full - before
    expect(garbage).toBeGreaterThan(40 * 2 ** 20)
    expect(after - before).toBeLessThan(garbage / 2)
  })
})
