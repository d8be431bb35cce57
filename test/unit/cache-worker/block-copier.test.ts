// Copies over a real store; the other worker is in the test's hands.
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { BlockStore } from '../../../src/block/block-store.ts'
import { openBlockStore } from '../../../src/block/assembly/multi-directory-store.ts'
import { BlockCopier, type BlockCopierDependencies } from '../../../src/cache-worker/blocks/block-copier.ts'
import { createLogger } from '../../../src/telemetry/logger.ts'
import {
  bytesOf,
  headerOf,
  mebibyte,
  readWhole,
  type StoreDependencies,
  storeDependencies,
  temporaryFolder,
  usedBytesOf,
} from '../../conformance/support/block-store-fixture.ts'
import { until } from './support/worker-fixture.ts'

/** A worker with every block, each of so many bytes. */
class Source {
  blockBytes = 100_000
  asked: string[] = []
  running = 0
  runningMost = 0
  closed = 0
  /** Bytes after which the connection breaks. */
  breakAt = Number.POSITIVE_INFINITY
  failure: SkeinError | undefined
  said: { durable?: boolean } = {}
  hold: Promise<void> = Promise.resolve()

  async readWhole(address: string, blockId: number, signal: AbortSignal) {
    this.asked.push(`${blockId} at ${address}`)
    if (this.failure !== undefined) throw this.failure
    this.running += 1
    this.runningMost = Math.max(this.runningMost, this.running)
    const bytes = bytesOf(this.blockBytes, blockId)
    const close = (): void => {
      this.running -= 1
      this.closed += 1
    }
    return { header: { ...headerOf(blockId, bytes.length), ...this.said }, chunks: this.#chunks(bytes, signal), close }
  }

  async *#chunks(bytes: Buffer, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 30_000) {
      if (!signal.aborted)
        await Promise.race([this.hold, new Promise((resolve) => signal.addEventListener('abort', resolve))])
      if (signal.aborted) throw new SkeinError('cancelled', 'stopped')
      if (at >= this.breakAt) throw new SkeinError('unavailable', 'the body was cut', { reason: 'body_cut' })
      yield bytes.subarray(at, at + 30_000)
    }
  }
}

let source: Source
let store: BlockStore
let deps: StoreDependencies
let copier: BlockCopier
let again: number[]
let logs: string[]
const cleanups: (() => Promise<void>)[] = []

async function open(options: Partial<BlockCopierDependencies> = {}, quotaBytes = 16 * mebibyte): Promise<void> {
  const folder = await temporaryFolder()
  deps = storeDependencies()
  const directories = [{ path: join(folder.path, 'a'), tier: 'SSD', mediumType: 'SSD', quotaBytes }]
  const opened = await openBlockStore({ directories, workerId: 'w', ...deps })
  const log = createLogger(
    'info',
    (line) => logs.push(line),
    () => 0,
  )
  const made = new BlockCopier({
    store: opened,
    data: source,
    reportAgain: (blockId) => void again.push(blockId),
    clock: deps.clock,
    logger: log,
    ...options,
  })
  store = opened
  copier = made
  cleanups.push(async () => {
    await made.close()
    await opened.close()
    await folder.remove()
  })
}
const copy = (blockId: number, sourceDataAddress = 'other:1') => ({ blockId, sourceDataAddress, durable: false })

beforeEach(() => {
  source = new Source()
  again = []
  logs = []
})
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

describe('the block copier', () => {
  it('fetches what it is told of, whole and once, however often it is told', async () => {
    await open()
    let release = (): void => undefined
    source.hold = new Promise((resolve) => (release = resolve))
    copier.add([copy(1), copy(2)])
    await until(() => source.running === 2)
    copier.add([copy(1), copy(2)])
    release()
    await until(() => store.blockCount === 2)
    for (const blockId of [1, 2]) expect((await readWhole(store, blockId)).equals(bytesOf(100_000, blockId))).toBe(true)
    expect(source.asked.sort()).toEqual(['1 at other:1', '2 at other:1'])
    await until(() => source.closed === 2)
    copier.add([copy(1)])
    expect(again).toEqual([1])
    expect(deps.events.lines.sort()).toEqual(['+1', '+2'])
  })

  it('fetches a block that it is told of at the very moment that it ends', async () => {
    for (let moment = 0; moment < 30; moment += 1) {
      const asked: number[] = []
      const data = {
        readWhole: (_address: string, blockId: number) => {
          asked.push(blockId)
          return Promise.reject(new SkeinError('already_exists', 'being written'))
        },
      }
      await open({ data })
      copier.add([copy(1)])
      for (let step = 0; step < moment; step += 1) await Promise.resolve()
      copier.add([copy(2)])
      await setImmediate()
      expect(asked, `told ${moment} steps later`).toEqual([1, 2])
    }
  })

  it('fetches so many at once and no more, and holds so many and no more', async () => {
    await open({ lanesMax: 3, waitingMax: 10 })
    source.blockBytes = 1000
    copier.add(Array.from({ length: 30 }, (_, index) => copy(index)))
    await until(() => store.blockCount === 10)
    expect(source.runningMost).toBe(3)
    copier.add(Array.from({ length: 30 }, (_, index) => copy(index)).slice(10, 20))
    await until(() => store.blockCount === 20)
    expect(source.runningMost).toBe(3)
  })

  it('a copy that breaks leaves nothing, is logged, and is made again at a new order after a pause', async () => {
    await open()
    source.breakAt = 60_000
    copier.add([copy(1)])
    await until(() => source.closed === 1 && logs.length === 1)
    expect(logs[0]).toContain('a replica could not be copied')
    expect([store.blockCount, store.reservedBytes, usedBytesOf(store)]).toEqual([0, 0, 0])
    source.breakAt = Number.POSITIVE_INFINITY
    copier.add([copy(1)])
    expect(source.asked).toHaveLength(1)
    deps.clock.passMs(5000)
    copier.add([copy(1, 'third:1')])
    await until(() => store.blockCount === 1)
    expect(source.asked).toEqual(['1 at other:1', '1 at third:1'])
  })

  it('without room it lets go of the source and of nothing else', async () => {
    await open({}, mebibyte)
    await store.put(headerOf(9, mebibyte - 5000), bytesOf(mebibyte - 5000, 9))
    copier.add([copy(1)])
    await until(() => source.closed === 1 && logs.length === 1)
    expect(logs[0]).toContain('resource_exhausted')
    expect([store.has(9), store.has(1), store.reservedBytes]).toEqual([true, false, 0])
  })

  it('the master says whether the bytes exist nowhere else, not the source', async () => {
    await open()
    copier.add([{ ...copy(1), durable: true }])
    await until(() => store.has(1))
    source.said = { durable: true }
    copier.add([copy(2)])
    await until(() => store.has(2))
    const headers = [...store.list()].sort((a, b) => a.blockId - b.blockId)
    expect(headers.map(({ durable }) => durable === true)).toEqual([true, false])
  })

  it('a source that has it no more is a failure like others', async () => {
    await open()
    source.failure = new SkeinError('not_found', 'there is no block 1')
    copier.add([copy(1)])
    await until(() => logs.length === 1)
    expect(store.blockCount).toBe(0)
  })

  it('closing ends what is on its way without a trace', async () => {
    await open()
    source.hold = new Promise(() => undefined)
    copier.add([copy(1), copy(2)])
    await until(() => source.running === 2)
    await copier.close()
    copier.add([copy(3)])
    expect([store.blockCount, store.reservedBytes, source.running, source.asked.length, logs.length]).toEqual([
      0, 0, 0, 2, 0,
    ])
  })
})
