// Files that are cached nowhere, read through workers that fail in every way; and once with the
// real parts end to end.
import { afterEach, describe, expect, test } from 'vitest'
import { blockIdOf, fileIdOf } from '../../../src/base/block-id.ts'
import { type Clock, seededRandom, systemClock, throwIfAborted } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { createStoreReads } from '../../../src/cache-worker/reads/store-reads.ts'
import { FileReader, type OriginReader } from '../../../src/client/read/file-reader.ts'
import { WorkerOriginReader } from '../../../src/client/read/worker-origin-reader.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { DataClient } from '../../../src/wire/data/data-client.ts'
import type { StoreReadRequest } from '../../../src/wire/data/data-plane.ts'
import { startDataServer } from '../../../src/wire/data/data-server.ts'
import { FileInfo, OpenFileResponse, WorkerInfo } from '../../../src/wire/generated/master.ts'
import { contentOf, FakeStore } from '../job-worker/support/fakes.ts'

const never = new AbortController().signal
const content = contentOf('k', 'v1', 1000)
const file = FileInfo.fromPartial({
  fileId: fileIdOf(3),
  path: '/ns/k',
  namespaceId: 'n1',
  key: 'k',
  etag: 'v1',
  length: 1000,
  blockSizeBytes: 1000,
})
const workerOf = (id: string, live = true): WorkerInfo =>
  WorkerInfo.fromPartial({ workerId: id, hostname: `host-${id}`, dataAddress: id, live })
const unavailable = (message = 'cut'): SkeinError => new SkeinError('unavailable', message)

/** One turn of a worker: so many bytes, then an error if there is one. */
interface Turn {
  readonly bytes?: number
  readonly error?: SkeinError
}

function house(
  workers: readonly WorkerInfo[],
  turns: Record<string, Turn[]>,
  direct?: { readonly reader: OriginReader; readonly clock: Pick<Clock, 'monotonicMs'> },
) {
  const asked: { worker: string; offset: number; length: number }[] = []
  let open = 0
  async function* readStore(
    worker: string,
    request: StoreReadRequest,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const { offset, length, ...object } = request
    expect(object).toEqual({ namespaceId: 'n1', key: 'k', etag: 'v1' })
    asked.push({ worker, offset, length })
    open += 1
    try {
      const { bytes = 0, error } = turns[worker]?.shift() ?? { bytes: length }
      const end = offset + Math.min(length, bytes)
      for (let at = offset; at < end; at += 64) {
        throwIfAborted(signal)
        yield content.subarray(at, Math.min(end, at + 64))
      }
      if (error !== undefined) throw error
    } finally {
      open -= 1
    }
  }
  const reader = new WorkerOriginReader({
    master: { listWorkers: async () => ({ workers: [...workers] }) },
    data: { readStore },
    hostname: 'host-c',
    direct: direct?.reader,
    clock: direct?.clock ?? systemClock,
    logger: silentLogger,
  })
  const take = async (offset = 0, length = content.length, signal = never) => {
    const all: Uint8Array[] = []
    try {
      for await (const chunk of reader.readOrigin(file, offset, length, signal)) all.push(Buffer.from(chunk))
      return { bytes: Buffer.concat(all), error: undefined }
    } catch (error) {
      return { bytes: Buffer.concat(all), error }
    }
  }
  return { reader, asked, take, open: () => open, order: () => asked.map(({ worker }) => worker) }
}

describe('WorkerOriginReader', () => {
  test('asks the worker of its own host, for exactly the range', async () => {
    for (const names of [
      ['a', 'b', 'c'],
      ['c', 'b', 'a'],
    ]) {
      const { take, asked } = house(
        names.map((id) => workerOf(id)),
        {},
      )
      const { bytes, error } = await take(100, 333)
      expect(error).toBeUndefined()
      expect(bytes.equals(content.subarray(100, 433))).toBe(true)
      expect(asked).toEqual([{ worker: 'c', offset: 100, length: 333 }])
    }
  })

  test('asks one worker of another host per block, others for others, a decommissioned one last', async () => {
    const first = new Set<string>()
    const emptied = { ...workerOf('e'), decommissioning: true }
    for (let id = 1; id <= 40; id += 1) {
      const asked = new Set<string>()
      for (const names of [
        ['a', 'b', 'd'],
        ['d', 'a', 'b'],
      ]) {
        const { reader, order } = house([emptied, ...names.map((name) => workerOf(name))], {})
        const other = { ...file, fileId: fileIdOf(id) }
        for await (const chunk of reader.readOrigin(other, 0, 1000, never)) expect(chunk.length).toBeGreaterThan(0)
        expect(order().length).toBe(1)
        asked.add(order()[0] ?? '')
      }
      expect(asked.size).toBe(1)
      for (const name of asked) first.add(name)
    }
    expect([...first].sort()).toEqual(['a', 'b', 'd'])
  })

  test('says which block it reads where the worker may keep it', async () => {
    const named: unknown[] = []
    const reader = new WorkerOriginReader({
      master: { listWorkers: async () => ({ workers: [workerOf('c')] }) },
      data: {
        readStore: async function* (_address, { block }) {
          named.push(block)
          yield Buffer.alloc(100)
        },
      },
      hostname: 'host-c',
      clock: systemClock,
      logger: silentLogger,
    })
    const persisted = { ...file, blockSizeBytes: 400, persistenceState: 'PERSISTED', replicationMax: -1 }
    const asked = [persisted, { ...persisted, replicationMax: 0 }, { ...persisted, persistenceState: 'NOT_PERSISTED' }]
    for (const one of asked)
      for await (const chunk of reader.readOrigin(one, 850, 100, never)) expect(chunk.length).toBe(100)
    expect(named).toEqual([{ blockId: blockIdOf(file.fileId, 2), offset: 800, length: 200 }, undefined, undefined])
  })

  test('goes on with the next worker after the last byte that came', async () => {
    const cut = { bytes: 400, error: unavailable() }
    const { take, asked, open } = house([workerOf('c'), workerOf('a')], { c: [cut] })
    const { bytes, error } = await take(10, 900)
    expect(error).toBeUndefined()
    expect(bytes.equals(content.subarray(10, 910))).toBe(true)
    expect(asked).toEqual([
      { worker: 'c', offset: 10, length: 900 },
      { worker: 'a', offset: 410, length: 500 },
    ])
    expect(open()).toBe(0)
  })

  test('a worker that brought bytes is asked again, one that brought none is not', async () => {
    const { take, order } = house([workerOf('c'), workerOf('a')], {
      c: [
        { bytes: 100, error: unavailable() },
        { bytes: 200, error: unavailable() },
      ],
      a: [{ error: new SkeinError('deadline_exceeded', 'stalled') }],
    })
    expect((await take()).bytes.equals(content)).toBe(true)
    expect(order()).toEqual(['c', 'a', 'c', 'c'])
  })

  test('learns from the same worker why the bytes were cut', async () => {
    const changed = new SkeinError('aborted', 'changed', { reason: 'object_changed', retryable: false })
    const { take, order } = house([workerOf('c')], { c: [{ bytes: 64, error: unavailable() }, { error: changed }] })
    const { bytes, error } = await take()
    expect(bytes.length).toBe(64)
    expect(error).toBe(changed)
    expect(order()).toEqual(['c', 'c'])
  })

  test.each([
    'not_found',
    'aborted',
    'permission_denied',
    'unauthenticated',
    'failed_precondition',
    'data_loss',
  ] as const)('takes %s of the first worker for the store’s answer', async (code) => {
    const error = new SkeinError(code, 'the store said so')
    const { take, order } = house([workerOf('c'), workerOf('a')], { c: [{ error }] })
    expect((await take()).error).toBe(error)
    expect(order()).toEqual(['c'])
  })

  test('says what the last worker failed with, and asks each one once', async () => {
    const { take, order } = house(
      ['a', 'b', 'c'].map((id) => workerOf(id)),
      {
        a: [{ error: unavailable('from a') }],
        b: [{ error: unavailable('from b') }],
        c: [{ error: new SkeinError('unimplemented', 'too old') }],
      },
    )
    const { error } = await take()
    expect(order()[0]).toBe('c')
    expect(order().toSorted()).toEqual(['a', 'b', 'c'])
    expect(error).toMatchObject({ code: 'unavailable', message: `from ${order()[2]}` })
  })

  test('says that no worker is live, and asks no dead one', async () => {
    for (const workers of [[], [workerOf('c', false), workerOf('a', false)]]) {
      const { take, asked } = house(workers, {})
      expect((await take()).error).toMatchObject({
        code: 'unavailable',
        message: 'no live worker can read /ns/k from its store',
      })
      expect(asked).toEqual([])
    }
  })

  describe('with a direct reader', () => {
    const gone = (reason = 'unreachable'): SkeinError => new SkeinError('unavailable', 'gone', { reason })
    function direct(error?: SkeinError) {
      const asked: { offset: number; length: number }[] = []
      let nowMs = 0
      const reader: OriginReader = {
        readOrigin: async function* readOrigin(_file, offset, length) {
          asked.push({ offset, length })
          if (error !== undefined) throw error
          yield content.subarray(offset, offset + length)
        },
      }
      return { asked, reader, clock: { monotonicMs: () => nowMs }, pass: (ms: number) => (nowMs += ms) }
    }

    test('goes on by itself after the last byte, when no worker answers any more', async () => {
      for (const reason of ['unreachable', 'connection_lost', 'body_cut', 'stalled', 'stopping']) {
        const own = direct()
        const { take } = house([workerOf('c')], { c: [{ bytes: 128, error: gone(reason) }, { error: gone() }] }, own)
        const { bytes, error } = await take(10, 900)
        expect(error).toBeUndefined()
        expect(bytes.equals(content.subarray(10, 910))).toBe(true)
        expect(own.asked).toEqual([{ offset: 138, length: 772 }])
      }
      const own = direct()
      expect((await house([workerOf('c', false)], {}, own).take()).bytes.equals(content)).toBe(true)
    })

    test('does not ask the store again where a worker has said what the store says', async () => {
      const own = direct()
      for (const error of [
        new SkeinError('aborted', 'changed', { reason: 'object_changed' }),
        new SkeinError('not_found', 'no object'),
        new SkeinError('unavailable', 'the store is down', { reason: 'SlowDown' }),
      ])
        expect((await house([workerOf('c')], { c: [{ error }] }, own).take()).error).toBe(error)
      expect(own.asked).toEqual([])
    })

    test('what the store says is the answer', async () => {
      const changed = new SkeinError('aborted', 'changed', { reason: 'object_changed' })
      expect((await house([], {}, direct(changed)).take()).error).toBe(changed)
    })

    test('leaves a worker alone for a moment, and uses it again afterwards', async () => {
      const own = direct()
      const { take, order } = house([workerOf('c')], { c: [{ error: gone() }] }, own)
      await take()
      await take()
      expect(order()).toEqual(['c'])
      own.pass(2001)
      expect((await take()).bytes.equals(content)).toBe(true)
      expect(order()).toEqual(['c', 'c'])
      expect(own.asked.length).toBe(2)
    })
  })

  test('a reader that leaves ends the read; an abort is not taken for a failed worker', async () => {
    const { reader, open, order } = house([workerOf('c'), workerOf('a')], {})
    for await (const chunk of reader.readOrigin(file, 0, 1000, never)) {
      expect(chunk.length).toBe(64)
      expect(open()).toBe(1)
      break
    }
    expect(open()).toBe(0)
    const leave = new AbortController()
    const aborted = async (): Promise<void> => {
      for await (const chunk of reader.readOrigin(file, 0, 1000, leave.signal))
        leave.abort(new SkeinError('cancelled', `after ${chunk.length}`))
    }
    await expect(aborted()).rejects.toMatchObject({ code: 'cancelled', message: 'after 64' })
    expect(order()).toEqual(['c', 'c'])
    expect(open()).toBe(0)
  })
})

describe('a file that is cached nowhere', () => {
  const cleanups: (() => Promise<void> | void)[] = []
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
  })

  async function startWorker(workerId: string, store: FakeStore) {
    const unused = (): never => {
      throw new Error('not used')
    }
    const reads = createStoreReads({
      openStore: async () => store,
      clock: systemClock,
      limits: { rangeBytes: 256 * 1024 },
    })
    const handlers = { read: unused, receive: unused, receiveSmall: unused, readStore: reads.readStore }
    const server = await startDataServer({
      host: '127.0.0.1',
      port: 0,
      handlers,
      logger: silentLogger,
      clock: systemClock,
    })
    cleanups.push(() => server.close(0).then(() => reads.close()))
    const info = WorkerInfo.fromPartial({
      workerId,
      hostname: `host-${workerId}`,
      dataAddress: server.address,
      live: true,
    })
    return { info, stop: () => server.close(0) }
  }

  async function readFile(
    onChunk: (got: number) => Promise<void>,
    stores: { near: FakeStore; far: FakeStore },
    length: number,
  ) {
    const near = await startWorker('near', stores.near)
    const far = await startWorker('far', stores.far)
    const data = new DataClient({ clock: systemClock })
    cleanups.push(() => data.close())
    const options = { data, hostname: 'host-near', random: seededRandom(1), clock: systemClock, logger: silentLogger }
    const origin = new WorkerOriginReader({
      ...options,
      master: { listWorkers: async () => ({ workers: [far.info, near.info] }) },
    })
    const opened = OpenFileResponse.fromPartial({ file: { ...file, length, blockSizeBytes: 1_000_000 } })
    const master = { openFile: async () => opened, refreshFile: async () => ({ file: undefined }) }
    const all: Uint8Array[] = []
    let got = 0
    for await (const chunk of new FileReader({ ...options, master, origin }).read('/ns/k', never)) {
      all.push(Buffer.from(chunk))
      got += chunk.length
      await onChunk(got)
      if (got > 1_200_000) await near.stop()
    }
    return Buffer.concat(all)
  }

  test('comes byte for byte through workers, also when one of them stops in the middle', async () => {
    const length = 5_000_007
    const stores = { near: new FakeStore(), far: new FakeStore() }
    for (const store of [stores.near, stores.far]) store.put('k', 'v1', length)
    const bytes = await readFile(async () => undefined, stores, length)
    expect(bytes.equals(contentOf('k', 'v1', length))).toBe(true)
    expect(stores.near.readBytes).toBeGreaterThan(1_000_000)
    expect(stores.far.readBytes).toBeGreaterThan(1_000_000)
    for (const store of [stores.near, stores.far]) expect(store.openReads).toBe(0)
  })

  test('that changes in the middle of a block ends with that error and no byte of the new version', async () => {
    const length = 3_000_000
    const stores = { near: new FakeStore(), far: new FakeStore() }
    for (const store of [stores.near, stores.far]) store.put('k', 'v1', length)
    const received: number[] = []
    const reading = readFile(
      async (got) => {
        received.push(got)
        for (const store of [stores.near, stores.far]) store.put('k', 'v2', length)
      },
      stores,
      length,
    )
    await expect(reading).rejects.toMatchObject({ code: 'aborted', reason: 'object_changed' })
    expect(received.length).toBeGreaterThan(0)
    for (const store of [stores.near, stores.far]) expect(store.openReads).toBe(0)
  })
})
