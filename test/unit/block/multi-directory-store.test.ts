// Why: what is only true of several directories: where blocks go, what happens when one fails, and
// which sets are refused.
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { BlockStore } from '../../../src/block/block-store.ts'
import { DirectoryStore } from '../../../src/block/directory/directory-store.ts'
import { openTiers } from '../../../src/block/assembly/open-tiers.ts'
import { openBlockStore } from '../../../src/block/assembly/multi-directory-store.ts'
import {
  bytesOf,
  headerOf,
  readWhole,
  storeDependencies,
  temporaryFolder,
  usedBytesOf,
} from '../../conformance/support/block-store-fixture.ts'

let root = ''
let cleanups: (() => Promise<unknown>)[] = []
const deps = storeDependencies()
beforeEach(async () => {
  const folder = await temporaryFolder()
  root = folder.path
  cleanups = [folder.remove]
})
afterEach(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup()
})

const directory = (name: string, quotaBytes = 1000) => ({
  path: join(root, name),
  tier: 'SSD',
  mediumType: name.toUpperCase(),
  quotaBytes,
})

async function open(...directories: ReturnType<typeof directory>[]): Promise<BlockStore> {
  const store = await openBlockStore({ directories, workerId: 'worker-1', ...deps })
  cleanups.push(() => store.close())
  return store
}
const usedOf = (store: BlockStore): number[] => store.usage().map((usage) => usage.usedBytes)

const writeMarker = (name: string, workerId: string): Promise<void> =>
  writeFile(join(root, name, 'skein-directory.json'), JSON.stringify({ format: 1, workerId }))
const everythingIn = async (path: string): Promise<string[]> => (await readdir(path, { recursive: true })).toSorted()

describe('placement', () => {
  test('a block goes to the directory with the most free quota', async () => {
    const store = await open(directory('a', 500), directory('b', 1000))
    await store.put(headerOf(1, 400), bytesOf(400, 1))
    expect(usedOf(store)).toEqual([0, 400])
    await store.put(headerOf(2, 200), bytesOf(200, 2))
    expect(usedOf(store)).toEqual([0, 600])
    await store.put(headerOf(3, 450), bytesOf(450, 3))
    expect(usedOf(store)).toEqual([450, 600])
    await expect(store.put(headerOf(4, 500), bytesOf(500, 4))).rejects.toMatchObject({
      reason: 'no_capacity',
      message: expect.stringContaining('100 bytes are missing'),
    })
    expect(store.usage().map((usage) => usage.mediumType)).toEqual(['A', 'B'])
  })

  test('a directory that is gone is passed over, and counts for nothing', async () => {
    const store = await open(directory('a', 1000), directory('b', 500))
    await rm(join(root, 'a'), { recursive: true })
    await store.put(headerOf(1, 100), bytesOf(100, 1))
    expect(usedOf(store)).toEqual([0, 100])
    expect((await readWhole(store, 1)).equals(bytesOf(100, 1))).toBe(true)
    const reservation = await store.reserve(headerOf(2, 100))
    expect(reservation.path.startsWith(join(root, 'b'))).toBe(true)
    await reservation.abort()
    await expect.poll(() => store.usage().map((usage) => usage.state)).toEqual(['down', 'normal'])
    await expect(store.put(headerOf(3, 600), bytesOf(600, 3))).rejects.toMatchObject({
      code: 'resource_exhausted',
      reason: 'no_capacity',
    })
    expect(usedBytesOf(store)).toBe(100)
  })

  test('writers of one block at once never put it into two directories', async () => {
    const store = await open(directory('a'), directory('b'), directory('c'))
    for (let round = 0; round < 20; round += 1) {
      const results = await Promise.allSettled(
        Array.from({ length: 8 }, () => store.put(headerOf(1, 100), bytesOf(100, 1))),
      )
      expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
      expect(usedBytesOf(store)).toBe(100)
      void store.free(1)
    }
  })

  test('the metrics read the store', async () => {
    const store = await open(directory('a'), directory('b'))
    await store.put(headerOf(1, 100), bytesOf(100, 1))
    expect([
      deps.metrics.get('skein_worker_blocks'),
      deps.metrics.get('skein_worker_used_bytes'),
      deps.metrics.get('skein_worker_capacity_bytes'),
    ]).toEqual([1, 100, 2000])
  })
})

describe('directories', () => {
  test.each([
    ['twice', () => [directory('a'), directory('a')]],
    ['twice, written differently', () => [directory('a'), directory('./x/../a/')]],
    ['one inside the other', () => [directory('a'), directory('a/deep/b')]],
    ['one around the other', () => [directory('a/b'), directory('a')]],
  ])('given %s are refused', async (_, directories) => {
    await expect(open(...directories())).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  test('the same one through a symbolic link is refused, a longer name is not', async () => {
    await mkdir(join(root, 'a'))
    await symlink(join(root, 'a'), join(root, 'link'))
    await expect(open(directory('a'), directory('link'))).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('twice'),
    })
    await open(directory('a'), directory('ab'))
  })

  test.each<[string, () => Promise<unknown>, () => ReturnType<typeof directory>, string]>([
    [
      'of another worker',
      () => mkdir(join(root, 'b')).then(() => writeMarker('b', 'worker-2')),
      () => directory('b'),
      'belongs to worker worker-2',
    ],
    [
      "that holds somebody else's folder",
      () => mkdir(join(root, 'b/temp'), { recursive: true }),
      () => directory('b'),
      "holds a folder 'temp'",
    ],
    ['below a file', () => writeFile(join(root, 'f'), ''), () => directory('f/b'), 'no directory'],
    [
      'that is a link to nowhere',
      () => symlink(join(root, 'nowhere'), join(root, 'b')),
      () => directory('b'),
      'no directory',
    ],
    [
      'with a quota above its disk',
      () => Promise.resolve(),
      () => directory('new/b', 2 ** 52),
      'is above the size of its disk',
    ],
    ['inside the first', () => Promise.resolve(), () => directory('a/b'), 'one inside the other'],
  ])('nothing is changed when the second one is refused: one %s', async (_, prepare, second, message) => {
    await prepare()
    const before = await everythingIn(root)
    await expect(open(directory('a'), second())).rejects.toMatchObject({ message: expect.stringContaining(message) })
    const tiers = [[directory('a')], [second()]]
    await expect(openTiers({ tiers, workerId: 'worker-1', annotator: { kind: 'LRU' }, ...deps })).rejects.toMatchObject(
      {
        message: expect.stringContaining(message),
      },
    )
    expect(await everythingIn(root)).toEqual(before)
  })

  test('none are refused', async () => {
    await expect(open()).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  test('a refused second directory leaves the first one usable', async () => {
    const theirs = await DirectoryStore.open({ ...directory('b'), workerId: 'worker-2', deps })
    await theirs.close()
    await expect(open(directory('a'), directory('b'))).rejects.toMatchObject({ code: 'failed_precondition' })
    const store = await open(directory('a'))
    await store.put(headerOf(1, 10), bytesOf(10, 1))
  })

  test('a block that is in two directories after a disk came back is kept once', async () => {
    for (const name of ['a', 'b']) {
      const single = await open(directory(name))
      await single.put(headerOf(1, 100), bytesOf(100, 1))
      await single.close()
    }
    const store = await open(directory('a'), directory('b'))
    expect([store.blockCount, usedOf(store)]).toEqual([1, [100, 0]])
    const files = await readdir(join(root, 'b', 'blocks'), { recursive: true, withFileTypes: true })
    expect(files.filter((file) => file.isFile())).toEqual([])
    expect((await readWhole(store, 1)).equals(bytesOf(100, 1))).toBe(true)
  })
})
