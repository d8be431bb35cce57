// Hot small blocks come from memory: the right bytes of the right version, within a bound, and
// their worker hears of them again after a while.
import { describe, expect, it } from 'vitest'
import type { ExpectedBlock } from '../../../src/base/expected-block.ts'
import { SmallBlockCache } from '../../../src/client/read/small-block-cache.ts'
import { bytesOf } from '../../conformance/support/block-store-fixture.ts'

const signal = new AbortController().signal
const blockBytes = 16_384

function expectedOf(length = blockBytes, etag = 'e'): ExpectedBlock {
  return { namespaceId: 'n', key: 'k', etag, length, offset: 0, keyMoved: false }
}

class World {
  nowMs = 0
  readonly reads: string[] = []
  failure: Error | undefined
  readonly cache: SmallBlockCache

  constructor(bytesMax = 10 * blockBytes) {
    const data = {
      read: (_address: string, blockId: number, { offset, length }: { offset: number; length: number }) =>
        this.#chunks(blockId, offset, length),
    }
    this.cache = new SmallBlockCache({ data, clock: { monotonicMs: () => this.nowMs }, bytesMax })
  }

  async *#chunks(blockId: number, offset: number, length: number): AsyncGenerator<Uint8Array> {
    this.reads.push(`${blockId} ${offset}+${length}`)
    const bytes = bytesOf(offset + length, blockId).subarray(offset)
    yield new Uint8Array(bytes.subarray(0, length >> 1))
    if (this.failure !== undefined) throw this.failure
    yield new Uint8Array(bytes.subarray(length >> 1))
  }

  async read(blockId: number, expected = expectedOf(), offset = 0, length = expected.length): Promise<Buffer> {
    const chunks: Uint8Array[] = []
    for await (const chunk of this.cache.read('w', blockId, { offset, length }, signal, expected)) {
      chunks.push(Buffer.from(chunk))
      // A reader may do with a chunk what it likes.
      chunk.fill(0)
    }
    return Buffer.concat(chunks)
  }
}

describe('small blocks', () => {
  it('come from memory when they were read twice, also in parts', async () => {
    const world = new World()
    for (let time = 0; time < 5; time += 1) expect((await world.read(1)).equals(bytesOf(blockBytes, 1))).toBe(true)
    expect(world.reads.length).toBe(2)
    expect((await world.read(1, expectedOf(), 100, 50)).equals(bytesOf(150, 1).subarray(100))).toBe(true)
    expect(world.reads.length).toBe(2)
    expect(world.cache.usedBytes).toBe(blockBytes)
  })

  it('are given at once while they are in memory, in the version that is asked for', async () => {
    const world = new World()
    const whole = { offset: 0, length: blockBytes }
    const kept = (expected = expectedOf(), range = whole): Uint8Array | undefined =>
      world.cache.kept(1, expected, range)
    expect(kept()).toBeUndefined()
    for (let time = 0; time < 2; time += 1) await world.read(1)
    expect(Buffer.from(kept() ?? []).equals(bytesOf(blockBytes, 1))).toBe(true)
    const part = Buffer.from(kept(expectedOf(), { offset: 100, length: 50 }) ?? [])
    expect(part.equals(bytesOf(150, 1).subarray(100))).toBe(true)
    expect(kept(expectedOf(), { offset: 100, length: blockBytes })).toBeUndefined()
    expect(world.cache.kept(2, expectedOf(), whole)).toBeUndefined()
    expect(kept(expectedOf(blockBytes, 'other'))).toBeUndefined()
    for (let time = 0; time < 2; time += 1) await world.read(1)
    // Whoever changes them against the rule is found out.
    kept()?.fill(7, 0, 1)
    expect(kept()).toBeUndefined()
    for (let time = 0; time < 2; time += 1) await world.read(1)
    world.nowMs += 10_000
    expect(kept()).toBeUndefined()
  })

  it('are read from their worker again after a while, and are kept again at once', async () => {
    const world = new World()
    for (let time = 0; time < 3; time += 1) await world.read(1)
    world.nowMs += 10_000
    await world.read(1)
    await world.read(1)
    expect(world.reads.length).toBe(3)
    // Nobody read it for long: it counts as new.
    world.nowMs += 100_000
    await world.read(1)
    await world.read(1)
    expect(world.reads.length).toBe(5)
  })

  it('are of the version that is expected', async () => {
    const world = new World()
    for (let time = 0; time < 3; time += 1) await world.read(1)
    await world.read(1, expectedOf(blockBytes, 'other'))
    expect(world.reads.length).toBe(3)
    await world.read(1, { ...expectedOf(blockBytes, 'other'), namespaceId: 'm' })
    expect(world.reads.length).toBe(4)
  })

  it('take no more memory than they may, and the last used ones stay', async () => {
    const world = new World(3 * blockBytes)
    for (const blockId of [1, 2, 3, 1, 2, 3, 1, 4, 4]) await world.read(blockId)
    expect(world.cache.usedBytes).toBe(3 * blockBytes)
    world.reads.length = 0
    for (const blockId of [1, 3, 4]) await world.read(blockId)
    expect(world.reads).toEqual([])
    await world.read(2)
    expect(world.reads.length).toBe(1)
  })

  it('are not kept when they are large, read in parts, or when nothing may be kept', async () => {
    const world = new World(1024 * 1024)
    for (let time = 0; time < 4; time += 1) {
      await world.read(1, expectedOf(200_000))
      await world.read(2, expectedOf(), 0, 100)
    }
    const none = new World(0)
    for (let time = 0; time < 4; time += 1) await none.read(1)
    expect([world.reads.length, world.cache.usedBytes, none.reads.length]).toEqual([8, 0, 4])
  })

  it('are not kept when they could not be read, or when their reader left', async () => {
    const world = new World()
    await world.read(1)
    world.failure = new Error('the worker is gone')
    await expect(world.read(1)).rejects.toThrow('the worker is gone')
    world.failure = undefined
    for await (const _ of world.cache.read('w', 1, { offset: 0, length: blockBytes }, signal, expectedOf())) break
    expect(world.cache.usedBytes).toBe(0)
    expect((await world.read(1)).equals(bytesOf(blockBytes, 1))).toBe(true)
  })
})
