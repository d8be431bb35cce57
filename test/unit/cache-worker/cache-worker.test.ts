// Why: the worker's planes over a real store: the short circuit's calls, the data port's handlers,
// the target in-process.
import { writeFile } from 'node:fs/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { pageChecksums } from '../../../src/base/page-checksum.ts'
import {
  bytesOf,
  headerOf,
  mebibyte,
  never,
  readWhole,
  usedBytesOf,
} from '../../conformance/support/block-store-fixture.ts'
import { addresses, makeWorker } from './support/worker-fixture.ts'

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

async function made(...options: Parameters<typeof makeWorker>) {
  const parts = await makeWorker(...options)
  cleanups.push(parts.close)
  return { ...parts, service: parts.worker.workerService, data: parts.worker.dataHandlers }
}
const call = { signal: never }

async function* inPieces(bytes: Buffer, pieceBytes: number, failAt = Infinity): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    if (at >= failAt) throw new SkeinError('cancelled', 'the client went away')
    yield bytes.subarray(at, at + pieceBytes)
  }
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}

describe('the worker service', () => {
  test('a block is reserved, written by another, committed, and committed again', async () => {
    const { service, store } = await made()
    const bytes = bytesOf(mebibyte + 1, 1)
    const reserved = await service.reserveBlock({ header: headerOf(1, bytes.length), mediumHint: '' }, call)
    expect(reserved.alreadyThere).toBe(false)
    await writeFile(reserved.path, bytes)
    const commit = { blockId: 1, reservation: reserved.reservation, pageChecksums: pageChecksums(bytes) }
    await service.commitBlock(commit, call)
    await service.commitBlock(commit, call)
    await service.abortBlock({ blockId: 1, reservation: reserved.reservation }, call)
    expect((await readWhole(store, 1)).equals(bytes)).toBe(true)
    expect(await service.reserveBlock({ header: headerOf(1, bytes.length), mediumHint: '' }, call)).toEqual({
      alreadyThere: true,
      path: '',
      reservation: '',
    })
    await service.freeBlocks({ blockIds: [1, 2] }, call)
    expect(store.blockCount).toBe(0)
  })

  test('blocks that a load counts on are held in the store, and those that are not there are said', async () => {
    const { service, store } = await made()
    const put = (id: number): Promise<void> =>
      store.put(headerOf(id, 12 * mebibyte), Buffer.alloc(12 * mebibyte), { evict: true })
    for (const id of [1, 2]) await put(id)
    const hold = (runningLoads: string[], blockIds: number[], before: number) =>
      service.holdBlocks({ loadId: 'L1', blockIds, runningLoads, before }, call)
    expect(await hold(['L1'], [1, 9], 2)).toEqual({ missing: [9] })
    await put(3)
    expect([1, 2, 3].map((id) => store.has(id))).toEqual([true, false, true])
    await hold([], [], 2)
    await put(4)
    expect([1, 3, 4].map((id) => store.has(id))).toEqual([false, true, true])
  })

  test('a commit without bytes fails and gives the room back; one without a reservation too', async () => {
    const { service, store } = await made()
    const { reservation } = await service.reserveBlock({ header: headerOf(1, 10), mediumHint: '' }, call)
    await expect(service.commitBlock({ blockId: 2, reservation, pageChecksums: [1] }, call)).rejects.toMatchObject({
      code: 'invalid_argument',
    })
    await expect(service.commitBlock({ blockId: 1, reservation, pageChecksums: [1] }, call)).rejects.toMatchObject({
      code: 'data_loss',
    })
    await expect(service.commitBlock({ blockId: 1, reservation, pageChecksums: [1] }, call)).rejects.toMatchObject({
      code: 'aborted',
      reason: 'reservation_ended',
      retryable: true,
    })
    expect(usedBytesOf(store)).toBe(0)
    await expect(service.reserveBlock({ header: undefined, mediumHint: '' }, call)).rejects.toMatchObject({
      code: 'invalid_argument',
    })
  })

  test('an abort comes twice and means once', async () => {
    const { service, store } = await made()
    const { reservation } = await service.reserveBlock({ header: headerOf(1, 10), mediumHint: '' }, call)
    for (let time = 0; time < 2; time += 1) await service.abortBlock({ blockId: 1, reservation }, call)
    expect(usedBytesOf(store)).toBe(0)
  })

  /** Lets the sweep, which may be anywhere in its loop, come round a few times. */
  async function sweeping(clock: { passMs(ms: number): void }, done: () => boolean): Promise<void> {
    for (let round = 0; round < 100 && !done(); round += 1) {
      clock.passMs(2)
      await systemClock.sleep(5, never)
    }
    expect(done()).toBe(true)
  }

  test('reservations that are not renewed are swept, renewed ones are not', async () => {
    const { service, store, worker, deps } = await made({ reservationMs: 1000, sweepMs: 2 })
    const silent = await service.reserveBlock({ header: headerOf(1, 10), mediumHint: '' }, call)
    const renewed = await service.reserveBlock({ header: headerOf(2, 10), mediumHint: '' }, call)
    worker.start(addresses, never)
    deps.clock.passMs(999)
    await service.renewReservations({ reservations: [renewed.reservation, 'nobody'] }, call)
    deps.clock.passMs(1)
    await sweeping(deps.clock, () => store.reservedBytes === 10)
    await expect(
      service.commitBlock({ blockId: 1, reservation: silent.reservation, pageChecksums: [] }, call),
    ).rejects.toMatchObject({
      code: 'aborted',
    })
    await service.abortBlock({ blockId: 2, reservation: renewed.reservation }, call)
  })

  test('a block that comes another way is nobody’s to sweep, however long its writer waits for a store', async () => {
    const { service, store, worker, deps } = await made({ reservationMs: 1000, sweepMs: 2 })
    const waiting = await store.reserve(headerOf(1, 10))
    await service.reserveBlock({ header: headerOf(2, 10), mediumHint: '' }, call)
    worker.start(addresses, never)
    deps.clock.passMs(600_000)
    await sweeping(deps.clock, () => store.reservedBytes === 10)
    await waiting.write(bytesOf(10, 1))
    await waiting.commit()
    expect(store.has(1)).toBe(true)
  })

  test('its status adds the directories up', async () => {
    const { service, store } = await made()
    await store.put(headerOf(1, 10), bytesOf(10, 1))
    await service.reserveBlock({ header: headerOf(2, 5), mediumHint: '' }, call)
    expect(await service.getWorkerStatus({}, call)).toMatchObject({
      workerId: 'worker-1',
      hostname: 'host-1',
      blocks: 1,
      usedBytes: 15,
      reservedBytes: 5,
      capacityBytes: 32 * mebibyte,
    })
  })
})

describe('the data handlers', () => {
  test.each([
    [0, undefined],
    [0, 0],
    [1, 10],
    [mebibyte - 1, 2],
    [5, 2 * mebibyte],
    [3 * mebibyte, undefined],
  ] as const)('read from %i, %s bytes', async (offset, length) => {
    const { data, store } = await made()
    const bytes = bytesOf(3 * mebibyte + 9, 1)
    await store.put(headerOf(1, bytes.length), bytes)
    const answer = await data.read(1, offset, length, never)
    const expected = bytes.subarray(offset, length === undefined ? undefined : offset + length)
    expect(answer.header).toEqual(headerOf(1, bytes.length))
    expect(answer.length).toBe(expected.length)
    expect((await collect(answer.chunks)).equals(expected)).toBe(true)
  })

  test('a read that cannot be is refused before anything is promised', async () => {
    const { data, store, service } = await made()
    await store.put(headerOf(1, 10), bytesOf(10, 1))
    await expect(data.read(2, 0, 1, never)).rejects.toMatchObject({ code: 'not_found' })
    for (const [offset, length] of [
      [11, undefined],
      [0, 11],
      [5, 6],
    ] as const) {
      await expect(data.read(1, offset, length, never)).rejects.toMatchObject({ code: 'invalid_argument' })
    }
    await expect(data.read(1, 0, 1, AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' })
    const reserved = await service.reserveBlock({ header: headerOf(3, 4), mediumHint: '' }, call)
    await writeFile(reserved.path, 'rots')
    await service.commitBlock({ blockId: 3, reservation: reserved.reservation, pageChecksums: [1] }, call)
    await expect(data.read(3, 0, undefined, never)).rejects.toMatchObject({ code: 'data_loss' })
    expect(store.has(3)).toBe(false)
  })

  test('a read that is stopped half-way or aborted ends', async () => {
    const { data, store } = await made()
    await store.put(headerOf(1, 5 * mebibyte), bytesOf(5 * mebibyte, 1))
    const stopped = await data.read(1, 0, undefined, never)
    for await (const chunk of stopped.chunks) {
      expect(chunk).toHaveLength(2 * mebibyte)
      break
    }
    const abort = new AbortController()
    const aborted = await data.read(1, 0, undefined, abort.signal)
    const reading = (async () => {
      for await (const _ of aborted.chunks) abort.abort()
    })()
    await expect(reading).rejects.toMatchObject({ code: 'cancelled' })
  })

  test('a body becomes a block; a second one of it is refused without being read', async () => {
    const { data, store } = await made()
    const bytes = bytesOf(2 * mebibyte + 3, 1)
    await data.receive(headerOf(1, bytes.length), inPieces(bytes, 65_536), never)
    expect((await readWhole(store, 1)).equals(bytes)).toBe(true)
    let asked = false
    const body = (async function* () {
      asked = true
      yield bytes
    })()
    await expect(data.receive(headerOf(1, bytes.length), body, never)).rejects.toMatchObject({
      code: 'already_exists',
      reason: 'committed',
    })
    expect(asked).toBe(false)
  })

  test('an open-ended body becomes a block of the bytes that came', async () => {
    const { data, store } = await made()
    const bytes = bytesOf(300_001, 1)
    await data.receive(headerOf(1, mebibyte), inPieces(bytes, 65_536), never, { openEnded: true })
    expect((await readWhole(store, 1)).equals(bytes)).toBe(true)
    expect(usedBytesOf(store)).toBe(bytes.length)
  })

  test.each([
    ['breaks', { failAt: 100_000, extra: 0 }, 'cancelled'],
    ['is short', { failAt: Infinity, extra: 1 }, 'data_loss'],
    ['is long', { failAt: Infinity, extra: -1 }, 'invalid_argument'],
  ])('a body that %s leaves nothing', async (_, { failAt, extra }, code) => {
    const { data, store } = await made()
    const bytes = bytesOf(300_000, 1)
    await expect(
      data.receive(headerOf(1, bytes.length + extra), inPieces(bytes, 65_536, failAt), never),
    ).rejects.toMatchObject({ code })
    expect([store.has(1), usedBytesOf(store)]).toEqual([false, 0])
  })

  test('small blocks are answered one by one', async () => {
    const { data, store } = await made()
    await store.put(headerOf(1, 10), bytesOf(10, 1))
    const results = await data.receiveSmall([
      { header: headerOf(1, 10), bytes: bytesOf(10, 1) },
      { header: headerOf(2, 10), bytes: bytesOf(10, 2) },
      { header: headerOf(3, 10), bytes: bytesOf(9, 3) },
      { header: headerOf(4, 100 * mebibyte), bytes: Buffer.alloc(100 * mebibyte) },
    ])
    expect(results.map((error) => error?.reason ?? error?.code)).toEqual([
      undefined,
      undefined,
      'invalid_argument',
      'no_capacity',
    ])
    expect((await readWhole(store, 2)).equals(bytesOf(10, 2))).toBe(true)
  })
})

describe('the target in the same process', () => {
  test('writes, puts, and takes a block that is there for success', async () => {
    const { worker, store } = await made()
    const target = worker.localTarget
    const bytes = bytesOf(2 * mebibyte, 1)
    const sink = await target.open(headerOf(1, bytes.length), never)
    for await (const piece of inPieces(bytes, 65_536)) await sink?.write(piece)
    await sink?.commit()
    expect((await readWhole(store, 1)).equals(bytes)).toBe(true)
    expect(await target.open(headerOf(1, bytes.length), never)).toBeUndefined()
    for (let time = 0; time < 2; time += 1) await target.put({ header: headerOf(2, 10), bytes: bytesOf(10, 2) }, never)
    expect(target.workerId).toBe('worker-1')
    await expect(target.open(headerOf(3, 100 * mebibyte), never)).rejects.toMatchObject({ reason: 'no_capacity' })
    await expect(target.put({ header: headerOf(4, 10), bytes: bytesOf(9, 4) }, never)).rejects.toMatchObject({
      code: 'invalid_argument',
    })
    await expect(target.open(headerOf(5, 10), AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' })
  })

  test('an aborted sink leaves nothing', async () => {
    const { worker, store } = await made()
    const stop = new AbortController()
    const sink = await worker.localTarget.open(headerOf(1, 10), stop.signal)
    await sink?.write(bytesOf(5, 1))
    stop.abort()
    await expect(sink?.write(bytesOf(5, 1))).rejects.toMatchObject({ code: 'cancelled' })
    await expect(sink?.commit()).rejects.toMatchObject({ code: 'cancelled' })
    await sink?.abort()
    expect(usedBytesOf(store)).toBe(0)
  })
})
