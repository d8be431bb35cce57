// Coalescing: few requests, whole lines, no waiting when idle, and aborts that touch only their own
// blocks.
import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { SmallBlock } from '../../../src/client/write/block-target.ts'
import { PutCoalescer } from '../../../src/client/write/put-coalescer.ts'

const never = new AbortController().signal

function block(blockId: number, length = 10): SmallBlock {
  return {
    header: { blockId, length, namespaceId: 'n1', key: `k${blockId}`, etag: 'e', offset: 0 },
    bytes: new Uint8Array(length),
  }
}

/** A worker whose answers are given by hand. */
function heldWorker() {
  const requests: {
    ids: number[]
    signal: AbortSignal
    answer: (results?: (SkeinError | undefined)[]) => void
    fail: (error: Error) => void
  }[] = []
  const putMany = (blocks: readonly SmallBlock[], signal: AbortSignal) =>
    new Promise<readonly (SkeinError | undefined)[]>((resolve, reject) => {
      requests.push({
        ids: blocks.map(({ header }) => header.blockId),
        signal,
        answer: (results = []) => resolve(results),
        fail: reject,
      })
      signal.addEventListener('abort', () => reject(signal.reason as Error))
    })
  return { requests, putMany }
}
const settle = () => new Promise((resolve) => setImmediate(resolve))

describe('PutCoalescer', () => {
  test('sends the first block at once and gathers what comes while all requests are out', async () => {
    const { requests, putMany } = heldWorker()
    const puts = new PutCoalescer(putMany, { blocksMax: 100, bytesMax: 1e6, requestsMax: 2 })
    const all = [puts.put(block(0), never)]
    await settle()
    all.push(puts.put(block(1), never))
    await settle()
    for (let id = 2; id < 50; id += 1) all.push(puts.put(block(id), never))
    await settle()
    expect(requests.map(({ ids }) => ids)).toEqual([[0], [1]])
    requests[0]!.answer()
    await settle()
    expect(requests[2]?.ids).toEqual(Array.from({ length: 48 }, (_, index) => index + 2))
    for (const request of requests) request.answer()
    await Promise.all(all)
  })

  test('a request carries at most its blocks and bytes, and a block above them goes alone', async () => {
    const { requests, putMany } = heldWorker()
    const puts = new PutCoalescer(putMany, { blocksMax: 3, bytesMax: 100, requestsMax: 1 })
    const all = [10, 10, 10, 10, 90, 20, 500, 5].map((length, id) => puts.put(block(id, length), never))
    for (let sent = 0; sent < 5; sent += 1) {
      await settle()
      requests[sent]?.answer()
    }
    await Promise.all(all)
    expect(requests.map(({ ids }) => ids)).toEqual([[0, 1, 2], [3, 4], [5], [6], [7]])
  })

  test('each block gets its own answer; a request that fails fails its own blocks only', async () => {
    const { requests, putMany } = heldWorker()
    const puts = new PutCoalescer(putMany, { blocksMax: 2, bytesMax: 1e6, requestsMax: 2 })
    const results = Promise.allSettled([1, 2, 3, 4].map((id) => puts.put(block(id), never)))
    await settle()
    requests[0]!.answer([undefined, new SkeinError('resource_exhausted', 'full')])
    requests[1]!.fail(new SkeinError('unavailable', 'cut'))
    expect(
      (await results).map((result) => (result.status === 'rejected' ? (result.reason as SkeinError).code : 'in')),
    ).toEqual(['in', 'resource_exhausted', 'unavailable', 'unavailable'])
    const after = puts.put(block(5), never)
    await settle()
    requests[2]!.answer()
    await after
  })

  test('an aborted block is never sent; a shared request ends when all its tasks are aborted', async () => {
    const { requests, putMany } = heldWorker()
    const puts = new PutCoalescer(putMany, { blocksMax: 10, bytesMax: 1e6, requestsMax: 1 })
    const first = new AbortController()
    const second = new AbortController()
    const sent = [puts.put(block(1), first.signal), puts.put(block(2), first.signal), puts.put(block(3), second.signal)]
    await settle()
    const waiting = [puts.put(block(4), first.signal), puts.put(block(5), never)]
    const outcomes = Promise.allSettled([...sent, ...waiting])
    first.abort(new SkeinError('cancelled', 'stop'))
    await settle()
    expect(requests[0]!.signal.aborted).toBe(false)
    second.abort(new SkeinError('cancelled', 'stop'))
    await settle()
    expect(requests[0]!.signal.aborted).toBe(true)
    expect(requests[1]!.ids).toEqual([5])
    requests[1]!.answer()
    expect((await outcomes).map(({ status }) => status)).toEqual([
      'rejected',
      'rejected',
      'rejected',
      'rejected',
      'fulfilled',
    ])
  })
})
