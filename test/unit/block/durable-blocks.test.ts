// Why: bytes that exist nowhere else must be on the disk before their writer is told that they are
// kept. How: the disk's calls are watched in order; what a power failure would leave is what was
// synced by then.
import { readdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { pageChecksums } from '../../../src/base/page-checksum.ts'
import { BlockDirectory } from '../../../src/block/assembly/block-directory.ts'
import type { BlockHeader } from '../../../src/block/block-store.ts'
import type * as DiskCalls from '../../../src/block/disk/disk-calls.ts'
import {
  bytesOf,
  headerOf,
  mebibyte,
  readWhole,
  storeDependencies,
  temporaryFolder,
} from '../../conformance/support/block-store-fixture.ts'

const watched = vi.hoisted(() => ({ calls: [] as string[], failSync: '', failWrite: false }))
vi.mock('../../../src/block/disk/disk-calls.ts', async (importOriginal) => {
  const real = await importOriginal<typeof DiskCalls>()
  const { readlinkSync } = await import('node:fs')
  const note = (what: string, path: string): void => {
    watched.calls.push(`${what} ${path.split('/').at(-1) ?? ''}`)
    if (what === watched.failSync) throw Object.assign(new Error('disk'), { code: 'EIO' })
  }
  return {
    ...real,
    syncFile: async (fd: number) => {
      note('sync', readlinkSync(`/proc/self/fd/${fd}`))
      await real.syncFile(fd)
    },
    syncDirectory: async (path: string) => {
      note('sync directory', path)
      await real.syncDirectory(path)
    },
    writeFully: async (fd: number, buffers: readonly Uint8Array[], position: number) => {
      if (watched.failWrite) throw Object.assign(new Error('disk'), { code: 'EIO' })
      await real.writeFully(fd, buffers, position)
    },
    renameFile: async (from: string, to: string) => {
      await real.renameFile(from, to)
      note('rename', to)
    },
  }
})

let root = ''
let cleanups: (() => Promise<unknown>)[] = []
beforeEach(async () => {
  const folder = await temporaryFolder()
  root = join(folder.path, 'directory')
  cleanups = [folder.remove]
  watched.calls.length = 0
  watched.failSync = ''
  watched.failWrite = false
})
afterEach(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup()
})

async function open(): Promise<BlockDirectory> {
  const options = {
    path: root,
    tier: 'SSD',
    mediumType: 'SSD',
    quotaBytes: 16 * mebibyte,
    workerId: 'w',
    deps: storeDependencies(),
  }
  const store = await BlockDirectory.open({ ...options, segments: { blockBytesMax: mebibyte, background: false } })
  cleanups.push(() => store.close())
  watched.calls.length = 0
  return store
}

const durableHeader = (blockId: number, length: number): BlockHeader => ({
  ...headerOf(blockId, length),
  durable: true,
})
/** Calls on directories end with these, from the folder of the block up. */
const folderSyncs = [
  expect.stringMatching(/^sync directory [0-9a-f]{2}$/),
  'sync directory blocks',
  'sync directory directory',
]

describe('a durable block', () => {
  test('that is large is synced before its rename, and its name after it', async () => {
    const store = await open()
    const reservation = await store.reserve(durableHeader(1, 3 * mebibyte))
    await reservation.write(bytesOf(3 * mebibyte, 1))
    expect(watched.calls).toEqual([])
    await reservation.commit()
    expect(watched.calls).toEqual([`sync ${basename(reservation.path)}`, 'rename 00000000000001', ...folderSyncs])
  })

  test('that another process wrote is synced too', async () => {
    const store = await open()
    const bytes = bytesOf(2 * mebibyte, 2)
    const reservation = await store.reserve(durableHeader(2, bytes.length))
    await writeFile(reservation.path, bytes)
    await reservation.commit(pageChecksums(bytes))
    expect(watched.calls).toEqual([`sync ${basename(reservation.path)}`, 'rename 00000000000002', ...folderSyncs])
    expect(bytes.equals(await readWhole(store, 2))).toBe(true)
  })

  test('that is small has a file of its own, never a place in a segment', async () => {
    const store = await open()
    await store.put(headerOf(7, 100), bytesOf(100, 7))
    expect(watched.calls).toEqual([])
    const before = store.segmentDiskBytes
    await store.put(durableHeader(3, 1000), bytesOf(1000, 3))
    expect(watched.calls).toEqual(['sync 00000000000003', ...folderSyncs])
    const reservation = await store.reserve(durableHeader(4, 0))
    await reservation.commit()
    expect(store.segmentDiskBytes).toBe(before)
    expect(
      (await readdir(join(root, 'blocks'), { recursive: true })).filter((name) => /[0-9a-f]{14}$/.test(name)).length,
    ).toBe(2)
  })

  test('is known as such after a restart', async () => {
    const first = await open()
    await first.put(durableHeader(5, 500), bytesOf(500, 5))
    await first.put(headerOf(6, 500), bytesOf(500, 6))
    await first.close()
    const second = await open()
    const flags = new Map([...second.list()].map((header) => [header.blockId, header.durable === true]))
    expect(flags).toEqual(
      new Map([
        [5, true],
        [6, false],
      ]),
    )
    expect(bytesOf(500, 5).equals(await readWhole(second, 5))).toBe(true)
  })

  test('is read right however often it is released, opened, freed and written anew at the same time', async () => {
    const store = await open()
    const lengthOf = (id: number): number => (id % 2 === 0 ? 700 : mebibyte + 3)
    for (let round = 0; round < 12; round += 1) {
      const ids = [1, 2, 3, 4, 5, 6]
      await Promise.all(ids.map((id) => store.put(durableHeader(id, lengthOf(id)), bytesOf(lengthOf(id), id))))
      const reads = ids.flatMap((id) =>
        Array.from({ length: 6 }, async (_, time) => {
          if (time === 3) await store.release(id)
          else expect(bytesOf(lengthOf(id), id).equals(await readWhole(store, id))).toBe(true)
        }),
      )
      await Promise.all(reads)
      expect([...store.list()].some(({ durable }) => durable === true)).toBe(false)
      await Promise.all(ids.flatMap((id) => [store.release(id), store.free(id)]))
      expect(store.blockCount).toBe(0)
    }
  })

  test('that is released without its mark written is whole, and durable again after a restart', async () => {
    const first = await open()
    await first.put(durableHeader(1, 500), bytesOf(500, 1))
    watched.failWrite = true
    await first.release(1)
    expect([...first.list()].map(({ durable }) => durable === true)).toEqual([false])
    watched.failWrite = false
    expect(bytesOf(500, 1).equals(await readWhole(first, 1))).toBe(true)
    await first.close()
    const second = await open()
    expect([...second.list()].map(({ durable }) => durable === true)).toEqual([true])
    await second.release(1)
    expect(bytesOf(500, 1).equals(await readWhole(second, 1))).toBe(true)
  })

  test.each(['sync', 'sync directory'])('is not kept when %s fails', async (failSync) => {
    const store = await open()
    watched.failSync = failSync
    await expect(store.put(durableHeader(8, 1000), bytesOf(1000, 8))).rejects.toMatchObject({ code: 'unavailable' })
    const reservation = await store.reserve(durableHeader(9, 2 * mebibyte))
    await reservation.write(bytesOf(2 * mebibyte, 9))
    await expect(reservation.commit()).rejects.toMatchObject({ code: 'unavailable' })
    expect([store.has(8), store.has(9), store.reservedBytes, store.usage()[0]?.usedBytes]).toEqual([false, false, 0, 0])
    expect((await readdir(root, { recursive: true })).filter((name) => /[0-9a-f]{14}/.test(name))).toEqual([])
    watched.failSync = ''
    await store.put(durableHeader(8, 1000), bytesOf(1000, 8))
    expect(store.has(8)).toBe(true)
  })
})
