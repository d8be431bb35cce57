// Why: what segments must withstand beyond the contract: freed blocks that must stay freed, space that must come back,
// crashes between any two steps, rot, and disks that fail.
import { appendFile, copyFile, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BlockDirectory, type SegmentSettings } from '../../../src/block/block-directory.ts'
import {
  bytesOf,
  headerOf,
  mebibyte,
  never,
  readWhole,
  storeDependencies,
  temporaryFolder,
  usedBytesOf,
} from '../../conformance/block-store-fixture.ts'
import { findRecord, recordsIn } from '../../conformance/segment-fixture.ts'

const kibibyte = 1024
let root = ''
let cleanups: (() => Promise<unknown>)[] = []
beforeEach(async () => {
  const folder = await temporaryFolder()
  root = join(folder.path, 'directory')
  cleanups = [folder.remove]
})
afterEach(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup()
})

async function open(settings: Partial<SegmentSettings> = {}, quotaBytes = 64 * mebibyte) {
  const deps = storeDependencies()
  const segments = { blockBytesMax: mebibyte, segmentBytes: 256 * kibibyte, background: false, ...settings }
  const store = await BlockDirectory.open({
    path: root,
    tier: 'SSD',
    mediumType: 'SSD',
    quotaBytes,
    workerId: 'worker-1',
    deps,
    segments,
  })
  cleanups.push(() => store.close())
  return { store, deps }
}

const segmentNames = async (): Promise<string[]> => (await readdir(join(root, 'segments'))).toSorted()
async function segmentPath(index: number): Promise<string> {
  return join(root, 'segments', (await segmentNames()).at(index) ?? 'none')
}
async function bytesOnDisk(): Promise<number> {
  let sum = 0
  for (const name of await segmentNames()) sum += (await stat(join(root, 'segments', name))).size
  return sum
}

const idsOf = (store: BlockDirectory): number[] => [...store.list()].map(({ blockId }) => blockId).sort((a, b) => a - b)
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index)

async function putAll(store: BlockDirectory, ids: readonly number[], length = 10 * kibibyte): Promise<void> {
  await Promise.all(ids.map((id) => store.put(headerOf(id, length), bytesOf(length, id))))
}

async function freeAll(store: BlockDirectory, ids: readonly number[]): Promise<void> {
  await Promise.all(ids.map((id) => store.free(id)))
}

async function expectBlocks(store: BlockDirectory, ids: readonly number[], length = 10 * kibibyte): Promise<void> {
  expect(idsOf(store)).toEqual(ids)
  for (const id of ids) expect((await readWhole(store, id)).equals(bytesOf(length, id)), `block ${id}`).toBe(true)
  expect(usedBytesOf(store)).toBe(ids.length * length)
}

async function flip(path: string, at: number): Promise<void> {
  const bytes = await readFile(path)
  bytes.writeUInt8((bytes[at] ?? 0) ^ 0x10, at)
  await writeFile(path, bytes)
}

describe('where blocks go', () => {
  test('small ones share segments, large ones have files, and segments are not longer than they should be', async () => {
    const { store } = await open({ blockBytesMax: 10 * kibibyte })
    await putAll(store, range(0, 100))
    await store.put(headerOf(200, 10 * kibibyte + 1), bytesOf(10 * kibibyte + 1, 200))
    expect((await readdir(join(root, 'blocks'), { recursive: true })).filter((name) => name.endsWith('c8'))).toHaveLength(2)
    expect(await segmentNames()).toHaveLength(4)
    for (const name of await segmentNames()) expect((await stat(join(root, 'segments', name))).size).toBeLessThanOrEqual(256 * kibibyte)
    expect(await recordsIn(root)).toHaveLength(100)
  })

  test('with segments switched off, those that are there are served and freed', async () => {
    await putAll((await open()).store, range(0, 20))
    const { store } = await open({ blockBytesMax: 0 })
    await putAll(store, range(20, 22))
    await expectBlocks(store, range(0, 22))
    expect(await recordsIn(root)).toHaveLength(20)
    await freeAll(store, range(0, 20))
    await store.compact()
    await expectBlocks((await open()).store, range(20, 22))
  })

  test('a block that is in a file and in a segment after a crash is there once', async () => {
    const files = await open({ blockBytesMax: 0 })
    await putAll(files.store, [1])
    await files.store.close()
    const saved = (await readdir(join(root, 'blocks'), { recursive: true, withFileTypes: true })).find((entry) => entry.isFile())
    const path = join(saved?.parentPath ?? '', saved?.name ?? '')
    await copyFile(path, join(root, 'saved'))
    const { store } = await open()
    await store.free(1)
    await putAll(store, [1])
    await store.close()
    await copyFile(join(root, 'saved'), path)
    const again = await open()
    await expectBlocks(again.store, [1])
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' })
    await again.store.free(1)
    await expectBlocks((await open()).store, [])
  })

  test("a folder 'segments' that is not ours is refused", async () => {
    await mkdir(join(root, 'segments'), { recursive: true })
    await expect(open()).rejects.toMatchObject({ code: 'failed_precondition', reason: 'directory_in_use' })
  })
})

describe('the disk', () => {
  test('a segment that cannot be made fails all that waits, and what comes later tries again', async () => {
    const { store } = await open()
    await rm(root, { recursive: true })
    const results = await Promise.allSettled(range(0, 50).map((id) => store.put(headerOf(id, 100), bytesOf(100, id))))
    for (const result of results) expect(result).toMatchObject({ reason: { code: 'unavailable', reason: 'disk_fault' } })
    expect([usedBytesOf(store), store.reservedBytes, store.blockCount]).toEqual([0, 0, 0])
    await mkdir(join(root, 'segments'), { recursive: true })
    await putAll(store, [1, 2])
    await expectBlocks(store, [1, 2])
  })
})

describe('what was freed', () => {
  test('stays freed after a restart, and what was written again is the newer', async () => {
    const { store } = await open()
    await putAll(store, range(0, 30))
    await freeAll(store, range(0, 20))
    for (const id of range(0, 10)) await store.put(headerOf(id, 500, 'new'), bytesOf(500, 1000 + id))
    const { store: again } = await open()
    expect(idsOf(again)).toEqual([...range(0, 10), ...range(20, 30)])
    for (const id of range(0, 10)) expect((await readWhole(again, id)).equals(bytesOf(500, 1000 + id))).toBe(true)
  })

  test('stays freed when the segment of its tombstone goes before its own', async () => {
    const { store } = await open()
    // The first segment: one block that will be freed among many that stay.
    await putAll(store, range(0, 24))
    await putAll(store, range(100, 124))
    await store.free(5)
    await putAll(store, range(200, 260))
    await freeAll(store, [...range(100, 124), ...range(200, 260)])
    const before = await findRecord(root, 5, 'tombstone')
    for (let round = 0; round < 4; round += 1) {
      // Freed blocks by the dozen, so that the tombstone's segment is compacted again and again.
      await putAll(store, range(300, 360))
      await freeAll(store, range(300, 360))
      await store.compact()
    }
    const after = await findRecord(root, 5, 'tombstone')
    expect(after).toBeDefined()
    expect(after?.path).not.toBe(before?.path)
    await store.close()
    const { store: again } = await open()
    const left = range(0, 24).filter((id) => id !== 5)
    await expectBlocks(again, left)
    // When its record is gone, so is the tombstone.
    await freeAll(again, left)
    for (let round = 0; round < 4; round += 1) {
      await putAll(again, range(400, 500))
      await freeAll(again, range(400, 500))
      await again.compact()
    }
    expect(await findRecord(root, 5, 'tombstone')).toBeUndefined()
    await again.close()
    await expectBlocks((await open()).store, [])
  })

  test('stays freed when it is freed while it is being moved', async () => {
    const { store } = await open()
    await putAll(store, range(0, 100))
    await freeAll(store, range(0, 60))
    const compacting = store.compact()
    for (const id of range(60, 80)) await store.free(id)
    await compacting
    await expectBlocks(store, range(80, 100))
    await expectBlocks((await open()).store, range(80, 100))
  })
})

describe('compaction', () => {
  test.each([10 * kibibyte, 700 * kibibyte])('gives the space of freed blocks of %i bytes back, and readers read on', async (length) => {
    const { store } = await open({ segmentBytes: 3 * mebibyte })
    await putAll(store, range(0, 60), length)
    const readers = await Promise.all(range(0, 60).map((id) => store.open(id)))
    await freeAll(
      store,
      range(0, 60).filter((id) => id % 2 === 0),
    )
    await store.compact()
    const left = range(0, 60).filter((id) => id % 2 === 1)
    expect(await bytesOnDisk()).toBeLessThan(left.length * length * 1.1 + mebibyte)
    expect(store.segmentDiskBytes).toBe(await bytesOnDisk())
    for (const [id, reader] of readers.entries()) {
      expect(Buffer.from(await reader.read(0, length, never)).equals(bytesOf(length, id))).toBe(true)
      await reader.close()
    }
    await expectBlocks(store, left, length)
    await expectBlocks((await open()).store, left, length)
  })

  test('keeps the dead within their bound over any number of rewrites, in the background', async () => {
    const { store } = await open({ background: true, compactionBytesPerSecond: 2 ** 40 })
    for (let round = 0; round < 30; round += 1) {
      await putAll(store, range(0, 50))
      await freeAll(
        store,
        range(0, 50).filter((id) => id % 5 !== round % 5),
      )
      await freeAll(store, range(0, 50))
    }
    await putAll(store, range(0, 50))
    // 15 MiB went through.
    while ((await bytesOnDisk()) > 2 * 50 * 10.5 * kibibyte + 2 * 256 * kibibyte) await new Promise(setImmediate)
    await expectBlocks(store, range(0, 50))
    await store.close()
    await expectBlocks((await open()).store, range(0, 50))
  })

  test('a segment of which nothing is left is deleted at once, in the background', async () => {
    const { store } = await open({ background: true, compactionBytesPerSecond: 1 })
    await putAll(store, range(0, 96))
    const names = await segmentNames()
    await freeAll(store, range(0, 96))
    while ((await segmentNames()).some((name) => names.slice(0, 3).includes(name))) await new Promise(setImmediate)
    expect(usedBytesOf(store)).toBe(0)
  })

  test('a crash after the copies and before the deletion loses nothing and counts nothing twice', async () => {
    const { store } = await open()
    await putAll(store, range(0, 24))
    await putAll(store, range(24, 30))
    await freeAll(store, range(0, 12))
    const victim = await segmentPath(0)
    await copyFile(victim, join(root, 'saved'))
    await store.compact()
    await store.close()
    await expect(stat(victim)).rejects.toMatchObject({ code: 'ENOENT' })
    await copyFile(join(root, 'saved'), victim)
    const { store: again } = await open()
    await expectBlocks(again, range(12, 30))
    await freeAll(again, range(12, 20))
    await again.compact()
    await again.close()
    await expectBlocks((await open()).store, range(20, 30))
  })

  test('a crash in the midst of the copies loses nothing', async () => {
    const { store } = await open()
    await putAll(store, range(0, 24))
    await putAll(store, range(24, 30))
    await freeAll(store, range(0, 12))
    const victim = await segmentPath(0)
    await copyFile(victim, join(root, 'saved'))
    await store.compact()
    await store.close()
    const last = await segmentPath(-1)
    const whole = await readFile(last)
    for (let at = 0; at < whole.length; at += Math.ceil(whole.length / 23)) {
      await copyFile(join(root, 'saved'), victim)
      // The copies came last.
      await writeFile(last, whole.subarray(0, whole.length - at))
      const { store: again } = await open()
      expect(idsOf(again).filter((id) => id < 24 && id >= 12)).toEqual(range(12, 24))
      await again.close()
    }
  })

  test('drops what is rotten and moves the rest', async () => {
    const { store, deps } = await open()
    await putAll(store, range(0, 24))
    for (const id of [20, 21]) {
      const record = await findRecord(root, id, 'block')
      await flip(record?.path ?? '', (record?.from ?? 0) + (id === 20 ? 40 : 5000))
    }
    await freeAll(store, range(0, 12))
    await putAll(store, range(30, 40))
    await store.compact()
    expect(deps.events.lines.filter((line) => line.endsWith('corrupt')).toSorted()).toEqual(['-20 corrupt', '-21 corrupt'])
    await expectBlocks(store, [...range(12, 20), 22, 23, ...range(30, 40)])
  })
})

describe('a restart', () => {
  test('after a cut anywhere serves what is whole before it, and goes on', async () => {
    const { store } = await open({ segmentBytes: mebibyte })
    await putAll(store, range(0, 8), 500)
    await store.close()
    const whole = await readFile(await segmentPath(0))
    const ends = (await recordsIn(root)).map(({ from, length }) => from + length)
    for (let bytes = whole.length; bytes >= 0; bytes -= 37) {
      await writeFile(await segmentPath(0), whole.subarray(0, bytes))
      const { store: again } = await open({ segmentBytes: mebibyte })
      const left = ends.filter((end) => end <= bytes).length
      await expectBlocks(again, range(0, left), 500)
      await putAll(again, [50], 500)
      await again.close()
      const { store: third } = await open({ segmentBytes: mebibyte })
      await expectBlocks(third, [...range(0, left), 50], 500)
      await third.close()
      await truncate(await segmentPath(0), 0)
    }
  })

  test('finds the blocks behind a rotten head, and never the rotten one', async () => {
    const { store } = await open()
    await putAll(store, range(0, 60))
    await store.close()
    for (const id of [0, 7, 30, 59]) {
      const record = await findRecord(root, id, 'block')
      await flip(record?.path ?? '', (record?.from ?? 0) + 20)
    }
    await expectBlocks(
      (await open()).store,
      range(0, 60).filter((id) => ![0, 7, 30, 59].includes(id)),
    )
  })

  test("never serves another block's record", async () => {
    const { store, deps } = await open()
    await putAll(store, [1, 2])
    const [one, two] = [await findRecord(root, 1, 'block'), await findRecord(root, 2, 'block')]
    const bytes = await readFile(one?.path ?? '')
    bytes.copy(bytes, two?.from, one?.from, (one?.from ?? 0) + (one?.length ?? 0))
    await writeFile(one?.path ?? '', bytes)
    await expect(store.open(2)).rejects.toMatchObject({ code: 'data_loss', reason: 'block_corrupt' })
    expect([store.has(2), deps.events.lines.at(-1)]).toEqual([false, '-2 corrupt'])
  })

  test('takes a tail of noise for noise', async () => {
    const { store } = await open()
    await putAll(store, range(0, 5))
    await store.close()
    await appendFile(await segmentPath(0), bytesOf(5000, 1))
    const { store: again } = await open()
    expect(await bytesOnDisk()).toBe((await recordsIn(root)).reduce((total, record) => total + record.length, 0))
    await putAll(again, range(5, 7))
    await again.close()
    await expectBlocks((await open()).store, range(0, 7))
  })

  test('leaves files that are no segments alone, and takes one of noise away', async () => {
    const { store } = await open()
    await putAll(store, range(0, 5))
    await store.close()
    await writeFile(join(root, 'segments', 'notes.txt'), 'not ours')
    await writeFile(join(root, 'segments', '0000000000-0011223344556677.seg'), bytesOf(300_000, 1))
    const { store: again } = await open()
    await again.compact()
    await expectBlocks(again, range(0, 5))
    expect(await segmentNames()).toHaveLength(2)
    expect(await readFile(join(root, 'segments', 'notes.txt'), 'utf8')).toBe('not ours')
  })

  test('with a lower quota frees what is beyond it, for good', async () => {
    const { store } = await open()
    await putAll(store, range(0, 20))
    await store.close()
    const { store: again } = await open({}, 5 * 10 * kibibyte)
    expect([again.blockCount, usedBytesOf(again)]).toEqual([5, 50 * kibibyte])
    await again.close()
    expect((await open()).store.blockCount).toBe(5)
  })

  test('a closed store neither reads nor frees: its descriptors may be others by now', async () => {
    const { store } = await open()
    await putAll(store, [1])
    await store.close()
    await expect(store.open(1)).rejects.toMatchObject({ code: 'unavailable' })
    await expect(store.free(1)).rejects.toMatchObject({ code: 'unavailable' })
    await expectBlocks((await open()).store, [1])
  })
})
