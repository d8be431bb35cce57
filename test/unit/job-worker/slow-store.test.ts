// Why: streams and memory are shared by all loads of a job worker. Blocks of a store that fails, or
// asks to slow down, must leave enough of both for a load of another store.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { fileIdOf } from '../../../src/base/block-id.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { Budget } from '../../../src/base/flow/budget.ts'
import { DemandGauge } from '../../../src/base/flow/demand-gauge.ts'
import { ReadPacer } from '../../../src/job-worker/pace/read-pacer.ts'
import { BlockStreams } from '../../../src/job-worker/set/block-streams.ts'
import { PacedReads } from '../../../src/job-worker/set/paced-reads.ts'
import type { StoreLease } from '../../../src/ufs/store-cache.ts'
import type { ReadRequest, UnderFileSystem } from '../../../src/ufs/under-file-system.ts'
import { PoisonedPieces } from '../../support/poisoned-pieces.ts'
import { never, pieceOf } from './support/fakes.ts'

const rangeBytes = 64 * 1024
type Store = Pick<UnderFileSystem, 'read' | 'gate'>

/** The part of a job worker that copies large blocks: 2 streams, memory for 24 ranges. */
function setUp() {
  const bytes = new Budget('bytes', 24 * rangeBytes)
  const resources = {
    slots: new Budget('slots', 100),
    bytes,
    pieces: new PoisonedPieces() as never,
    rangeBytes,
    rangesAhead: 4,
  }
  const streams = new Budget('streams', 2)
  const pacer = new ReadPacer(systemClock, new DemandGauge())
  const loadOf = (name: string, store: Store, ranges = 4): ((block: number) => Promise<void>) => {
    const lease = { store, renew: async () => false, release: async () => undefined } as unknown as StoreLease
    const pace = pacer.open(name, name)
    const reads = new PacedReads({ lease, outcome: { originBytes: 0 } as never, resources, pace }, never)
    const blocks = new BlockStreams({ streams, pace, lease, signal: never })
    const length = ranges * rangeBytes
    return async (block) =>
      await blocks.run(async (lend) => {
        const piece = pieceOf(fileIdOf(block), `k${block}`, 'v', length, length)
        const header = { offset: 0, length } as never
        for await (const chunk of reads.block(piece, header, 0, false, lend)) expect(chunk.length).toBeGreaterThan(0)
      })
  }
  return { bytes, streams, loadOf }
}

async function* answer({ length }: ReadRequest): AsyncGenerator<Uint8Array> {
  await sleep(5)
  yield new Uint8Array(length)
}

it('a store that fails leaves streams and memory to others', async () => {
  const { bytes, loadOf } = setUp()
  const opened = Promise.withResolvers<void>()
  let waits = 0
  const backOff = (): Promise<void> => {
    waits += 1
    return opened.promise
  }
  const failing = loadOf('failing', {
    // As a reader of ranges backs off.
    async *read({ lend, length }) {
      for (let attempt = 1; attempt <= 4; attempt += 1) await lend?.(backOff)
      if (length > 0) throw new SkeinError('unavailable', 'answered 500')
      yield new Uint8Array(0)
    },
  })
  const failures = Promise.allSettled(Array.from({ length: 24 }, (_, block) => failing(block)))
  // More of them than there are streams.
  await expect.poll(() => waits).toBeGreaterThan(2)
  await sleep(300)
  expect(bytes.used).toBeLessThan(bytes.capacity)
  await loadOf('healthy', { read: answer })(100)
  opened.resolve()
  await failures
  expect(bytes.used).toBe(0)
})

it('a store that asks to slow down while blocks are read leaves its streams to others', async () => {
  const { streams, loadOf } = setUp()
  const opened = Promise.withResolvers<void>()
  const gate = { closed: false, isSlow: false, wait: () => opened.promise }
  const slow = loadOf('slow', { read: answer, gate }, 16)
  const copies = Promise.all([1, 2, 3].map((block) => slow(block)))
  // The first ranges are under way, and succeed; the next ones wait.
  await sleep(1)
  Object.assign(gate, { closed: true, isSlow: true })
  await loadOf('healthy', { read: answer })(100)
  Object.assign(gate, { closed: false, isSlow: false })
  opened.resolve()
  await copies
  expect(streams.used).toBe(0)
})
