// A reader over replicas that fail in every way: exactly the file's bytes, or an error after a true
// beginning of them.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { blockIdOf, blockIndexOf, fileIdOf } from '../../../src/base/block-id.ts'
import { seededRandom } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { FileReader, type OriginReader } from '../../../src/client/read/file-reader.ts'
import { newReadMemory } from '../../../src/client/read/read-memory.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { FileInfo, OpenFileResponse, WorkerInfo } from '../../../src/wire/generated/master.ts'

const never = new AbortController().signal
const fileId = fileIdOf(12)
const blockSizeBytes = 10

function fileBytes(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, index) => (index * 7 + 3) % 251))
}

function answer(length: number, replicas: readonly (readonly string[])[], etag = 'v1'): OpenFileResponse {
  return OpenFileResponse.fromPartial({
    file: FileInfo.fromPartial({ fileId, path: '/ns/f', length, blockSizeBytes, etag, namespaceId: 'n1', key: 'f' }),
    blocks: replicas.map((workerIds) => ({ workerIds: [...workerIds] })),
    workers: ['a', 'b', 'c'].map((id) =>
      WorkerInfo.fromPartial({ workerId: id, hostname: `host-${id}`, dataAddress: id, live: true }),
    ),
  })
}

/** Gives `good` bytes in chunks and then fails, ends early or gives too much. */
interface Behaviour {
  readonly kind: 'whole' | 'fail' | 'short' | 'long'
  readonly goodBytes: number
  readonly chunkBytes: number
}

async function* serve(bytes: Buffer, { kind, goodBytes, chunkBytes }: Behaviour): AsyncGenerator<Uint8Array> {
  const end = kind === 'whole' || kind === 'long' ? bytes.length : Math.min(goodBytes, bytes.length)
  for (let from = 0; from < end; from += chunkBytes) yield bytes.subarray(from, Math.min(end, from + chunkBytes))
  if (kind === 'fail') throw new SkeinError('unavailable', 'cut')
  if (kind === 'long') yield Buffer.from('too much')
}

interface Reads {
  readonly source: string
  readonly index: number
  readonly offset: number
  readonly length: number
}

function reader(
  opened: () => OpenFileResponse,
  behaviourOf: (source: string, index: number) => Behaviour,
  withOrigin = true,
) {
  const reads: Reads[] = []
  let refreshes = 0
  const content = () => fileBytes(opened().file?.length ?? 0)
  const origin: OriginReader = {
    readOrigin: (_file, offset, length) => {
      reads.push({
        source: 'store',
        index: Math.floor(offset / blockSizeBytes),
        offset: offset % blockSizeBytes,
        length,
      })
      return serve(
        content().subarray(offset, offset + length),
        behaviourOf('store', Math.floor(offset / blockSizeBytes)),
      )
    },
  }
  const fileReader = new FileReader({
    master: {
      openFile: async () => opened(),
      refreshFile: async () => {
        refreshes += 1
        return { file: undefined }
      },
    },
    data: {
      read: (address, blockId, { offset, length }) => {
        const index = blockIndexOf(blockId)
        expect(blockId).toBe(blockIdOf(fileId, index))
        reads.push({ source: address, index, offset, length })
        const from = index * blockSizeBytes + offset
        return serve(content().subarray(from, from + length), behaviourOf(address, index))
      },
    },
    origin: withOrigin ? origin : undefined,
    hostname: 'host-b',
    random: seededRandom(1),
    logger: silentLogger,
  })
  return { fileReader, reads, refreshes: () => refreshes }
}

const whole: Behaviour = { kind: 'whole', goodBytes: 0, chunkBytes: 4 }

async function readAll(fileReader: FileReader): Promise<{ bytes: Buffer; error: SkeinError | undefined }> {
  const chunks: Uint8Array[] = []
  try {
    for await (const chunk of fileReader.read('/ns/f', never)) chunks.push(Buffer.from(chunk))
    return { bytes: Buffer.concat(chunks), error: undefined }
  } catch (thrown) {
    return { bytes: Buffer.concat(chunks), error: thrown as SkeinError }
  }
}

describe('FileReader', () => {
  test('prefers the replica of its own host, and the store only where nothing is cached', async () => {
    const { fileReader, reads } = reader(
      () => answer(25, [['a', 'b', 'c'], ['c', 'b'], []]),
      () => whole,
    )
    expect((await readAll(fileReader)).bytes.equals(fileBytes(25))).toBe(true)
    expect(reads.map(({ source }) => source)).toEqual(['b', 'b', 'store'])
  })

  test('tells how many bytes came from the cache, and how many from the store', async () => {
    const cut: Behaviour = { kind: 'fail', goodBytes: 6, chunkBytes: 3 }
    const opened = answer(25, [['b'], ['b'], []])
    const { fileReader } = reader(
      () => opened,
      (source, index) => (source === 'b' && index === 1 ? cut : whole),
    )
    const bytes = { cache: 0, store: 0 }
    const onSource = (source: 'cache' | 'store', count: number): void => void (bytes[source] += count)
    let read = 0
    for await (const chunk of fileReader.readOpened(opened, never, { onSource })) read += chunk.length
    expect({ read, ...bytes }).toEqual({ read: 25, cache: 16, store: 9 })
  })

  test('goes on at the byte after the last good one, and leaves a failed worker for last', async () => {
    const cut: Behaviour = { kind: 'fail', goodBytes: 6, chunkBytes: 3 }
    const opened = answer(20, [
      ['a', 'b'],
      ['a', 'b'],
    ])
    const { fileReader, reads } = reader(
      () => opened,
      (source) => (source === 'b' ? cut : whole),
    )
    expect((await readAll(fileReader)).bytes.equals(fileBytes(20))).toBe(true)
    expect(reads).toEqual([
      { source: 'b', index: 0, offset: 0, length: 10 },
      { source: 'a', index: 0, offset: 6, length: 4 },
      { source: 'a', index: 1, offset: 0, length: 10 },
    ])
  })

  test('asks no store for what is not persisted, and says why it cannot be read', async () => {
    const onlyCached = (state: string, replicas: readonly (readonly string[])[]): OpenFileResponse => {
      const opened = answer(20, replicas)
      return { ...opened, file: { ...opened.file!, etag: '', persistenceState: state } }
    }
    for (const state of ['NOT_PERSISTED', 'TO_BE_PERSISTED']) {
      const gone = reader(
        () => onlyCached(state, [['a'], []]),
        () => whole,
      )
      const { bytes, error } = await readAll(gone.fileReader)
      expect(bytes.equals(fileBytes(10))).toBe(true)
      expect(error).toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining('no live worker has it; the file is not persisted'),
      })
      expect(gone.reads.map(({ source }) => source)).toEqual(['a'])
      const broken = reader(
        () => onlyCached(state, [['a'], ['a']]),
        () => ({ kind: 'fail', goodBytes: 0, chunkBytes: 1 }),
      )
      expect((await readAll(broken.fileReader)).error).toMatchObject({
        message: expect.stringContaining('cut; the file is not persisted'),
      })
      expect(broken.reads.every(({ source }) => source === 'a')).toBe(true)
    }
  })

  test('reads what was persisted, and freed, after it was opened', async () => {
    let opens = 0
    const { fileReader, reads } = reader(
      () => {
        const opened = answer(20, [[], []])
        opens += 1
        // The content is asked for as well.
        return { ...opened, file: { ...opened.file!, persistenceState: opens === 1 ? 'TO_BE_PERSISTED' : 'PERSISTED' } }
      },
      () => whole,
    )
    expect((await readAll(fileReader)).bytes.equals(fileBytes(20))).toBe(true)
    expect(reads.map(({ source }) => source)).toEqual(['store', 'store'])
  })

  test('an empty file has no bytes; a file that is cached nowhere and has no store is an error', async () => {
    expect(
      await readAll(
        reader(
          () => answer(0, []),
          () => whole,
        ).fileReader,
      ),
    ).toEqual({ bytes: Buffer.alloc(0), error: undefined })
    const { error } = await readAll(
      reader(
        () => answer(5, [[]]),
        () => whole,
        false,
      ).fileReader,
    )
    expect(error).toMatchObject({ code: 'unavailable' })
  })

  test('a change before the first byte starts again at the new version; after it, it is an error', async () => {
    const build = (cachedFirst: boolean) => {
      let version = 1
      const replicas = cachedFirst ? [['a'], []] : [[], []]
      const result = new FileReader({
        master: {
          openFile: async () => answer(20, replicas, `v${version}`),
          refreshFile: async () => {
            version += 1
            return { file: undefined }
          },
        },
        data: { read: () => serve(fileBytes(10), whole) },
        origin: {
          readOrigin: (file, offset, length) => {
            if (file.etag === 'v1') throw new SkeinError('aborted', 'changed', { reason: 'object_changed' })
            return serve(fileBytes(20).subarray(offset, offset + length), whole)
          },
        },
        hostname: '',
        random: seededRandom(1),
        logger: silentLogger,
      })
      return result
    }
    expect((await readAll(build(false))).bytes.equals(fileBytes(20))).toBe(true)
    const mixed = await readAll(build(true))
    expect(mixed.bytes.equals(fileBytes(10))).toBe(true)
    expect(mixed.error).toMatchObject({ code: 'aborted', reason: 'object_changed' })
  })

  test('stops at an abort', async () => {
    const { fileReader } = reader(
      () => answer(100, []),
      () => whole,
    )
    const abort = new AbortController()
    let bytes = 0
    await expect(async () => {
      for await (const chunk of fileReader.read('/ns/f', abort.signal)) {
        bytes += chunk.length
        abort.abort(new SkeinError('cancelled', 'stop'))
      }
    }).rejects.toMatchObject({ code: 'cancelled' })
    expect(bytes).toBe(4)
  })

  test('property: whatever fails, what comes out is the file or a beginning of it with an error', async () => {
    const behaviour = fc.record({
      kind: fc.constantFrom<Behaviour['kind'][]>('whole', 'fail', 'short', 'long'),
      goodBytes: fc.integer({ min: 0, max: blockSizeBytes }),
      chunkBytes: fc.integer({ min: 1, max: blockSizeBytes + 2 }),
    })
    const workers = fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { maxLength: 3 })
    const property = fc.asyncProperty(
      fc.integer({ min: 0, max: 45 }),
      fc.array(workers, { minLength: 5, maxLength: 5 }),
      fc.array(behaviour, { minLength: 20, maxLength: 20 }),
      fc.boolean(),
      async (length, replicas, behaviours, withOrigin) => {
        const behaviourOf = (source: string, index: number) =>
          behaviours[index * 4 + ['a', 'b', 'c', 'store'].indexOf(source)] ?? whole
        const { fileReader } = reader(() => answer(length, replicas), behaviourOf, withOrigin)
        const { bytes, error } = await readAll(fileReader)
        expect(bytes.equals(fileBytes(length).subarray(0, bytes.length))).toBe(true)
        if (error === undefined) expect(bytes.length).toBe(length)
        else expect(bytes.length).toBeLessThan(length)
        const reachable = [0, 1, 2, 3, 4].every(
          (index) =>
            index * blockSizeBytes >= length ||
            [...(replicas[index] ?? []), ...(withOrigin ? ['store'] : [])].some(
              (source) => behaviourOf(source, index).kind === 'whole',
            ),
        )
        if (reachable) expect(error).toBeUndefined()
      },
    )
    await fc.assert(property, { numRuns: 500 })
  })
})

test('reads replicas of its own host so, others over the data port, and says the version', async () => {
  const file = FileInfo.fromPartial({ fileId: 2 ** 20 - 1, path: '/ns/f', length: 25, blockSizeBytes: 10 })
  const near = WorkerInfo.fromPartial({ workerId: 'w1', hostname: 'here', dataAddress: 'near', live: true })
  const far = WorkerInfo.fromPartial({ workerId: 'w2', hostname: 'there', dataAddress: 'far', live: true })
  const workerIds = [['w1', 'w2'], ['w2'], ['w1']]
  const opened = OpenFileResponse.fromPartial({
    file,
    workers: [near, far],
    blocks: workerIds.map((ids) => ({ workerIds: ids })),
  })
  const requests: unknown[] = []
  const reads: string[] = []
  const nearReads: string[] = []
  let isOpen = true
  const byHost = new FileReader({
    master: {
      openFile: async (request) => {
        requests.push(request)
        return opened
      },
      refreshFile: () => Promise.reject(new Error('not in this test')),
    },
    near: {
      readsFilesOf: () => true,
      readOpened: async ({ blockId }, offset, into) => {
        nearReads.push(`${blockId}: ${offset}+${into.length}`)
        return isOpen
      },
      async *read({ worker: { workerId }, blockId, length: blockBytes }, { offset, length }) {
        reads.push(`${workerId} ${blockId} of ${blockBytes}: ${offset}+${length}`)
        yield Buffer.alloc(length)
      },
    },
    data: {
      async *read(address, blockId, { offset, length }) {
        reads.push(`${address} ${blockId}: ${offset}+${length}`)
        yield Buffer.alloc(length)
      },
    },
    syncIntervalMs: 0,
    origin: undefined,
    hostname: 'here',
    random: () => 0.5,
    logger: silentLogger,
  })
  for await (const chunk of byHost.read('/ns/f', never)) expect(chunk.length).toBeGreaterThan(0)
  expect(reads).toEqual(['w1 0 of 10: 0+10', 'far 1: 0+10', 'w1 2 of 5: 0+5'])
  expect(requests).toEqual([{ path: '/ns/f', syncIntervalMs: 0 }])
  // From the file of an open block, where all of the range is in one block of this host.
  const memory = newReadMemory()
  const sources: unknown[] = []
  const onSource = (...source: unknown[]): void => void sources.push(source)
  const readFromFile = (offset: number, length: number): Promise<boolean> =>
    byHost.readFromFile(opened, offset, Buffer.alloc(length), never, { memory, onSource })
  const ranges = [
    [3, 7],
    [20, 5],
    [3, 8],
    [12, 2],
    [20, 6],
  ] as const
  const answers: boolean[] = []
  for (const [offset, length] of ranges) answers.push(await readFromFile(offset, length))
  expect(answers).toEqual([true, true, false, false, false])
  isOpen = false
  expect(await readFromFile(3, 7)).toBe(false)
  isOpen = true
  memory.failedWorkers.add('w1')
  expect(await readFromFile(3, 7)).toBe(false)
  expect([nearReads, sources]).toEqual([
    ['0: 3+7', '2: 0+5', '0: 3+7'],
    [
      ['cache', 7],
      ['cache', 5],
    ],
  ])
})
