import { expect, test } from 'vitest'
import { PieceLender } from '../../../src/base/flow/lent-pieces.ts'
import { PiecePool } from '../../../src/base/flow/piece-pool.ts'
import { piecesOf } from '../../../src/client/read/block-pieces.ts'
import { KeptPages } from '../../../src/client/read/kept-pages.ts'
import { ManualClock } from './support/manual-clock.ts'

const mebibyte = 1024 * 1024
const never = new AbortController().signal

test('writes nothing more into the memory of the caller when it is left early', async () => {
  const into = Buffer.alloc(6 * mebibyte)
  const reads: PromiseWithResolvers<void>[] = []
  const reader = {
    read: async () => new Uint8Array(),
    readInto: async (memory: Uint8Array) => {
      const one = Promise.withResolvers<void>()
      reads.push(one)
      await one.promise
      memory.fill(reads.length)
    },
  }
  const pages = new KeptPages({ pagesMax: 0, clock: new ManualClock() }).of('block')
  const range = { offset: 0, length: into.length }
  const pieces = piecesOf(reader, range, never, { target: { at: (offset) => into.subarray(offset) } }, pages)
  const first = pieces.next()
  reads[0]?.resolve()
  expect((await first).value?.length).toBe(2 * mebibyte)
  expect(reads).toHaveLength(2)
  let hasLeft = false
  const left = pieces.return(undefined).then(() => (hasLeft = true))
  await new Promise((resolve) => setImmediate(resolve))
  expect(hasLeft).toBe(false)
  reads[1]?.resolve()
  await left
  expect([into[2 * mebibyte], into[4 * mebibyte], reads.length]).toEqual([2, 0, 2])
})

test('lent memory: streams share a limit, wait their turn, and nothing is held when they have ended', async () => {
  const clock = new ManualClock()
  const pool = new PiecePool({ pieceBytes: mebibyte, idleMax: 4, clock })
  const lender = new PieceLender('test', pool, 3 * mebibyte)
  const pages = new KeptPages({ pagesMax: 0, clock }).of('block')
  const reader = {
    read: () => Promise.reject(new Error('memory was lent')),
    readInto: async (memory: Uint8Array, offset: number) => void memory.fill(offset / mebibyte),
  }
  const range = { offset: 0, length: 4 * mebibyte + 10 }
  const streams = Array.from({ length: 4 }, () => {
    const lent = lender.begin()
    return { lent, chunks: piecesOf(reader, range, never, { lent }, pages) }
  })
  const firsts = streams.map(({ chunks }) => chunks.next())
  const first = await firsts[0]
  // The first one took a piece ahead, so that the last one waits.
  await Promise.all(firsts.slice(0, 2))
  expect([lender.isWanted, lender.usedBytes]).toEqual([true, 3 * mebibyte])
  await Promise.all(
    streams.map(async ({ lent, chunks }, index) => {
      const seen: [number, number | undefined][] = []
      const began = index === 0 ? first : await firsts[index]
      for (let each = began; each?.done === false; each = await chunks.next()) {
        seen.push([each.value.length, each.value[0]])
        lent.giveBack(each.value)
      }
      lent.end()
      expect(seen).toEqual([...[0, 1, 2, 3].map((page) => [mebibyte, page]), [10, 4]])
    }),
  )
  expect([lender.isWanted, lender.usedBytes]).toEqual([false, 0])
  // Memory that was not given back counts until the end of its stream, and no longer.
  const lent = lender.begin()
  const left = piecesOf(reader, range, never, { lent }, pages)
  await left.next()
  await left.return(undefined)
  expect(lender.usedBytes).toBe(mebibyte)
  lent.end()
  expect(lender.usedBytes).toBe(0)
})
