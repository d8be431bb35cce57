// Memory that is lent again must have come back whole.
import { expect, test } from 'vitest'
import { PiecePool } from '../../../src/base/flow/piece-pool.ts'
import { VirtualClock } from '../../model/support/load-doubles.ts'

function pool(idleMax = 2): { pieces: PiecePool; clock: VirtualClock } {
  const clock = new VirtualClock()
  return { pieces: new PiecePool({ pieceBytes: 100, idleMax, clock }), clock }
}

test('a piece is lent again when all of its bytes are back, in whatever parts', () => {
  const { pieces } = pool()
  const whole = pieces.take(100)
  pieces.giveBack(whole.subarray(60))
  pieces.giveBack(whole.subarray(0, 20))
  expect(pieces.take(100).buffer).not.toBe(whole.buffer)
  pieces.giveBack(whole.subarray(20, 60))
  expect(pieces.take(100).buffer).toBe(whole.buffer)
})

test('a short one is back with its own bytes, and is a whole piece for the next', () => {
  const { pieces } = pool()
  const short = pieces.take(70)
  expect(short.length).toBe(70)
  pieces.giveBack(short)
  const next = pieces.take(100)
  expect([next.length, next.buffer === short.buffer]).toEqual([100, true])
})

test('bytes of elsewhere, and bytes that are back already, change nothing', () => {
  const { pieces } = pool()
  pieces.giveBack(new Uint8Array(100))
  pieces.giveBack(Buffer.from('pooled by Node'))
  const taken = pieces.take(40)
  pieces.giveBack(taken)
  pieces.giveBack(taken)
  expect(pieces.idle).toBe(1)
})

test('small ones share a piece, which is lent again when the last of them is back', () => {
  const { pieces } = pool()
  const small = [25, 10, 25, 25].map((bytes) => pieces.take(bytes))
  expect(new Set(small.map(({ buffer }) => buffer)).size).toBe(1)
  expect(small.map(({ byteOffset }) => byteOffset - (small[0]?.byteOffset ?? 0))).toEqual([0, 25, 35, 60])
  // No room for it behind them: the rest of their piece is back.
  const next = pieces.take(20)
  expect(next.buffer).not.toBe(small[0]?.buffer)
  for (const part of small.slice(1)) pieces.giveBack(part)
  expect(pieces.idle).toBe(0)
  if (small[0] !== undefined) pieces.giveBack(small[0])
  expect(pieces.idle).toBe(1)
  expect(pieces.take(100).buffer).toBe(small[0]?.buffer)
})

test('it keeps no more than it may, and less when less is needed', async () => {
  const { pieces, clock } = pool(3)
  const all = Array.from({ length: 5 }, () => pieces.take(100))
  for (const piece of all) pieces.giveBack(piece)
  expect(pieces.idle).toBe(3)
  for (let period = 0; period < 3; period += 1) {
    pieces.giveBack(pieces.take(90))
    await clock.advance(5001)
  }
  // One is enough for this use.
  expect(pieces.idle).toBe(1)
  await clock.advance(10_001)
  expect(pieces.idle).toBe(0)
})

test('memory that it does not keep is free at once, and not at the next collection', async () => {
  const { pieces, clock } = pool(1)
  const [kept, surplus] = [pieces.take(100), pieces.take(100)]
  const keptBytes = kept.buffer.byteLength
  pieces.giveBack(kept)
  pieces.giveBack(surplus)
  expect([kept.buffer.byteLength, surplus.buffer.byteLength]).toEqual([keptBytes, 0])
  await clock.advance(5001)
  await clock.advance(5001)
  expect([pieces.idle, kept.buffer.byteLength]).toEqual([0, 0])
})

test('more than a piece has memory of its own, which is freed when it is back', () => {
  const { pieces } = pool()
  const own = pieces.take(150)
  expect(own.length).toBe(150)
  own.fill(1)
  pieces.giveBack(own.subarray(0, 70))
  expect(own.length).toBe(150)
  pieces.giveBack(own.subarray(70))
  expect([pieces.idle, own.buffer.byteLength]).toEqual([0, 0])
  expect(() => pieces.take(pieces.wholeBytesMax + 1)).toThrow(/no more/)
})

test('as many share a piece as fit, where all but whole ones share', () => {
  const pieces = new PiecePool({ pieceBytes: 100, idleMax: 2, sharedBytesMax: 99, clock: new VirtualClock() })
  const [first, second, third] = [60, 40, 50].map((bytes) => pieces.take(bytes))
  expect(second?.buffer).toBe(first?.buffer)
  expect(third?.buffer).not.toBe(first?.buffer)
  for (const part of [first, second]) if (part !== undefined) pieces.giveBack(part)
  expect(pieces.take(100).buffer).toBe(first?.buffer)
})
