// The memory of a large block goes round: not one byte of it may be used again while a sink still
// needs it. The pool spoils whatever is given back, so that a byte given back too early shows in
// the block.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { seededRandom, systemClock } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { DirectoryStore } from '../../../src/block/directory/directory-store.ts'
import { createDataHandlers } from '../../../src/cache-worker/data-handlers.ts'
import { LocalBlockTarget } from '../../../src/cache-worker/local-block-target.ts'
import { createWorkerService } from '../../../src/cache-worker/block-calls.ts'
import type { BlockSink, BlockTarget } from '../../../src/client/write/block-target.ts'
import { HttpBlockTarget } from '../../../src/client/write/http-block-target.ts'
import { ShortCircuitBlockTarget } from '../../../src/client/write/short-circuit-block-target.ts'
import { copyLargeBlock } from '../../../src/job-worker/set/large-block-copy.ts'
import { SetOutcome } from '../../../src/job-worker/set/set-outcome.ts'
import { SetTarget } from '../../../src/job-worker/set/set-targets.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'
import { DataClient } from '../../../src/wire/data/data-client.ts'
import { startDataServer } from '../../../src/wire/data/data-server.ts'
import type { BlockHeader } from '../../../src/wire/generated/worker.ts'
import { noEviction } from '../../conformance/support/block-store-fixture.ts'
import { PoisonedPieces } from '../../support/poisoned-pieces.ts'
import { contentOf, mib, never, pieceOf } from './support/fakes.ts'

let home: string
let store: DirectoryStore
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'skein-piece-reuse-'))
  store = await openStore('cache')
})
afterEach(async () => {
  await store.close()
  await rm(home, { recursive: true })
})

function openStore(name: string): Promise<DirectoryStore> {
  const deps = {
    events: { added: () => undefined, removed: () => undefined },
    clock: systemClock,
    logger: silentLogger,
    metrics: new MetricRegistry(),
  }
  return DirectoryStore.open({
    path: join(home, name),
    tier: 'MEM',
    mediumType: 'MEM',
    quotaBytes: 256 * mib,
    workerId: 'w',
    deps,
  })
}

const length = 23 * mib + 77
const content = contentOf('large', 'v1', length)
const header = (blockId: number): BlockHeader => ({
  blockId,
  length,
  namespaceId: 'n',
  key: 'large',
  etag: 'v1',
  offset: 0,
})

/** The content in pieces of the pool, cut as chance will have it. */
async function* arriving(pieces: PoisonedPieces, seed: number, offset: number): AsyncGenerator<Uint8Array> {
  const random = seededRandom(seed)
  for (let at = offset; at < length;) {
    const piece = pieces.take(Math.min(pieces.pieceBytes, length - at))
    piece.set(content.subarray(at, at + piece.length))
    for (let from = 0; from < piece.length;) {
      const to = Math.min(piece.length, from + 1 + Math.floor(random() * pieces.pieceBytes))
      yield piece.subarray(from, to)
      from = to
    }
    at += piece.length
  }
}

async function copy(
  pieces: PoisonedPieces,
  blockId: number,
  targets: readonly BlockTarget[],
  failAt = Number.POSITIVE_INFINITY,
) {
  const block = {
    piece: pieceOf(1, 'large', 'v1', length, length),
    blockIndex: 0,
    header: header(blockId),
    read: async function* read(offset: number) {
      let at = offset
      for await (const chunk of arriving(pieces, blockId, offset)) {
        if (offset === 0 && at >= failAt) throw new SkeinError('unavailable', 'cut')
        at += chunk.length
        yield chunk
      }
    },
    mayReadOn: () => Promise.resolve(true),
    received: () => undefined,
    settled: (chunk: Uint8Array) => pieces.giveBack(chunk),
  }
  const outcome = new SetOutcome()
  const setTargets = targets.map((target) => new SetTarget(target, outcome))
  await copyLargeBlock(block, setTargets, never)
  return outcome.failures
}

async function isWhole(blockId: number, of = store): Promise<boolean> {
  const reader = await of.open(blockId)
  try {
    return content.equals(await reader.read(0, length, never))
  } finally {
    await reader.close()
  }
}

function shortCircuit(): ShortCircuitBlockTarget {
  const { service } = createWorkerService({
    workerId: 'w',
    hostname: 'h',
    home,
    store,
    eviction: noEviction,
    clock: systemClock,
  })
  const unused = (): never => {
    throw new Error('not over HTTP')
  }
  const http = { workerId: 'w', open: unused, put: unused }
  return new ShortCircuitBlockTarget({
    workerId: 'w',
    worker: service,
    http,
    directoriesOf: async () => store.usage().map(({ path }) => path),
    clock: systemClock,
    logger: silentLogger,
  })
}

test('a few pieces carry a large block into the store, in the process and by the file', async () => {
  const pieces = new PoisonedPieces()
  expect(await copy(pieces, 1, [new LocalBlockTarget('w', store)])).toEqual([])
  const near = shortCircuit()
  expect(await copy(pieces, 2, [near])).toEqual([])
  near.close()
  expect([await isWhole(1), await isWhole(2)]).toEqual([true, true])
  expect(pieces.givenBackBytes).toBe(2 * length)
  // Two writes of a MiB and what has gathered: not the 47 pieces that the block has.
  expect(pieces.idle).toBeLessThan(12)
})

test('the same over the data port, to two workers at once', async () => {
  const other = await openStore('other')
  const metrics = new MetricRegistry()
  const handlers = createDataHandlers({
    store: other,
    metrics,
    clock: systemClock,
    readStore: () => Promise.reject(new SkeinError('unimplemented', 'none')),
  })
  const server = await startDataServer({
    host: '127.0.0.1',
    port: 0,
    handlers,
    logger: silentLogger,
    clock: systemClock,
  })
  const client = new DataClient({ clock: systemClock })
  const pieces = new PoisonedPieces()
  const far = new HttpBlockTarget('o', server.address, client)
  expect(await copy(pieces, 1, [far])).toEqual([])
  expect(await copy(pieces, 2, [new LocalBlockTarget('w', store), far])).toEqual([])
  expect([await isWhole(1, other), await isWhole(2, other), await isWhole(2)]).toEqual([true, true, true])
  expect(pieces.givenBackBytes).toBe(2 * length)
  client.close()
  await server.close(0)
  await other.close()
})

test('a read that is cut in the middle goes on in other memory', async () => {
  const pieces = new PoisonedPieces()
  expect(await copy(pieces, 1, [new LocalBlockTarget('w', store)], 9 * mib)).toEqual([])
  expect(await isWhole(1)).toBe(true)
})

test('beside a sink that keeps all, nothing goes round', async () => {
  const pieces = new PoisonedPieces()
  const kept: Uint8Array[] = []
  let whole = false
  const keeper: BlockSink = {
    write: (chunk) => Promise.resolve(void kept.push(chunk)),
    commit: () => Promise.resolve(void (whole = content.equals(Buffer.concat(kept)))),
    abort: () => Promise.resolve(),
  }
  const keeping: BlockTarget = { workerId: 'k', open: () => Promise.resolve(keeper), put: () => Promise.resolve() }
  expect(await copy(pieces, 1, [new LocalBlockTarget('w', store), keeping])).toEqual([])
  expect([whole, await isWhole(1), pieces.givenBackBytes]).toEqual([true, true, 0])
})

test('once a sink has failed, which may be writing still, nothing goes round any more', async () => {
  const pieces = new PoisonedPieces()
  let written = 0
  const failing: BlockSink = {
    write: (chunk) => {
      written += chunk.length
      return written > 8 * mib ? Promise.reject(new SkeinError('unavailable', 'gone')) : Promise.resolve()
    },
    commit: () => Promise.resolve(),
    abort: () => Promise.resolve(),
    get settledBytes() {
      return written - mib
    },
  }
  const target: BlockTarget = { workerId: 'f', open: () => Promise.resolve(failing), put: () => Promise.resolve() }
  expect(await copy(pieces, 1, [new LocalBlockTarget('w', store), target])).toHaveLength(1)
  expect(await isWhole(1)).toBe(true)
  expect(pieces.givenBackBytes).toBeGreaterThan(0)
  expect(pieces.givenBackBytes).toBeLessThan(8 * mib)
})

test('a byte that is given back too early would be found', async () => {
  const pieces = new PoisonedPieces()
  const inner = new LocalBlockTarget('w', store)
  const hasty: BlockTarget = {
    workerId: 'w',
    put: () => Promise.resolve(),
    open: async (of, signal) => {
      const sink = await inner.open(of, signal)
      if (sink === undefined) return undefined
      return {
        write: (chunk) => sink.write(chunk),
        commit: () => sink.commit(),
        abort: () => sink.abort(),
        settledBytes: Number.POSITIVE_INFINITY,
      }
    },
  }
  await copy(pieces, 1, [hasty])
  await expect(isWhole(1)).rejects.toThrow(/checksum/)
})
