// Why: what a restart makes of segments that were cut, have rotted, or are not ours.
import { existsSync } from 'node:fs'
import { appendFile, copyFile, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { bytesOf, mebibyte, usedBytesOf } from '../../conformance/support/block-store-fixture.ts'
import { findRecord, recordsIn } from '../../conformance/support/segment-fixture.ts'
import { ordinaryOrLong } from '../../support/run-length.ts'
import { kibibyte, range, putAll, expectBlocks, flip, segmentDirectory } from './support/segment-directory.ts'

const stepBytes = ordinaryOrLong(211, 37)
const directory = segmentDirectory()
const { open, segmentNames, segmentPath, bytesOnDisk, headsPath, removeHeads } = directory

describe('a restart', () => {
  test('after a cut anywhere serves what is whole before it, and goes on', async () => {
    const { store } = await open({ segmentBytes: mebibyte })
    await putAll(store, range(0, 8), 500)
    await store.close()
    const whole = await readFile(await segmentPath(0))
    const ends = (await recordsIn(directory.root)).map(({ from, length }) => from + length)
    for (let bytes = whole.length; bytes >= 0; bytes -= stepBytes) {
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

  test.each(['with', 'without'])(
    '%s files of heads: a rotten head is never served, and what is behind it is',
    async (heads) => {
      const { store } = await open()
      await putAll(store, range(0, 60))
      await store.close()
      const rotten = [0, 7, 30, 59]
      for (const id of rotten) {
        const record = await findRecord(directory.root, id, 'block')
        await flip(record?.path ?? '', (record?.from ?? 0) + 20)
      }
      if (heads === 'without') await removeHeads()
      const { store: again } = await open()
      // The file of heads does not know of the rot; the read does.
      for (const id of rotten) await expect(again.open(id)).rejects.toMatchObject({ name: 'SkeinError' })
      const left = range(0, 60).filter((id) => !rotten.includes(id))
      await expectBlocks(again, left)
      await again.close()
      await expectBlocks((await open()).store, left)
    },
  )

  test.each([
    ['flipped', async (path: string) => flip(path, 100)],
    ['cut', async (path: string) => truncate(path, 200)],
    ['empty', async (path: string) => truncate(path, 0)],
    ['gone', async (path: string) => rm(path)],
    ["another segment's", async (path: string) => copyFile(await headsPath(1), path)],
  ])('a file of heads that is %s is not believed', async (_, hurt) => {
    const { store } = await open()
    await putAll(store, range(0, 60))
    await store.free(3)
    // They are written behind.
    for (const index of [0, 1]) while (!existsSync(await headsPath(index))) await new Promise(setImmediate)
    await store.close()
    await hurt(await headsPath(0))
    const { store: again } = await open()
    const left = range(0, 60).filter((id) => id !== 3)
    await expectBlocks(again, left)
    // It is written anew.
    while ((await stat(await headsPath(0)).catch(() => ({ size: 0 }))).size < 1000) await new Promise(setImmediate)
    await again.close()
    await expectBlocks((await open()).store, left)
  })

  test("never serves another block's record", async () => {
    const { store, deps } = await open()
    await putAll(store, [1, 2])
    const [one, two] = [await findRecord(directory.root, 1, 'block'), await findRecord(directory.root, 2, 'block')]
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
    expect(await bytesOnDisk()).toBe(
      (await recordsIn(directory.root)).reduce((total, record) => total + record.length, 0),
    )
    await putAll(again, range(5, 7))
    await again.close()
    await expectBlocks((await open()).store, range(0, 7))
  })

  test('leaves files that are no segments alone, and takes one of noise away', async () => {
    const { store } = await open()
    await putAll(store, range(0, 5))
    await store.close()
    await writeFile(join(directory.root, 'segments', 'notes.txt'), 'not ours')
    await writeFile(join(directory.root, 'segments', '0000000000-0011223344556677.seg'), bytesOf(300_000, 1))
    const { store: again } = await open()
    await again.compact()
    await expectBlocks(again, range(0, 5))
    expect(await segmentNames()).toHaveLength(2)
    expect(await readFile(join(directory.root, 'segments', 'notes.txt'), 'utf8')).toBe('not ours')
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
