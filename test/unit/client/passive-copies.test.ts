// A copy near the reader is asked for where it helps and may be, and never at the reader's cost.
import { expect, test } from 'vitest'
import { blockIdOf, fileIdOf } from '../../../src/base/block-id.ts'
import { seededRandom } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { FileReader } from '../../../src/client/read/file-reader.ts'
import { PassiveCopies } from '../../../src/client/read/passive-copies.ts'
import { VirtualClock } from '../../model/support/load-doubles.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { type FileInfo, OpenFileResponse, WorkerInfo } from '../../../src/wire/generated/master.ts'
import type { CopySource } from '../../../src/wire/generated/worker.ts'

const never = new AbortController().signal
const fileId = fileIdOf(5)
const workerOf = (id: string, more: Partial<WorkerInfo> = {}): WorkerInfo =>
  WorkerInfo.fromPartial({
    workerId: id,
    hostname: `host-${id}`,
    rpcAddress: `${id}:rpc`,
    dataAddress: `${id}:data`,
    live: true,
    ...more,
  })

function house(
  file: Partial<FileInfo> = {},
  workers = [workerOf('near'), workerOf('far'), workerOf('other')],
  replicas = ['far'],
) {
  const asked: CopySource[] = []
  const connected: string[] = []
  const clock = new VirtualClock()
  let refuse = false
  let held: Promise<void> = Promise.resolve()
  const passive = new PassiveCopies({
    master: { listWorkers: async () => ({ workers }) },
    connectWorker: (address) => {
      connected.push(address)
      return {
        service: {
          copyHere: async ({ blocks }) => {
            await held
            if (refuse) throw new SkeinError('unavailable', 'gone')
            asked.push(...blocks)
            return {}
          },
        },
        close: () => connected.splice(connected.indexOf(address), 1),
      }
    },
    hostname: 'host-near',
    clock,
    logger: silentLogger,
  })
  const opened = OpenFileResponse.fromPartial({
    file: {
      fileId,
      path: '/ns/f',
      length: 25,
      blockSizeBytes: 10,
      persistenceState: 'PERSISTED',
      replicationMax: -1,
      ...file,
    },
    blocks: [0, 1, 2].map(() => ({ workerIds: replicas })),
    workers,
  })
  const reads: string[] = []
  const reader = new FileReader({
    master: { openFile: async () => opened, refreshFile: async () => ({ file: undefined }) },
    data: {
      read: async function* (address, blockId, { offset, length }) {
        reads.push(`${address} ${blockId - fileId}:${offset}+${length}`)
        yield Buffer.alloc(length, 1)
      },
    },
    origin: undefined,
    hostname: 'host-near',
    random: seededRandom(1),
    passive,
    logger: silentLogger,
  })
  const read = async (range?: { offset: number; length: number }): Promise<number> => {
    let bytes = 0
    for await (const chunk of reader.read('/ns/f', never, range)) bytes += chunk.length
    return bytes
  }
  const hold = (): (() => void) => {
    const answers = Promise.withResolvers<void>()
    held = answers.promise
    return answers.resolve
  }
  return { passive, clock, read, reads, asked, connected, hold, refuse: () => (refuse = true) }
}

test('blocks that came from another host are copied to this one', async () => {
  const { read, asked, connected, passive } = house()
  expect(await read()).toBe(25)
  await passive.settle(200)
  expect(asked).toEqual([0, 1, 2].map((index) => ({ blockId: blockIdOf(fileId, index), dataAddress: 'far:data' })))
  expect(connected).toEqual(['near:rpc'])
  passive.close()
  expect(connected).toEqual([])
})

test('bytes do not wait for a worker that does not answer, and who ends waits a bounded time', async () => {
  const { read, asked, passive, clock, hold } = house()
  const answer = hold()
  // Time stands still: whatever waited for the worker would never come back.
  expect(await read()).toBe(25)
  expect(asked).toEqual([])
  let settledMs: number | undefined
  const [beganMs, settled] = [clock.monotonicMs(), passive.settle(200).then(() => (settledMs = clock.monotonicMs()))]
  await clock.advance(1000)
  await settled
  expect(settledMs).toBe(beganMs + 200)
  answer()
  await passive.settle(200)
  expect(asked).toHaveLength(3)
})

test('who ends waits for nothing where nothing was offered, and no longer than it takes to tell', async () => {
  const { read, asked, passive, clock, hold } = house()
  await passive.settle(200)
  const answer = hold()
  await read()
  const settled = passive.settle(200)
  answer()
  await settled
  expect([asked.length, clock.monotonicMs()]).toEqual([3, new VirtualClock().now])
})

test.each([
  ['the file has as many replicas as it may', house({ replicationMax: 1 })],
  ['the file is in no store', house({ persistenceState: 'NOT_PERSISTED' })],
  ['this host has a replica', house({}, undefined, ['far', 'near'])],
  ['this host has no worker', house({}, [workerOf('far')])],
  ['its worker is being emptied', house({}, [workerOf('near', { decommissioning: true }), workerOf('far')])],
])('nothing is asked for when %s', async (_why, { read, asked }) => {
  expect(await read()).toBe(25)
  expect(asked).toEqual([])
})

test('a worker that refuses is not the reader’s affair', async () => {
  const { read, refuse, asked } = house()
  refuse()
  expect(await read()).toBe(25)
  expect(asked).toEqual([])
})

test('a part of a file touches its blocks alone, and whole blocks only are copied', async () => {
  const { read, reads, asked, passive } = house()
  expect(await read({ offset: 8, length: 14 })).toBe(14)
  expect(reads.map((line) => line.split(' ')[1])).toEqual([
    `${blockIdOf(fileId, 0) - fileId}:8+2`,
    `${blockIdOf(fileId, 1) - fileId}:0+10`,
    `${blockIdOf(fileId, 2) - fileId}:0+2`,
  ])
  await passive.settle(200)
  expect(asked.map(({ blockId }) => blockId)).toEqual([blockIdOf(fileId, 1)])
  expect(await read({ offset: 20, length: 100 })).toBe(5)
  expect(await read({ offset: 25, length: 1 })).toBe(0)
  await expect(read({ offset: -1, length: 1 })).rejects.toMatchObject({ code: 'invalid_argument' })
})
