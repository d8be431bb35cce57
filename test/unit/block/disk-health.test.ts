// Why: each transition of the three modes, and that no sequence reports blocks lost twice or found
// before they were lost.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type DiskEvent,
  type DiskHealth,
  type DiskHealthLimits,
  healthyDisk,
  isProbeDue,
  mayRead,
  mayWrite,
  stepDisk,
} from '../../../src/block/disk/disk-health.ts'

const limits: DiskHealthLimits = {
  windowMs: 1000,
  faultsToUnstable: 3,
  probeIntervalMs: 100,
  probesToNormal: 2,
  probesToDown: 2,
}
const fault = (atMs: number): DiskEvent => ({ kind: 'fault', atMs })
const probed = (good: boolean, atMs: number): DiskEvent => ({ kind: 'probed', good, atMs })

function after(...events: readonly DiskEvent[]): { health: DiskHealth; effects: string[] } {
  let health = healthyDisk(0)
  const effects: string[] = []
  for (const event of events) {
    const step = stepDisk(health, event, limits)
    health = step.health
    if (step.effect !== undefined) effects.push(step.effect)
  }
  return { health, effects }
}

const unstable = [fault(1), fault(2), fault(3)]

describe('a disk', () => {
  test('is normal while faults are rare', () => {
    const { health } = after(fault(1), fault(500), fault(1200), fault(1900))
    expect([health.mode, mayWrite(health), mayRead(health), isProbeDue(health, 1e9)]).toEqual([
      'normal',
      true,
      true,
      false,
    ])
  })

  test('is unstable after faults in a row: no writes, reads, a probe later', () => {
    const { health, effects } = after(...unstable)
    expect([health.mode, mayWrite(health), mayRead(health), effects]).toEqual(['unstable', false, true, []])
    expect([isProbeDue(health, 102), isProbeDue(health, 103)]).toEqual([false, true])
  })

  test('comes back by good probes in a row, without a word about its blocks', () => {
    expect(after(...unstable, probed(true, 103), probed(false, 203), probed(true, 303)).health.mode).toBe('unstable')
    const { health, effects } = after(...unstable, probed(true, 103), probed(true, 203))
    expect([health, effects]).toEqual([healthyDisk(203), []])
  })

  test('a fault between good probes begins the row again', () => {
    expect(after(...unstable, probed(true, 103), fault(150), probed(true, 203)).health.mode).toBe('unstable')
  })

  test.each([
    ['bad probes in a row', [...unstable, probed(false, 103), probed(false, 203)]],
    ['more faults', [...unstable, fault(10), fault(11), fault(12)]],
    ['being gone', [{ kind: 'gone', atMs: 5 }]],
    ['being gone while unstable', [...unstable, { kind: 'gone', atMs: 5 }]],
  ] satisfies [string, DiskEvent[]][])('is down after %s, and its blocks are lost', (_, events) => {
    const { health, effects } = after(...events)
    expect([health.mode, mayWrite(health), mayRead(health), effects]).toEqual(['down', false, false, ['lost']])
  })

  test('comes back from down, and its blocks are found', () => {
    const { health, effects } = after(
      { kind: 'gone', atMs: 5 },
      probed(false, 105),
      fault(106),
      probed(true, 205),
      probed(true, 305),
    )
    expect([health, effects]).toEqual([healthyDisk(305), ['lost', 'found']])
  })

  test('lost and found take turns, whatever happens', () => {
    const event = fc.tuple(
      fc.constantFrom('fault', 'fault', 'gone', 'good', 'good', 'bad'),
      fc.integer({ min: 0, max: 400 }),
    )
    fc.assert(
      fc.property(fc.array(event, { maxLength: 100 }), (steps) => {
        let atMs = 0
        const events = steps.map(([kind, waitMs]): DiskEvent => {
          atMs += waitMs
          return kind === 'fault' || kind === 'gone' ? { kind, atMs } : probed(kind === 'good', atMs)
        })
        const { health, effects } = after(...events)
        for (const [index, effect] of effects.entries()) expect(effect).toBe(index % 2 === 0 ? 'lost' : 'found')
        expect(health.mode === 'down').toBe(effects.at(-1) === 'lost')
        expect(health.mode === 'normal').toBe(health.probeDueMs === undefined)
        expect(health.faultsMs.length).toBeLessThan(limits.faultsToUnstable)
      }),
    )
  })
})
