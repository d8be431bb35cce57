// Why: another replica of a block that a worker has costs the store nothing, and a copy that fails
// costs the set nothing. How: a task whose blocks are said to be at other workers, some of which
// are wrong, gone, or end in the middle.
import { describe, expect, test } from 'vitest'
import { blockIdOf } from '../../../src/base/block-id.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import type { ExpectedBlock } from '../../../src/base/expected-block.ts'
import { expectedBlock, never, taskOf } from './support/fakes.ts'
import { house, large, smalls } from './support/house.ts'

type Source = (bytes: Buffer) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>

const whole: Source = (bytes) => [bytes.subarray(0, 7), bytes.subarray(7)]
const gone: Source = () => {
  throw new SkeinError('not_found', 'no such block')
}
const cut: Source = function* (bytes) {
  yield bytes.subarray(0, Math.floor(bytes.length / 2))
  throw new SkeinError('unavailable', 'the connection broke', { retryable: true })
}
const long: Source = (bytes) => [bytes, Buffer.from('more')]

async function copy(sources: Readonly<Record<string, Source>>) {
  const expected: ExpectedBlock[] = []
  const pieces = [large, ...smalls.slice(1, 6)].map((piece) => ({ ...piece, sourceIds: Object.keys(sources) }))
  const blocks = new Map(
    pieces.flatMap((piece) =>
      Array.from(
        { length: piece.blockCount },
        (_, index) => [blockIdOf(piece.fileId, index), expectedBlock(piece, index)] as const,
      ),
    ),
  )
  const h = house({
    cached: {
      async *read({ workerId }, blockId, block) {
        expected.push(block)
        yield* sources[workerId]?.(blocks.get(blockId) ?? Buffer.alloc(0)) ?? []
      },
      free: async () => undefined,
    },
  })
  h.add(pieces)
  await h.runner.run(taskOf(1), never)
  for (const target of [h.targets.a, h.targets.b])
    for (const piece of pieces)
      for (let index = 0; index < piece.blockCount; index += 1) h.expectHas(target, piece, index)
  h.expectNothingLeft()
  const total = pieces.reduce((sum, { length }) => sum + length, 0)
  const [done] = h.jobMaster.completed
  expect(done).toMatchObject({ failures: [], originBytes: h.store.readBytes })
  return { read: h.store.readBytes, total, expected }
}

describe('blocks that workers have', () => {
  test('are not read from the store', async () => {
    const { read, expected } = await copy({ w1: whole })
    expect(read).toBe(0)
    expect(expected[0]).toMatchObject({ namespaceId: 'n1', keyMoved: true })
    for (const block of expected) expect(block.etag).toBe('v1')
  })

  test('come from the next worker where one has them no more', async () => {
    expect((await copy({ w1: gone, w2: whole })).read).toBe(0)
  })

  test('come from the store where no worker has them', async () => {
    const { read, total } = await copy({ w1: gone, unknown: gone })
    expect(read).toBe(total)
  })

  test('end where the block ends, whatever a worker gives beyond', async () => {
    expect((await copy({ w1: long })).read).toBe(0)
  })

  test('come from the store from where a copy broke off, and whole where they are small', async () => {
    const { read, total } = await copy({ w1: cut, w2: whole })
    expect(read).toBeGreaterThan(0)
    expect(read).toBeLessThan(total * 0.6)
  })
})
