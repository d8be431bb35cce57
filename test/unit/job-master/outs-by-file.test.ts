import { expect, it } from 'vitest'
import type { SetRecord } from '../../../src/load/load.ts'
import { OutsByFile } from '../../../src/job-master/dispatch/outs-by-file.ts'
import type { OutSet } from '../../../src/job-master/dispatch/outstanding.ts'

interface Set {
  readonly out: OutSet
  readonly record: SetRecord
}

function setOf(pieces: readonly (readonly [fileId: number, firstBlock: number, blockCount: number])[]): Set {
  const record = {
    pieces: pieces.map(([fileId, firstBlock, blockCount]) => ({ fileId, firstBlock, blockCount })),
  } as unknown as SetRecord
  return { out: {} as OutSet, record }
}

function setUp() {
  const records = new Map<OutSet, SetRecord>()
  const isOut = new Set<OutSet>()
  const outs = new OutsByFile(
    (out) => records.get(out),
    (out) => isOut.has(out),
  )
  const add = ({ out, record }: Set): OutSet => {
    records.set(out, record)
    isOut.add(out)
    outs.add(out)
    return out
  }
  return { outs, isOut, add }
}

const wanted = (...pieces: Parameters<typeof setOf>[0]) => setOf(pieces).record.pieces

it('finds the sets that are out with a block of a piece', () => {
  const { outs, add } = setUp()
  const begin = add(setOf([[1, 0, 4]]))
  const end = add(setOf([[1, 4, 4]]))
  const both = add(
    setOf([
      [1, 7, 1],
      [2, 0, 1],
    ]),
  )
  expect([...outs.find(wanted([1, 3, 1]))]).toEqual([begin])
  expect([...outs.find(wanted([1, 3, 2]))]).toEqual([begin, end])
  expect([...outs.find(wanted([2, 0, 9], [1, 7, 1]))]).toEqual([both, end])
  expect([...outs.find(wanted([1, 8, 1], [3, 0, 1]))]).toEqual([])
})

it('forgets sets that came back, and those that are only checked are no matter', () => {
  const { outs, isOut, add } = setUp()
  const back = add(setOf([[1, 0, 1]]))
  const checked = setOf([[1, 0, 1]])
  add({ out: checked.out, record: { ...checked.record, verify: true } })
  isOut.delete(back)
  expect([...outs.find(wanted([1, 0, 1]))]).toEqual([])
  expect(outs.size).toBe(0)
})

it('stays as small as what is out, however much went out before', () => {
  const { outs, isOut, add } = setUp()
  for (let index = 0; index < 200_000; index += 1) {
    const out = add(setOf([[index, 0, 1]]))
    if (index % 100 !== 0) isOut.delete(out)
  }
  expect(outs.size).toBeLessThan(8192)
  expect(outs.find(wanted([100, 0, 1])).size).toBe(1)
})
