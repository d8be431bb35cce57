// The memory of a part that is read ahead: given back once, and only when nobody uses it.
import { beforeEach, describe, expect, test } from 'vitest'
import { abortReason } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { aheadPieceBytes } from '../../../src/client/open/ahead-memory.ts'
import { AheadPart, type FillPart } from '../../../src/client/open/ahead-part.ts'
import { bytesOf } from './support/read-world.ts'

const never = new AbortController().signal
const content = bytesOf(aheadPieceBytes + 1000)
const range = { offset: 0, length: content.length }
let pieces: Uint8Array[]
let givenBack: boolean[]
let came: PromiseWithResolvers<void>[]

beforeEach(() => {
  pieces = [new Uint8Array(aheadPieceBytes), new Uint8Array(aheadPieceBytes)]
  givenBack = []
  came = [Promise.withResolvers(), Promise.withResolvers()]
})

const memory = () => ({ pieces, giveBack: (isClean: boolean) => void givenBack.push(isClean) })
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** One piece after the other, as the test lets them come. */
const fill: FillPart = async (_range, target, signal, onBytes) => {
  for (const [index, piece] of came.entries()) {
    await piece.promise
    if (signal.aborted) throw abortReason(signal)
    const part = content.subarray(index * aheadPieceBytes, (index + 1) * aheadPieceBytes)
    target.at(index * aheadPieceBytes).set(part)
    onBytes(index * aheadPieceBytes + part.length)
  }
}

describe('AheadPart', () => {
  test('gives bytes as they come, over the ends of pieces', async () => {
    const part = new AheadPart(range, memory(), fill)
    const into = Buffer.alloc(500)
    const across = part.copy(into, aheadPieceBytes - 250, never)
    const first = Buffer.alloc(100)
    came[0]?.resolve()
    expect(await part.copy(first, 50, never)).toBe(100)
    expect(first.equals(content.subarray(50, 150))).toBe(true)
    came[1]?.resolve()
    expect(await across).toBe(500)
    expect(into.equals(content.subarray(aheadPieceBytes - 250, aheadPieceBytes + 250))).toBe(true)
    expect([part.isUnused, givenBack]).toEqual([true, []])
    part.drop()
    part.drop()
    expect(givenBack).toEqual([true])
  })

  test('keeps its memory while somebody reads from it', async () => {
    const part = new AheadPart(range, memory(), fill)
    const reading = part.copy(Buffer.alloc(10), aheadPieceBytes, never)
    part.drop()
    came[0]?.resolve()
    await settled()
    expect(givenBack).toEqual([])
    came[1]?.resolve()
    expect(await reading).toBe(10)
    await part.ended
    expect(givenBack).toEqual([true])
  })

  test('ends its request when it is dropped, and then its memory is not clean', async () => {
    const part = new AheadPart(range, memory(), fill)
    part.drop()
    expect(givenBack).toEqual([])
    came[0]?.resolve()
    await part.ended
    expect([part.hasFailed, givenBack]).toEqual([true, [false]])
  })

  test('gives what came before its request failed', async () => {
    const failing: FillPart = async (wanted, target, signal, onBytes) => {
      await fill(wanted, target, signal, (bytes) => {
        onBytes(bytes)
        throw new SkeinError('unavailable', 'cut')
      })
    }
    const part = new AheadPart(range, memory(), failing)
    const reading = part.copy(Buffer.alloc(500), aheadPieceBytes - 200, never)
    came[0]?.resolve()
    expect(await reading).toBe(200)
    expect(await part.copy(Buffer.alloc(10), aheadPieceBytes + 5, never)).toBe(0)
    part.drop()
    expect(givenBack).toEqual([false])
  })
})
