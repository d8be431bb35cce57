// A task runner with everything around it faked, and the checks that every test of it ends with.
import { expect } from 'vitest'
import { blockIdOf, fileIdOf } from '../../../../src/base/block-id.ts'
import { Budget } from '../../../../src/base/flow/budget.ts'
import { seededRandom, systemClock } from '../../../../src/base/clock.ts'
import { DemandGauge } from '../../../../src/base/flow/demand-gauge.ts'
import { StoreCache } from '../../../../src/ufs/store-cache.ts'
import { ReadPacer } from '../../../../src/job-worker/pace/read-pacer.ts'
import type { CachedBlocks } from '../../../../src/job-worker/set/set-verify.ts'
import { TaskRunner } from '../../../../src/job-worker/task-runner.ts'
import { silentLogger } from '../../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../../src/telemetry/registry.ts'
import type { SetPiece } from '../../../../src/wire/generated/job.ts'
import {
  expectedBlock,
  FakeJobMaster,
  FakeMaster,
  FakeStore,
  FakeTarget,
  hurriedClock,
  mib,
  noCachedBlocks,
  pieceOf,
} from './fakes.ts'
import { PoisonedPieces } from '../../../support/poisoned-pieces.ts'

export function house(options: { slots?: number; bytes?: number; streams?: number; cached?: CachedBlocks } = {}) {
  const store = new FakeStore()
  const stores: FakeStore[] = []
  const jobMaster = new FakeJobMaster()
  const master = new FakeMaster()
  const targets = { a: new FakeTarget('a'), b: new FakeTarget('b') }
  const slots = new Budget('slots', options.slots ?? 4)
  const bytes = new Budget('bytes', options.bytes ?? 8 * mib)
  const cache = new StoreCache({
    openStore: async () => {
      stores.push(store)
      return store
    },
    clock: hurriedClock,
    idleStoresMax: 2,
    renewPauseMs: 60_000,
  })
  const runner = new TaskRunner({
    jobWorkerId: 'jw',
    jobMaster: jobMaster.service,
    master: master.service,
    link: { session: '', replaceIfLost: async () => false },
    stores: cache,
    targets: { targetFor: ({ workerId }) => (workerId === 'a' ? targets.a : targets.b) },
    cached: options.cached ?? noCachedBlocks,
    tuner: undefined,
    resources: {
      slots,
      smallSlots: slots,
      bytes,
      pieces: new PoisonedPieces(),
      streams: new Budget('streams', options.streams ?? 64),
      rangeBytes: 256 * 1024,
      rangesAhead: 4,
      smallBlockBytes: mib,
    },
    pacer: new ReadPacer(systemClock, new DemandGauge()),
    clock: hurriedClock,
    random: seededRandom(1),
    logger: silentLogger,
    metrics: new MetricRegistry(),
  })
  const add = (pieces: SetPiece[], workers = ['a', 'b']): void => {
    for (const { key, etag, length } of pieces) store.put(key, etag, length)
    jobMaster.sets.set(1, { pieces, targets: workers })
  }
  const expectNothingLeft = (): void => {
    expect(targets.a.openSinks + targets.b.openSinks).toBe(0)
    expect(store.openReads).toBe(0)
    expect([slots.used, bytes.used, slots.waiting, bytes.waiting]).toEqual([0, 0, 0, 0])
    expect(runner.running()).toEqual([])
  }
  const expectHas = (target: FakeTarget, piece: SetPiece, index: number): void => {
    const block = target.blocks.get(blockIdOf(piece.fileId, index))
    expect(block?.bytes.equals(expectedBlock(piece, index))).toBe(true)
    expect(block?.header).toMatchObject({
      key: piece.key,
      etag: piece.etag,
      offset: index * piece.blockSizeBytes,
      namespaceId: 'n1',
    })
  }
  return { store, stores, jobMaster, master, targets, slots, bytes, runner, add, expectNothingLeft, expectHas }
}

export const large = pieceOf(fileIdOf(1), 'large', 'v1', 5 * mib + 123, 2 * mib)
export const smalls = Array.from({ length: 40 }, (_, index) =>
  pieceOf(fileIdOf(100 + index), `small-${index}`, 'v1', 1 + index * 999, 2 * mib),
)

export const byFirst = ([a]: readonly unknown[], [b]: readonly unknown[]): number => Number(a) - Number(b)
