// The memory of what is written is used again: never while a worker may still send it, and all of
// it when a file is done.
import { describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { BlockSink } from '../../../src/client/write/block-target.ts'
import { bytesOf } from '../../conformance/support/block-store-fixture.ts'
import type { FakeTarget } from '../job-worker/support/fakes.ts'
import { blockSizeBytes, mebibyte, signal, WriteFixture } from './support/write-fixture.ts'

/** What a worker has at hand and did not copy yet. */
interface Held {
  readonly chunk: Uint8Array
  /** As it was when it was given. */
  readonly copy: Buffer
}

/**
 * Makes a worker hold the chunks themselves, and see to it that they stay as they are.
 * @param lagBytes how far `settledBytes` is behind; undefined: it is not known
 */
function holding(worker: FakeTarget, lagBytes: number | undefined): Held[] {
  const held: Held[] = []
  const open = worker.open.bind(worker)
  worker.open = async (...given): Promise<BlockSink | undefined> => {
    const sink = await open(...given)
    if (sink === undefined) return undefined
    const mine: Held[] = []
    let bytes = 0
    return {
      write: async (chunk) => {
        await sink.write(chunk)
        mine.push({ chunk, copy: Buffer.from(chunk) })
        bytes += chunk.length
        let settled = 0
        for (const one of mine) {
          settled += one.chunk.length
          if (lagBytes === undefined || settled > bytes - lagBytes) expectUnchanged([one])
        }
      },
      commit: async (length) => {
        if (lagBytes === undefined) expectUnchanged(mine)
        await sink.commit(length)
      },
      abort: async () => {
        held.push(...mine)
        await sink.abort()
      },
      get settledBytes() {
        return lagBytes === undefined ? undefined : Math.max(0, bytes - lagBytes)
      },
    }
  }
  return held
}

function expectUnchanged(held: readonly Held[]): void {
  for (const { chunk, copy } of held) expect(copy.equals(chunk)).toBe(true)
}

/** Counts what the pool of a fixture has out. */
function outstanding(at: WriteFixture): () => number {
  let bytes = 0
  const { pieces } = at
  const [take, giveBack] = [pieces.take.bind(pieces), pieces.giveBack.bind(pieces)]
  const own = new WeakSet<ArrayBufferLike>()
  pieces.take = (count) => {
    bytes += count
    const piece = take(count)
    own.add(piece.buffer)
    return piece
  }
  pieces.giveBack = (part) => {
    if (own.has(part.buffer)) bytes -= part.length
    giveBack(part)
  }
  return () => bytes
}

async function write(at: WriteFixture, bytes: Buffer, pieceBytes: number, length?: number): Promise<void> {
  const output = await at.writer.create('/ns/a/b', { length }, signal)
  for (let from = 0; from < bytes.length; from += pieceBytes)
    await output.write(bytes.subarray(from, from + pieceBytes))
  await output.close()
}

const ways = [
  ['kept, settled at commit', 64 * mebibyte, undefined],
  ['kept, settled soon', 64 * mebibyte, 600_000],
  ['not kept, settled at commit', mebibyte, undefined],
  ['not kept, settled soon', mebibyte, 600_000],
] as const

describe('the memory of what is written', () => {
  it.each(ways)('comes back, and never too early: %s', async (_, keptBytes, lagBytes) => {
    const at = new WriteFixture(keptBytes)
    for (const worker of at.workers) holding(worker, lagBytes)
    const out = outstanding(at)
    for (const [size, pieceBytes] of [
      [2 * blockSizeBytes + 12_345, 65_536],
      [blockSizeBytes, 300_000],
      [700_001, 70_001],
      [16_384, 16_384],
      [1, 1],
      [5 * mebibyte, mebibyte],
    ] as const) {
      for (const length of [undefined, size]) {
        for (const worker of at.workers) worker.blocks.clear()
        const bytes = bytesOf(size, size)
        await write(at, bytes, pieceBytes, length)
        at.expectBlocks(bytes)
        expect(out()).toBe(0)
      }
    }
    at.expectNothingOpen()
  })

  it('does not come back from a worker that failed with it', async () => {
    const at = new WriteFixture()
    const held = at.workers.flatMap((worker) => [holding(worker, undefined)])
    let failures = 0
    for (const worker of at.workers)
      worker.before = (step, _header, offset) => {
        if (step !== 'write' || offset < 2 * mebibyte || failures > 0) return
        failures += 1
        throw new SkeinError('unavailable', 'the worker is not well')
      }
    await write(at, bytesOf(blockSizeBytes, 1), 65_536)
    expect(held.flat().length).toBeGreaterThan(0)
    for (const seed of [2, 3]) {
      for (const worker of at.workers) worker.blocks.clear()
      await write(at, bytesOf(blockSizeBytes, seed), 65_536)
    }
    expectUnchanged(held.flat())
  })
})
