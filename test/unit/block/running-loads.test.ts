// Which loads count as running, by the lists that workers hear, in whatever order they come.
import { expect, test } from 'vitest'
import { RunningLoads, withLoad } from '../../../src/block/tier/running-loads.ts'

test('a load is over with the first list that speaks of it and does not name it', () => {
  const loads = new RunningLoads()
  const seventh = loads.of('L7')
  loads.setRunning([], 7)
  loads.setRunning(['L7'], 8)
  // An older list, which comes later.
  loads.setRunning([], 7)
  expect(seventh.isRunning).toBe(true)
  loads.setRunning([], 9)
  expect(seventh.isRunning).toBe(false)
})

test('also when no list ever named it', () => {
  const loads = new RunningLoads()
  const short = loads.of('L7')
  loads.setRunning([], 8)
  expect(short.isRunning).toBe(false)
})

test('a load that no list speaks of any more is over after ten, as after a restore of the job master', () => {
  const loads = new RunningLoads()
  const seventh = loads.of('L7')
  loads.setRunning(['L7'], 8)
  for (let list = 0; list < 9; list += 1) loads.setRunning([], 3)
  expect(seventh.isRunning).toBe(true)
  loads.setRunning([], 3)
  expect(seventh.isRunning).toBe(false)
})

test('a list that does not say up to where it speaks ends what an earlier one named', () => {
  const loads = new RunningLoads()
  const [first, second] = [loads.of('L1'), loads.of('L2')]
  loads.setRunning(['L1'])
  loads.setRunning([])
  expect([first.isRunning, second.isRunning]).toEqual([false, true])
})

test('what several loads count on is held until the last of them is over', () => {
  const loads = new RunningLoads()
  const held = ['L2', 'L1'].reduce((before, name) => withLoad(before, loads.of(name)), loads.of('L1'))
  loads.setRunning(['L1', 'L2'], 3)
  expect(held.isRunning).toBe(true)
  loads.setRunning(['L2'], 3)
  expect(held.isRunning).toBe(true)
  loads.setRunning([], 3)
  expect(held.isRunning).toBe(false)
})
