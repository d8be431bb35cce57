// Handles of one version of a file, over workers that fail and blocks that move.
import { beforeEach, describe, expect, test } from 'vitest'
import { blockIndexOf } from '../../../src/base/block-id.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import type { FileHandle, FileRange } from '../../../src/client/file-system.ts'
import { bytesOf, ReadWorld } from './support/read-world.ts'

let world: ReadWorld
const path = '/ns/f'
const content = bytesOf(3500)

beforeEach(() => {
  world = new ReadWorld()
  world.put(path, content)
})

async function read(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const into = Buffer.alloc(length, 0xee)
  const got = await handle.read(into, position)
  expect(into.subarray(got).every((byte) => byte === 0xee)).toBe(true)
  return into.subarray(0, got)
}

async function stream(handle: FileHandle, range?: FileRange): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of handle.stream(range)) chunks.push(chunk)
  return Buffer.concat(chunks)
}
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no error',
    (thrown: unknown) => (thrown as SkeinError).code,
  )

describe('a handle', () => {
  test('reads any range, over blocks and to the end of the file', async () => {
    const handle = await world.fileSystem().open(path)
    for (const [from, length] of [
      [0, 3500],
      [0, 1],
      [999, 2],
      [1000, 1000],
      [500, 2500],
      [3499, 1],
    ] as const)
      expect((await read(handle, from, length)).equals(content.subarray(from, from + length))).toBe(true)
    expect((await read(handle, 3000, 10_000)).equals(content.subarray(3000))).toBe(true)
    expect(await read(handle, 3500, 5)).toHaveLength(0)
    expect(await read(handle, 1e9, 5)).toHaveLength(0)
    expect(await read(handle, 7, 0)).toHaveLength(0)
    expect((await stream(handle, { offset: 10, length: 20 })).equals(content.subarray(10, 30))).toBe(true)
    expect((await stream(handle)).equals(content)).toBe(true)
    for (const odd of [-1, 0.5, Number.NaN])
      expect(await codeOf(handle.read(new Uint8Array(1), odd))).toBe('invalid_argument')
    expect(await codeOf(stream(handle, { offset: 0, length: -1 }))).toBe('invalid_argument')
  })

  test('gives a short range as one array, over blocks and from the next worker', async () => {
    world.down.add('a')
    const handle = await world.fileSystem().open(path)
    for (const [offset, length] of [
      [0, 3500],
      [999, 2],
      [3499, 10],
    ] as const) {
      const bytes = Buffer.from(await handle.bytes({ offset, length }))
      expect(bytes.equals(content.subarray(offset, offset + length))).toBe(true)
    }
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(handle.bytes({ offset: 0, length: 1 }, { signal })).rejects.toThrow('enough')
    await handle.close()
    expect(await codeOf(handle.bytes({ offset: 0, length: 1 }))).toBe('failed_precondition')
  })

  test('takes from memory only what a worker has, and counts it', async () => {
    const asked: unknown[] = []
    world.kept = (blockId, range) => {
      asked.push([blockIndexOf(blockId), range])
      return Buffer.alloc(range.length, 'k')
    }
    const sources: unknown[] = []
    const onSource = (...source: unknown[]): unknown => sources.push(source)
    const handle = await world.fileSystem().open(path, { onSource })
    expect(Buffer.from(await handle.bytes({ offset: 1010, length: 3 })).toString()).toBe('kkk')
    expect([asked, sources]).toEqual([[[1, { offset: 10, length: 3 }]], [['cache', 3]]])
    world.put('/ns/nowhere', content, { workers: [] })
    const other = await world.fileSystem().open('/ns/nowhere')
    expect(Buffer.from(await other.bytes({ offset: 0, length: 3 })).equals(content.subarray(0, 3))).toBe(true)
    expect(asked.length).toBe(1)
  })

  test('reads from the next worker, then from the store, and asks the failed one last', async () => {
    world.down.add('a').add('b')
    const handle = await world.fileSystem().open(path)
    expect((await read(handle, 0, 3500)).equals(content)).toBe(true)
    expect(world.reads.map(({ source }) => source)).toEqual(['store', 'store', 'store', 'store'])
    expect(world.openCalls).toHaveLength(1)
  })

  test('does not wait again for a worker that does not answer, unless nothing else has the block', async () => {
    world.put(path, content, { workers: ['a'] })
    world.down.add('a')
    const handle = await world.fileSystem().open(path)
    for (const at of [0, 1, 2]) await read(handle, at, 10)
    expect(world.asked).toEqual(['a'])
    world.storeEtags.set(path, 'newer')
    world.down.clear()
    expect((await read(handle, 0, 10)).equals(content.subarray(0, 10))).toBe(true)
    world.down.add('a')
    await expect(read(handle, 0, 10)).rejects.toMatchObject({ code: 'aborted', reason: 'object_changed' })
  })

  test('a worker that fails in the middle costs no byte', async () => {
    world.put(path, bytesOf(50_000, 3), { blockSizeBytes: 25_000 })
    let reads = 0
    world.beforeRead = async ({ source }) => {
      reads += 1
      if (reads === 1) setImmediate(() => world.down.add(source))
      if (reads === 1) await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    }
    const handle = await world.fileSystem().open(path)
    expect((await read(handle, 100, 49_000)).equals(bytesOf(50_000, 3).subarray(100, 49_100))).toBe(true)
  })

  test('asks the master where the blocks are when nobody has them', async () => {
    world.put(path, content, { etag: '', workers: ['a'] })
    const handle = await world.fileSystem().open(path)
    expect((await read(handle, 0, 10)).equals(content.subarray(0, 10))).toBe(true)
    world.move(path, ['c'])
    expect((await read(handle, 0, 3500)).equals(content)).toBe(true)
    expect(world.openCalls).toHaveLength(2)
    expect((await stream(handle)).equals(content)).toBe(true)
    expect(world.openCalls).toHaveLength(2)
    world.down.add('c')
    expect(await codeOf(read(handle, 0, 10))).toBe('unavailable')
  })

  test('asks again once in a while after a worker failed or the store was read', async () => {
    const handle = await world.fileSystem().open(path)
    world.move(path, ['c'])
    await read(handle, 0, 10)
    await read(handle, 0, 10)
    expect([world.openCalls.length, world.reads.map(({ source }) => source)]).toEqual([1, ['store', 'store']])
    world.clock.passMs(1000)
    await read(handle, 0, 10)
    world.clock.passMs(1000)
    await read(handle, 0, 10)
    expect(world.openCalls).toHaveLength(2)
    expect(world.reads.map(({ source }) => source)).toEqual(['store', 'store', 'c', 'c'])
  })

  test('keeps its version: another one is never mixed in', async () => {
    const fileSystem = world.fileSystem()
    const handle = await fileSystem.open(path)
    await read(handle, 0, 1000)
    const other = bytesOf(3500, 9)
    world.put(path, other, { workers: ['c'] })
    expect((await read(handle, 0, 3500)).equals(content)).toBe(true)
    for (const blocks of world.blocks.values()) blocks.delete(world.files.get(path)!.fileId - 1)
    for (const name of ['a', 'b']) world.down.add(name)
    expect(await codeOf(read(handle, 0, 10))).toBe('aborted')
    expect(world.refreshes).toBe(1)
    expect(await codeOf(stream(handle))).toBe('aborted')
    expect((await read(await fileSystem.open(path), 0, 3500)).equals(other)).toBe(true)
  })

  test('reads on under another id while the content is the same', async () => {
    const { etag } = world.put(path, content, { workers: ['a'] })
    const handle = await world.fileSystem().open(path)
    world.blocks.clear()
    world.put(path, content, { etag, workers: ['b'] })
    world.storeEtags.set(path, 'gone')
    world.clock.passMs(2000)
    expect(await codeOf(read(handle, 0, 10))).toBe('aborted')
    world.storeEtags.clear()
    expect((await read(handle, 0, 10)).equals(content.subarray(0, 10))).toBe(true)
    world.clock.passMs(2000)
    await read(handle, 0, 10)
    expect(world.reads.at(-1)?.source).toBe('b')
  })

  test('does not read another content of the same length that came to its path', async () => {
    world.put(path, content, { etag: '', workers: ['a'] })
    const handle = await world.fileSystem().open(path)
    world.down.add('a')
    world.put(path, bytesOf(3500, 7), { etag: '', workers: ['b'] })
    await expect(read(handle, 0, 10)).rejects.toMatchObject({ code: 'aborted', reason: 'object_changed' })
    await expect(stream(handle)).rejects.toMatchObject({ code: 'aborted', reason: 'object_changed' })
  })

  test('gives the error of the read when the master does not answer', async () => {
    world.put(path, content, { etag: '', workers: ['a'] })
    const handle = await world.fileSystem().open(path)
    world.down.add('a')
    world.files.delete(path)
    await expect(read(handle, 0, 10)).rejects.toMatchObject({ code: 'unavailable', message: /is not persisted/ })
  })
})

describe('the end of a handle', () => {
  test('stops reads in flight, and those that come later', async () => {
    const gate = Promise.withResolvers<void>()
    world.beforeRead = () => gate.promise
    const handle = await world.fileSystem().open(path)
    const reads = [codeOf(read(handle, 0, 10)), codeOf(stream(handle))]
    await new Promise((resolve) => setImmediate(resolve))
    const closed = Promise.all([handle.close(), handle.close()])
    gate.resolve()
    expect(await Promise.all(reads)).toEqual(['cancelled', 'cancelled'])
    await closed
    expect(await codeOf(handle.read(new Uint8Array(1), 0))).toBe('failed_precondition')
    expect(await codeOf(stream(handle))).toBe('failed_precondition')
    expect(world.readsInFlight).toBe(0)
  })

  test('comes with the file system', async () => {
    const fileSystem = world.fileSystem()
    const handle = await fileSystem.open(path)
    await Promise.all([fileSystem.close(), fileSystem.close()])
    expect(await codeOf(handle.read(new Uint8Array(1), 0))).toBe('failed_precondition')
    expect(world.changes).toEqual(['disconnect'])
  })

  test("a caller's signal ends its read only", async () => {
    const gate = Promise.withResolvers<void>()
    world.beforeRead = () => gate.promise
    const handle = await world.fileSystem().open(path)
    const controller = new AbortController()
    const one = codeOf(handle.read(new Uint8Array(10), 0, { signal: controller.signal }))
    const other = read(handle, 0, 10)
    controller.abort(new SkeinError('deadline_exceeded', 'too slow'))
    gate.resolve()
    expect(await one).toBe('deadline_exceeded')
    expect((await other).equals(content.subarray(0, 10))).toBe(true)
  })
})

describe('opening', () => {
  test('hot files costs no call, and own changes are seen at once', async () => {
    const fileSystem = world.fileSystem({ keepMs: 1000 })
    const idOf = async (): Promise<number> => (await fileSystem.open(path)).status.fileId
    const first = await idOf()
    expect([await idOf(), world.openCalls.length]).toEqual([first, 1])
    const changes: (() => Promise<unknown>)[] = [
      () => fileSystem.rename('/ns/other', path),
      () => fileSystem.rename(path, '/ns/other'),
      () => fileSystem.delete('/ns', { recursive: true }),
      () => fileSystem.setAttributes(path, { pinned: true }),
      async () => (await fileSystem.create(path)).close().catch(() => undefined),
    ]
    let last = first
    for (const change of changes) {
      world.put(path, content)
      expect(await idOf()).toBe(last)
      await change()
      expect(await idOf()).not.toBe(last)
      last = await idOf()
    }
    world.put(path, content)
    expect((await fileSystem.open(path, { maxAgeMs: 5000 })).status.fileId).not.toBe(last)
  })

  test('gives the locations of a range', async () => {
    const fileSystem = world.fileSystem()
    const offsets = async (range?: FileRange): Promise<number[]> =>
      (await fileSystem.blockLocations(path, range)).map(({ offset }) => offset)
    expect(await offsets()).toEqual([0, 1000, 2000, 3000])
    expect(await offsets({ offset: 999, length: 2 })).toEqual([0, 1000])
    expect(await offsets({ offset: 1000, length: 0 })).toEqual([])
    expect(await offsets({ offset: 3400, length: 9999 })).toEqual([3000])
    expect(await offsets({ offset: 4000 })).toEqual([])
    expect(await codeOf(offsets({ offset: -1 }))).toBe('invalid_argument')
    expect(await fileSystem.blockLocations(path, { offset: 3000 })).toEqual([
      { offset: 3000, length: 500, hosts: ['a', 'b'] },
    ])
  })
})
