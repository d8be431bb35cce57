// Why: what segments must withstand beyond the contract: freed blocks that must stay freed, space
// that must come back, crashes between any two steps, rot, and disks that fail.
import { copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  bytesOf,
  headerOf,
  mebibyte,
  never,
  readWhole,
  usedBytesOf,
} from '../../conformance/support/block-store-fixture.ts'
import { findRecord, recordsIn } from '../../conformance/support/segment-fixture.ts'
import {
  kibibyte,
  idsOf,
  range,
  putAll,
  freeAll,
  expectBlocks,
  flip,
  segmentDirectory,
} from './support/segment-directory.ts'

const directory = segmentDirectory()
const { open, segmentNames, segmentPath, bytesOnDisk } = directory

describe('where blocks go', () => {
  test('small ones share segments of bounded length, large ones have files', async () => {
    const { store } = await open({ blockBytesMax: 10 * kibibyte })
    await putAll(store, range(0, 100))
    await store.put(headerOf(200, 10 * kibibyte + 1), bytesOf(10 * kibibyte + 1, 200))
    expect(
      (await readdir(join(directory.root, 'blocks'), { recursive: true })).filter((name) => name.endsWith('c8')),
    ).toHaveLength(2)
    expect(await segmentNames()).toHaveLength(4)
    for (const name of await segmentNames())
      expect((await stat(join(directory.root, 'segments', name))).size).toBeLessThanOrEqual(256 * kibibyte)
    expect(await recordsIn(directory.root)).toHaveLength(100)
  })

  test('with segments switched off, those that are there are served and freed', async () => {
    await putAll((await open()).store, range(0, 20))
    const { store } = await open({ blockBytesMax: 0 })
    await putAll(store, range(20, 22))
    await expectBlocks(store, range(0, 22))
    expect(await recordsIn(directory.root)).toHaveLength(20)
    await freeAll(store, range(0, 20))
    await store.compact()
    await expectBlocks((await open()).store, range(20, 22))
  })

  test('a block that is in a file and in a segment after a crash is there once', async () => {
    const files = await open({ blockBytesMax: 0 })
    await putAll(files.store, [1])
    await files.store.close()
    const saved = (await readdir(join(directory.root, 'blocks'), { recursive: true, withFileTypes: true })).find(
      (entry) => entry.isFile(),
    )
    const path = join(saved?.parentPath ?? '', saved?.name ?? '')
    await copyFile(path, join(directory.root, 'saved'))
    const { store } = await open()
    await store.free(1)
    await putAll(store, [1])
    await store.close()
    await copyFile(join(directory.root, 'saved'), path)
    const again = await open()
    await expectBlocks(again.store, [1])
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' })
    await again.store.free(1)
    await expectBlocks((await open()).store, [])
  })

  test("a folder 'segments' that is not ours is refused", async () => {
    await mkdir(join(directory.root, 'segments'), { recursive: true })
    await expect(open()).rejects.toMatchObject({ code: 'failed_precondition', reason: 'directory_in_use' })
  })
})

describe('the disk', () => {
  test('a segment that cannot be made fails all that waits, and what comes later tries again', async () => {
    const { store } = await open()
    await rm(directory.root, { recursive: true })
    const results = await Promise.allSettled(range(0, 50).map((id) => store.put(headerOf(id, 100), bytesOf(100, id))))
    for (const result of results)
      expect(result).toMatchObject({ reason: { code: 'unavailable', reason: 'disk_fault' } })
    expect([usedBytesOf(store), store.reservedBytes, store.blockCount]).toEqual([0, 0, 0])
    await mkdir(join(directory.root, 'segments'), { recursive: true })
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
    const before = await findRecord(directory.root, 5, 'tombstone')
    for (let round = 0; round < 4; round += 1) {
      // Freed blocks by the dozen, so that the tombstone's segment is compacted again and again.
      await putAll(store, range(300, 360))
      await freeAll(store, range(300, 360))
      await store.compact()
    }
    const after = await findRecord(directory.root, 5, 'tombstone')
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
    expect(await findRecord(directory.root, 5, 'tombstone')).toBeUndefined()
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
  test.each([10 * kibibyte, 700 * kibibyte])(
    'gives the space of freed blocks of %i bytes back, and readers read on',
    async (length) => {
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
    },
  )

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
    await copyFile(victim, join(directory.root, 'saved'))
    await store.compact()
    await store.close()
    await expect(stat(victim)).rejects.toMatchObject({ code: 'ENOENT' })
    await copyFile(join(directory.root, 'saved'), victim)
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
    await copyFile(victim, join(directory.root, 'saved'))
    await store.compact()
    await store.close()
    const last = await segmentPath(-1)
    const whole = await readFile(last)
    for (let at = 0; at < whole.length; at += Math.ceil(whole.length / 23)) {
      await copyFile(join(directory.root, 'saved'), victim)
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
      const record = await findRecord(directory.root, id, 'block')
      await flip(record?.path ?? '', (record?.from ?? 0) + (id === 20 ? 40 : 5000))
    }
    await freeAll(store, range(0, 12))
    await putAll(store, range(30, 40))
    await store.compact()
    expect(deps.events.lines.filter((line) => line.endsWith('corrupt')).toSorted()).toEqual([
      '-20 corrupt',
      '-21 corrupt',
    ])
    await expectBlocks(store, [...range(12, 20), 22, 23, ...range(30, 40)])
  })
})
