// Why: what a directory must withstand from outside the contract: crashes, foreign files, rot,
// other workers.
import {
  appendFile,
  chmod,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { openSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DirectoryReservation } from '../../../src/block/directory/directory-reservation.ts'
import { DirectoryStore } from '../../../src/block/directory/directory-store.ts'
import { syncSlots } from '../../../src/block/disk/sync-ahead.ts'
import {
  bytesOf,
  headerOf,
  mebibyte,
  never,
  readWhole,
  storeDependencies,
  temporaryFolder,
  usedBytesOf,
} from '../../conformance/support/block-store-fixture.ts'

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

async function open(workerId = 'worker-1', quotaBytes = 16 * mebibyte) {
  const deps = storeDependencies()
  const store = await DirectoryStore.open({ path: root, tier: 'SSD', mediumType: 'SSD', quotaBytes, workerId, deps })
  cleanups.push(() => store.close())
  return { store, deps }
}

/** The files below a folder, from it. */
async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name))
}

async function fileOf(blockId: number): Promise<string> {
  const found = (await filesIn('blocks')).find((path) => path.endsWith(blockId.toString(16).padStart(14, '0')))
  if (found === undefined) throw new Error(`block ${blockId} has no file`)
  return found
}

async function flip(path: string, at: number): Promise<void> {
  const bytes = await readFile(path)
  bytes.writeUInt8((bytes.at(at) ?? 0) ^ 0x10, at < 0 ? bytes.length + at : at)
  await writeFile(path, bytes)
}

describe('whose directory it is', () => {
  test("another worker's is refused in one line, one's own is taken again", async () => {
    await (await open('worker-1')).store.close()
    await expect(open('worker-2')).rejects.toMatchObject({
      code: 'failed_precondition',
      reason: 'directory_in_use',
      message: expect.stringMatching(/^.*belongs to worker worker-1, not to worker-2.*$/),
    })
    await open('worker-1')
  })

  test.each(['blocks', 'temp'])("a folder '%s' that is not ours is refused, and what is in it stays", async (name) => {
    await mkdir(join(root, name), { recursive: true })
    await writeFile(join(root, name, 'precious'), 'x')
    await expect(open()).rejects.toMatchObject({ code: 'failed_precondition', reason: 'directory_in_use' })
    expect(await readFile(join(root, name, 'precious'), 'utf8')).toBe('x')
  })

  test('a marker that cannot be read is refused', async () => {
    await mkdir(root)
    await writeFile(join(root, 'skein-directory.json'), '{"format":2}')
    await expect(open()).rejects.toMatchObject({ code: 'failed_precondition', reason: 'directory_in_use' })
  })

  test('a symbolic link in the place of a folder is refused', async () => {
    await (await open()).store.close()
    await rm(join(root, 'temp'), { recursive: true })
    await symlink('/', join(root, 'temp'))
    await expect(open()).rejects.toMatchObject({ code: 'failed_precondition' })
  })

  test('folders and files are for their owner only', async () => {
    const { store } = await open()
    await chmod(join(root, 'blocks'), 0o755)
    await store.put(headerOf(1, 10), bytesOf(10, 1))
    await store.close()
    await open()
    expect((await stat(root)).mode & 0o777).toBe(0o700)
    for (const folder of ['blocks', 'temp']) expect((await stat(join(root, folder))).mode & 0o777).toBe(0o700)
    expect((await stat(dirname(await fileOf(1)))).mode & 0o777).toBe(0o700)
    expect((await stat(await fileOf(1))).mode & 0o777).toBe(0o600)
  })

  test('a path that is a file says so', async () => {
    await writeFile(root, '')
    await expect(open()).rejects.toMatchObject({ name: 'SkeinError' })
  })
})

describe('after a crash', () => {
  test('temporary files go, other files in temp stay', async () => {
    const { store } = await open()
    const reservation = await store.reserve(headerOf(1, 10 * mebibyte))
    await reservation.write(bytesOf(3 * mebibyte, 1))
    await writeFile(join(root, 'temp', 'readme'), 'not ours')
    expect(await filesIn('temp')).toHaveLength(2)
    const { store: again } = await open()
    expect(await filesIn('temp')).toEqual([join(root, 'temp', 'readme')])
    expect(usedBytesOf(again)).toBe(0)
    await again.put(headerOf(1, 10), bytesOf(10, 1))
  })

  test('a file cut anywhere is deleted', async () => {
    const { store } = await open()
    const length = 3000
    for (let id = 0; id < 32; id += 1) await store.put(headerOf(id, length), bytesOf(length, id))
    for (let id = 0; id < 31; id += 1) {
      const path = await fileOf(id)
      await truncate(path, Math.floor(((await stat(path)).size * id) / 31))
    }
    const { store: again } = await open()
    expect([...again.list()].map((header) => header.blockId)).toEqual([31])
    expect(await filesIn('blocks')).toHaveLength(1)
    expect(usedBytesOf(again)).toBe(length)
    await again.put(headerOf(0, length), bytesOf(length, 0))
  })

  test.each([
    ['a longer file', async (path: string) => appendFile(path, 'x')],
    ['a flipped bit in the footer', async (path: string) => flip(path, -30)],
    ['an empty file', async (path: string) => truncate(path, 0)],
    ["another block's file", async (path: string) => writeFile(path, await readFile(await fileOf(2)))],
    [
      'a symbolic link',
      async (path: string) => {
        await rm(path)
        await symlink(await fileOf(2), path)
      },
    ],
    [
      'a folder',
      async (path: string) => {
        await rm(path)
        await mkdir(path)
      },
    ],
  ])('%s is no block', async (name, hurt) => {
    const { store } = await open()
    for (const id of [1, 2]) await store.put(headerOf(id, 100), bytesOf(100, id))
    await store.close()
    await hurt(await fileOf(1))
    if (name === 'a folder') {
      // Not ours to delete; it says so instead of guessing.
      await expect(open()).rejects.toMatchObject({ name: 'SkeinError' })
      return
    }
    const { store: again } = await open()
    expect([...again.list()]).toMatchObject([{ blockId: 2, length: 100 }])
    expect(await filesIn('blocks')).toHaveLength(1)
    expect((await readWhole(again, 2)).equals(bytesOf(100, 2))).toBe(true)
  })

  test('files with other names, and blocks in the wrong folder, are left alone and not served', async () => {
    const { store } = await open()
    await store.put(headerOf(1, 100), bytesOf(100, 1))
    await store.put(headerOf(2, 100), bytesOf(100, 2))
    const path = await fileOf(1)
    await rename(path, join(dirname(await fileOf(2)), '00000000000001'))
    await writeFile(join(dirname(await fileOf(2)), 'notes.txt'), 'x')
    await writeFile(join(dirname(await fileOf(2)), '0000000000002'), 'x')
    const { store: again } = await open()
    expect([...again.list()].map((header) => header.blockId)).toEqual([2])
    expect(await filesIn('blocks')).toHaveLength(4)
  })

  test('blocks beyond a lowered quota go, and the quota holds', async () => {
    const { store } = await open('worker-1', 1000)
    for (let id = 0; id < 10; id += 1) await store.put(headerOf(id, 100), bytesOf(100, id))
    await store.close()
    const { store: again } = await open('worker-1', 350)
    expect([again.blockCount, usedBytesOf(again)]).toEqual([3, 300])
    expect(await filesIn('blocks')).toHaveLength(3)
  })

  test('a block with names too long for one small read is found', async () => {
    const { store } = await open()
    await store.put(headerOf(1, 100, 'k'.repeat(5000)), bytesOf(100, 1))
    const { store: again } = await open()
    expect((await readWhole(again, 1)).equals(bytesOf(100, 1))).toBe(true)
  })
})

describe('rot', () => {
  test.each([
    [100, 0],
    [100, 99],
    [3 * mebibyte, 2 * mebibyte + 5],
  ])('a bit flipped in %i bytes at %i is found by the read that touches it', async (length, at) => {
    const { store, deps } = await open()
    await store.put(headerOf(1, length), bytesOf(length, 1))
    await flip(await fileOf(1), at)
    await expect(readWhole(store, 1)).rejects.toMatchObject({ code: 'data_loss', reason: 'block_corrupt' })
    expect([store.has(1), usedBytesOf(store), await filesIn('blocks')]).toEqual([false, 0, []])
    expect(deps.events.lines).toEqual(['+1', '-1 corrupt'])
    expect(deps.metrics.get('skein_worker_blocks_removed_total', { reason: 'corrupt' })).toBe(1)
  })

  test('pages that are right can be read beside one that is not', async () => {
    const { store } = await open()
    const bytes = bytesOf(2 * mebibyte, 1)
    await store.put(headerOf(1, bytes.length), bytes)
    await flip(await fileOf(1), mebibyte)
    const reader = await store.open(1)
    expect(Buffer.from(await reader.read(0, mebibyte, never)).equals(bytes.subarray(0, mebibyte))).toBe(true)
    await expect(reader.read(mebibyte + 100, 1, never)).rejects.toMatchObject({ code: 'data_loss' })
    await reader.close()
  })

  test('rot is found after earlier reads were right', async () => {
    const { store } = await open()
    await store.put(headerOf(1, 2 * mebibyte), bytesOf(2 * mebibyte, 1))
    const reader = await store.open(1)
    await reader.read(0, 100, never)
    await flip(await fileOf(1), 50)
    await expect(reader.read(0, 100, never)).rejects.toMatchObject({ code: 'data_loss' })
    await reader.close()
  })

  test.each([100, 2 * mebibyte])(
    'a footer that rots under a block of %i bytes is found when it is opened',
    async (length) => {
      const { store, deps } = await open()
      await store.put(headerOf(1, length), bytesOf(length, 1))
      await flip(await fileOf(1), -40)
      await expect(store.open(1)).rejects.toMatchObject({ code: 'data_loss' })
      expect([store.has(1), deps.events.lines.at(-1)]).toEqual([false, '-1 corrupt'])
    },
  )

  test.each([100, 2 * mebibyte])('a file of a block of %i bytes that grew is no block any more', async (length) => {
    const { store } = await open()
    await store.put(headerOf(1, length), bytesOf(length, 1))
    await appendFile(await fileOf(1), 'x')
    await expect(store.open(1)).rejects.toMatchObject({ code: 'data_loss' })
    expect(store.has(1)).toBe(false)
  })

  test('a file that vanished is a lost block', async () => {
    const { store, deps } = await open()
    await store.put(headerOf(1, 100), bytesOf(100, 1))
    await rm(await fileOf(1))
    await expect(store.open(1)).rejects.toMatchObject({ code: 'data_loss', reason: 'block_missing' })
    expect([store.has(1), usedBytesOf(store), deps.events.lines.at(-1)]).toEqual([false, 0, '-1 lost'])
    await store.put(headerOf(1, 100), bytesOf(100, 1))
  })

  test('a symbolic link in the place of a file is not followed', async () => {
    const { store } = await open()
    for (const id of [1, 2]) await store.put(headerOf(id, 100), bytesOf(100, id))
    const path = await fileOf(1)
    await rm(path)
    await symlink(await fileOf(2), path)
    await expect(store.open(1)).rejects.toMatchObject({ code: 'data_loss' })
    expect((await readWhole(store, 2)).equals(bytesOf(100, 2))).toBe(true)
  })
})

describe('the disk', () => {
  test('a block whose old file could not be deleted can be written again', async () => {
    const { store } = await open()
    await store.put(headerOf(1, 100), bytesOf(100, 1))
    const path = await fileOf(1)
    await store.free(1)
    await writeFile(path, 'left behind')
    await store.put(headerOf(1, 100), bytesOf(100, 2))
    expect((await readWhole(store, 1)).equals(bytesOf(100, 2))).toBe(true)
  })

  test('a reservation that finds no file to make gives its bytes back', async () => {
    const { store } = await open()
    await rm(root, { recursive: true })
    await expect(store.reserve(headerOf(1, 100))).rejects.toMatchObject({ code: 'unavailable', reason: 'disk_fault' })
    await expect(store.put(headerOf(1, 100), bytesOf(100, 1))).rejects.toMatchObject({ code: 'unavailable' })
    expect([usedBytesOf(store), store.reservedBytes]).toEqual([0, 0])
  })

  test('a file that was taken away from under its writer is not committed', async () => {
    const { store } = await open()
    const reservation = await store.reserve(headerOf(1, 4 * mebibyte))
    await rm(reservation.path)
    await reservation.write(bytesOf(4 * mebibyte, 1))
    await expect(reservation.commit()).rejects.toMatchObject({ code: 'unavailable' })
    expect([store.has(1), usedBytesOf(store), await filesIn('temp')]).toEqual([false, 0, []])
  })

  // /dev/full answers ENOSPC to every write.
  test.each(['write', 'commit'])(
    'a full disk is resource_exhausted at %s, and the reservation is given up once',
    async (when) => {
      const ended: string[] = []
      const length = when === 'write' ? 4 * mebibyte : mebibyte
      await mkdir(root)
      const reservation = new DirectoryReservation({
        id: 'id',
        header: headerOf(1, length),
        path: join(root, 'temp'),
        fd: openSync('/dev/full', 'r+'),
        syncSlots: syncSlots(),
        moveIn: () => Promise.resolve(void ended.push('moved')),
        committed: () => ended.push('committed'),
        aborted: () => ended.push('aborted'),
        warn: () => ended.push('warned'),
      })
      const writing = async (): Promise<void> => {
        for (let at = 0; at < length; at += mebibyte) await reservation.write(bytesOf(mebibyte, 1))
        if (when === 'commit') await reservation.commit()
      }
      const full = { code: 'resource_exhausted', reason: 'disk_full' }
      await expect(writing()).rejects.toMatchObject(full)
      expect(reservation.ended).toBe(true)
      await reservation.abort()
      if (when === 'write') await expect(reservation.write(bytesOf(1, 1))).rejects.toMatchObject(full)
      expect(ended).toEqual(['aborted'])
    },
  )

  test('an abort while writes are out leaves nothing', async () => {
    const { store } = await open()
    for (let round = 0; round < 10; round += 1) {
      const reservation = await store.reserve(headerOf(1, 8 * mebibyte))
      const bytes = bytesOf(mebibyte, 1)
      const writing = (async () => {
        for (let count = 0; count < 8; count += 1) await reservation.write(bytes)
      })().catch((thrown: unknown) => thrown)
      for (let turn = 0; turn < round; turn += 1) await Promise.resolve()
      await reservation.abort()
      await writing
      expect([usedBytesOf(store), await filesIn('temp')]).toEqual([0, []])
    }
  })
})
