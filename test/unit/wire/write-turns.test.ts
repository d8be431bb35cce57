import { describe, expect, it } from 'vitest'
import type { Share } from '../../../src/base/flow/budget.ts'
import { writeShareBytes, WriteTurns } from '../../../src/wire/data/write-turns.ts'

const never = new AbortController().signal

/** Turns for so many, and who has had one, in order. */
function turnsFor(count: number) {
  const turns = new WriteTurns(count * writeShareBytes)
  const begun: string[] = []
  const refused: string[] = []
  const shares: Share[] = []
  const enter = (peer: string, what = peer, signal = never): void =>
    void turns.enter(peer, signal).then(
      (share) => {
        begun.push(what)
        shares.push(share)
      },
      (error: unknown) => refused.push(`${what} ${(error as { reason?: string }).reason ?? 'aborted'}`),
    )
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  return { turns, begun, refused, shares, enter, settle }
}

describe('turns of writers', () => {
  it('are no more than fit in the bound', async () => {
    const { turns, begun, shares, enter, settle } = turnsFor(2)
    for (const what of ['1', '2', '3']) enter('a', what)
    await settle()
    expect(begun).toEqual(['1', '2'])
    expect(turns.usedBytes).toBe(2 * writeShareBytes)
    shares[0]?.release()
    shares[0]?.release()
    await settle()
    expect(begun).toEqual(['1', '2', '3'])
    expect(turns.usedBytes).toBe(2 * writeShareBytes)
  })

  it('go to the peer that has the fewest', async () => {
    const { begun, shares, enter, settle } = turnsFor(2)
    for (const what of ['a1', 'a2', 'a3', 'a4']) enter('a', what)
    enter('b', 'b1')
    await settle()
    shares[0]?.release()
    await settle()
    expect(begun).toEqual(['a1', 'a2', 'b1'])
    shares[1]?.release()
    await settle()
    expect(begun).toEqual(['a1', 'a2', 'b1', 'a3'])
  })

  it('are waited for by as many again; then the last one of the peer with the most is refused', async () => {
    const { turns, begun, refused, shares, enter, settle } = turnsFor(2)
    for (const what of ['a1', 'a2', 'a3', 'a4']) enter('a', what)
    enter('b', 'b1')
    await settle()
    expect(refused).toEqual(['a4 too_many_writes'])
    expect(turns.waiting).toBe(2)
    for (const share of shares) share.release()
    await settle()
    expect(begun).toEqual(['a1', 'a2', 'b1', 'a3'])
  })

  it('are given up by who leaves', async () => {
    const { turns, refused, shares, enter, settle } = turnsFor(1)
    const leaving = new AbortController()
    enter('a')
    enter('b', 'b', leaving.signal)
    await settle()
    leaving.abort(new Error('gone'))
    await settle()
    expect(refused).toEqual(['b aborted'])
    expect(turns.waiting).toBe(0)
    shares[0]?.release()
    expect(turns.usedBytes).toBe(0)
  })
})
