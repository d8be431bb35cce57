import { expect, test } from 'vitest'
import { PiecePool } from '../../../src/base/flow/piece-pool.ts'
import { piecesOf } from '../../../src/client/read/block-pieces.ts'
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
  const pages = new PiecePool({ pieceBytes: mebibyte, idleMax: 0, clock: new ManualClock() })
  const range = { offset: 0, length: into.length }
  const pieces = piecesOf(reader, range, never, { at: (offset) => into.subarray(offset) }, pages)
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
