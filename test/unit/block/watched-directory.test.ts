// Why: a disk that fails costs its blocks and nothing else, and is taken back when it is well. How:
// directories are taken away and put back for real; I/O errors and full disks are put in where the
// store calls the disk.
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import type { BlockStore } from '../../../src/block/block-store.ts'
import type * as DiskCalls from '../../../src/block/disk/disk-calls.ts'
import { openBlockStore } from '../../../src/block/assembly/multi-directory-store.ts'
import { openTiers } from '../../../src/block/assembly/open-tiers.ts'
import {
  bytesOf,
  headerOf,
  mebibyte,
  readWhole,
  storeDependencies,
  temporaryFolder,
  usedBytesOf,
} from '../../conformance/support/block-store-fixture.ts'

/** A call on a path that `on` is part of fails with `code`; `what` is the call, or any. */
const faults = vi.hoisted(() => [] as { on: string; what?: 'write' | 'open' | 'read' | 'access'; code: string }[])
function fail(what: 'write' | 'open' | 'read' | 'access', path: string): void {
  const fault = faults.find((each) => path.includes(each.on) && (each.what ?? what) === what)
  if (fault !== undefined) throw Object.assign(new Error('the disk says no'), { code: fault.code })
}

vi.mock('../../../src/block/disk/disk-calls.ts', async (importOriginal) => {
  const real = await importOriginal<typeof DiskCalls>()
  const { readlinkSync } = await import('node:fs')
  const pathOf = (fd: number): string => readlinkSync(`/proc/self/fd/${fd}`)
  return {
    ...real,
    openFile: async (path: string, flags: number) => {
      fail('open', path)
      return await real.openFile(path, flags)
    },
    writeFully: async (fd: number, buffers: readonly Uint8Array[], position: number) => {
      // A part of it gets there.
      await real.writeFully(fd, [(buffers[0] ?? Buffer.alloc(0)).subarray(0, 10)], position)
      fail('write', pathOf(fd))
      await real.writeFully(fd, buffers, position)
    },
    readFully: async (fd: number, into: Uint8Array, position: number) => {
      fail('read', pathOf(fd))
      return await real.readFully(fd, into, position)
    },
  }
})
vi.mock('node:fs/promises', async (importOriginal) => {
  const real = await importOriginal<
    Record<string, unknown> & { access: (path: string, mode: number) => Promise<void> }
  >()
  return {
    ...real,
    access: async (path: string, mode: number) => {
      fail('access', path)
      await real.access(path, mode)
    },
  }
})

let root = ''
let cleanups: (() => Promise<unknown>)[] = []
beforeEach(async () => {
  const folder = await temporaryFolder()
  root = folder.path
  cleanups = [folder.remove]
})
afterEach(async () => {
  faults.length = 0
  for (const cleanup of cleanups.toReversed()) await cleanup()
})

const healthLimits = { probeIntervalMs: 10 }
const directory = (name: string, quotaBytes = 10 * mebibyte) => ({
  path: join(root, name),
  tier: 'SSD',
  mediumType: 'SSD',
  quotaBytes,
})
const dependencies = () => ({ ...storeDependencies(), clock: systemClock })

async function open(names: readonly string[], limits: { firstQuotaBytes?: number; probesToDown?: number } = {}) {
  const deps = dependencies()
  const { firstQuotaBytes, probesToDown = 3 } = limits
  const directories = names.map((name, index) => directory(name, index === 0 ? firstQuotaBytes : undefined))
  const segments = { blockBytesMax: 1000, background: false }
  const store = await openBlockStore({
    directories,
    workerId: 'worker-1',
    segments,
    healthLimits: { ...healthLimits, probesToDown },
    ...deps,
  })
  cleanups.push(() => store.close())
  return { store, deps }
}

const put = (store: BlockStore, id: number, length: number): Promise<void> =>
  store.put(headerOf(id, length), bytesOf(length, id))
const states = (store: BlockStore): string =>
  store
    .usage()
    .map((usage) => usage.state)
    .join()
const become = (store: BlockStore, wanted: string): Promise<void> =>
  expect.poll(() => states(store), { interval: 5 }).toBe(wanted)
async function expectServed(store: BlockStore, id: number, length: number): Promise<void> {
  expect((await readWhole(store, id)).equals(bytesOf(length, id)), `block ${id}`).toBe(true)
}
async function filesOf(name: string): Promise<string[]> {
  const entries = await readdir(join(root, name), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile() && /^[0-9a-f]{14}/.test(entry.name)).map((entry) => entry.name)
}

describe('a directory that is taken away', () => {
  test('loses its blocks, is not written to, and brings them back', async () => {
    const { store, deps } = await open(['a', 'b'])
    // By turns: a, b, a, b.
    for (const [id, length] of [
      [1, 2000],
      [2, 2001],
      [3, 500],
      [4, 501],
    ] as const)
      await put(store, id, length)
    await rename(join(root, 'a'), join(root, 'elsewhere'))
    await become(store, 'down,normal')
    expect(deps.events.lines.slice(4).toSorted()).toEqual(['-1 lost', '-3 lost'].toSorted())
    for (const id of [1, 3]) {
      expect(store.has(id)).toBe(false)
      await expect(store.open(id)).rejects.toMatchObject({ code: 'not_found' })
    }
    expect(store.usage()[0]).toMatchObject({ quotaBytes: 0, usedBytes: 0 })
    expect([
      deps.metrics.get('skein_worker_directories', { state: 'down' }),
      deps.metrics.get('skein_worker_blocks'),
    ]).toEqual([1, 2])
    // Block 1 comes anew, elsewhere.
    for (const [id, length] of [
      [1, 2000],
      [5, 3000],
    ] as const)
      await put(store, id, length)
    await rename(join(root, 'elsewhere'), join(root, 'a'))
    await become(store, 'normal,normal')
    await expect.poll(() => deps.events.lines.slice(6)).toEqual(['+1', '+5', '+3'])
    for (const [id, length] of [
      [1, 2000],
      [2, 2001],
      [3, 500],
      [4, 501],
      [5, 3000],
    ] as const)
      await expectServed(store, id, length)
    await expect.poll(() => filesOf('a')).toEqual([])
    expect(usedBytesOf(store)).toBe(2000 + 2001 + 500 + 501 + 3000)
    await put(store, 6, 1500)
    expect(await filesOf('a')).toHaveLength(1)
  })

  test('is not taken for the empty folder that a lost mount leaves', async () => {
    const { store } = await open(['a', 'b'])
    await put(store, 1, 2000)
    await rename(join(root, 'a'), join(root, 'elsewhere'))
    await mkdir(join(root, 'a'))
    await become(store, 'down,normal')
    for (let id = 2; id < 6; id += 1) await put(store, id, 2000)
    await systemClock.sleep(100, new AbortController().signal)
    expect(states(store)).toBe('down,normal')
    expect(await readdir(join(root, 'a'))).toEqual([])
  })

  test('fails the writer, and the store can be closed meanwhile', async () => {
    const { store } = await open(['a'])
    const reservation = await store.reserve(headerOf(1, 3 * mebibyte))
    await rm(join(root, 'a'), { recursive: true })
    await become(store, 'down')
    await expect(
      (async () => {
        for (let part = 0; part < 3; part += 1) await reservation.write(bytesOf(mebibyte, part))
        await reservation.commit()
      })(),
    ).rejects.toMatchObject({ code: expect.stringMatching(/aborted|unavailable/) })
    await expect(put(store, 2, 10)).rejects.toMatchObject({ code: 'unavailable', reason: 'disk_fault' })
    expect([store.blockCount, usedBytesOf(store), store.reservedBytes]).toEqual([0, 0, 0])
  })

  test('that is read-only from now on is down', async () => {
    const { store, deps } = await open(['a'])
    await put(store, 1, 2000)
    faults.push({ on: '/a', what: 'access', code: 'EROFS' })
    await become(store, 'down')
    faults.length = 0
    await become(store, 'normal')
    await expect.poll(() => deps.events.lines).toEqual(['+1', '-1 lost', '+1'])
    await expectServed(store, 1, 2000)
  })
})

describe('a disk with I/O errors', () => {
  test('is read but not written, is given up when it stays ill, and is taken back when it is well', async () => {
    const { store, deps } = await open(['a', 'b'], { firstQuotaBytes: 20 * mebibyte })
    await put(store, 1, 2000)
    expect(await filesOf('a')).toHaveLength(1)
    faults.push({ on: '/a/', what: 'write', code: 'EIO' })
    // Each goes to the other directory, at the cost of an attempt.
    for (let id = 2; id <= 4; id += 1) await put(store, id, 10)
    expect(['unstable,normal', 'down,normal']).toContain(states(store))
    await become(store, 'down,normal')
    expect(deps.events.lines.filter((line) => line.startsWith('-'))).toEqual(['-1 lost'])
    faults.length = 0
    await become(store, 'normal,normal')
    await expect.poll(() => store.has(1)).toBe(true)
    for (const [id, length] of [
      [1, 2000],
      [2, 10],
      [4, 10],
    ] as const)
      await expectServed(store, id, length)
  })

  test('serves what it can while it is unstable, and is normal again without a loss', async () => {
    const { store, deps } = await open(['a', 'b'], { firstQuotaBytes: 20 * mebibyte, probesToDown: 100_000 })
    await put(store, 1, 2000)
    faults.push({ on: '/a/', what: 'write', code: 'EIO' })
    for (let id = 2; id <= 4; id += 1) await put(store, id, 10)
    await become(store, 'unstable,normal')
    expect(deps.metrics.get('skein_worker_directories', { state: 'unstable' })).toBe(1)
    expect(store.usage()[0]).toMatchObject({ quotaBytes: 2000, usedBytes: 2000 })
    await expectServed(store, 1, 2000)
    await put(store, 5, 2000)
    expect(await filesOf('a')).toEqual([expect.stringMatching(/1$/)])
    faults.length = 0
    await become(store, 'normal,normal')
    expect(deps.events.lines.filter((line) => line.startsWith('-'))).toEqual([])
  })

  test('found while blocks are read counts too', async () => {
    const { store } = await open(['a'])
    await put(store, 1, 2 * mebibyte)
    const reader = await store.open(1)
    faults.push({ on: '/a/', what: 'read', code: 'EIO' })
    for (let time = 0; time < 3; time += 1)
      await expect(reader.read(0, 10, new AbortController().signal)).rejects.toMatchObject({
        code: 'unavailable',
        reason: 'disk_fault',
      })
    await reader.close()
    await become(store, 'down')
  })

  test('too many open files are not its fault', async () => {
    const { store } = await open(['a'])
    faults.push({ on: '/a/', what: 'open', code: 'EMFILE' })
    for (let id = 1; id < 12; id += 1) await expect(put(store, id, 2000)).rejects.toMatchObject({ code: 'unavailable' })
    await systemClock.sleep(100, new AbortController().signal)
    expect(states(store)).toBe('normal')
  })
})

describe('a disk that is full behind the quota', () => {
  test.each([10, 2000, 3 * mebibyte])(
    'passes a block of %i bytes on to the next directory, and leaves nothing',
    async (length) => {
      const { store } = await open(['a', 'b'])
      faults.push({ on: '/a/', what: 'write', code: 'ENOSPC' })
      await expect(put(store, 1, length).catch(() => put(store, 1, length))).resolves.toBeUndefined()
      await expectServed(store, 1, length)
      expect([await filesOf('a'), states(store), usedBytesOf(store), store.reservedBytes]).toEqual([
        [],
        'normal,normal',
        length,
        0,
      ])
      // It is not tried again at once, although it is the emptier one.
      const reservation = await store.reserve(headerOf(2, 2000))
      expect(reservation.path).toContain('/b/')
      await reservation.abort()
    },
  )

  test('refuses the block where there is no other, and takes it once something was freed', async () => {
    const { store } = await open(['a'])
    for (const id of [1, 2]) await put(store, id, 2000)
    faults.push({ on: '/a/', what: 'write', code: 'ENOSPC' })
    for (const length of [10, 2000, 3 * mebibyte]) {
      const refused = expect.objectContaining({ code: 'resource_exhausted', reason: 'disk_full' })
      await expect(put(store, 3, length)).rejects.toEqual(refused)
      await expect(put(store, 3, length)).rejects.toEqual(refused)
    }
    expect([await filesOf('a'), states(store), usedBytesOf(store)]).toEqual([
      [expect.anything(), expect.anything()],
      'normal',
      4000,
    ])
    faults.length = 0
    await store.free(1)
    await put(store, 3, 2000)
    await expectServed(store, 3, 2000)
  })

  test('gets the room of freed small blocks back, although nothing can be written', async () => {
    const deps = dependencies()
    const directories = [directory('a')]
    const segments = { blockBytesMax: 1000, segmentBytes: 8000 }
    const reopen = (): Promise<BlockStore> =>
      openBlockStore({ directories, workerId: 'w', segments, healthLimits, ...deps })
    const store = await reopen()
    cleanups.push(() => store.close())
    const ids = Array.from({ length: 40 }, (_, index) => index + 1)
    for (const id of ids) await put(store, id, 500)
    const segmentFiles = async (): Promise<number> =>
      (await readdir(join(root, 'a', 'segments'))).filter((name) => name.endsWith('.seg')).length
    expect(await segmentFiles()).toBeGreaterThan(2)
    faults.push({ on: '/segments/', what: 'write', code: 'ENOSPC' })
    await expect(put(store, 50, 500)).rejects.toMatchObject({ reason: 'disk_full' })
    for (const id of ids) expect(await store.free(id)).toBe(true)
    await expect.poll(() => segmentFiles()).toBe(0)
    faults.length = 0
    await put(store, 50, 500)
    await expectServed(store, 50, 500)
    await store.close()
    const again = await reopen()
    cleanups.push(() => again.close())
    expect([...again.list()].map(({ blockId }) => blockId)).toEqual([50])
  })

  test('is passed over for the next tier', async () => {
    const tiers = ['a', 'b'].map((name) => [directory(name)])
    const store = await openTiers({ tiers, workerId: 'w', annotator: { kind: 'LRU' }, healthLimits, ...dependencies() })
    cleanups.push(() => store.close())
    faults.push({ on: '/a/', what: 'write', code: 'ENOSPC' })
    await put(store, 1, 2000)
    expect(store.levelOf(1)).toBe(1)
    expect(await filesOf('a')).toEqual([])
  })
})

describe('a tier whose disk fails', () => {
  test('gives its blocks up; what came anew meanwhile stays where it is, the rest comes back', async () => {
    const deps = dependencies()
    const tiers = ['a', 'b'].map((name) => [directory(name)])
    const store = await openTiers({ tiers, workerId: 'w', annotator: { kind: 'LRU' }, healthLimits, ...deps })
    cleanups.push(() => store.close())
    for (const id of [1, 2, 3]) await put(store, id, 2000)
    expect([1, 2, 3].map((id) => store.levelOf(id))).toEqual([0, 0, 0])
    await rename(join(root, 'a'), join(root, 'elsewhere'))
    await become(store, 'down,normal')
    expect([store.blockCount, deps.events.lines.slice(3)]).toEqual([0, ['-1 lost', '-2 lost', '-3 lost']])
    await put(store, 2, 2000)
    const reservation = await store.reserve(headerOf(3, 2000))
    await rename(join(root, 'elsewhere'), join(root, 'a'))
    await become(store, 'normal,normal')
    await expect.poll(() => deps.events.lines.slice(6)).toEqual(['+2', '+1'])
    await reservation.write(bytesOf(2000, 3))
    await reservation.commit()
    expect([1, 2, 3].map((id) => store.levelOf(id))).toEqual([0, 1, 1])
    for (const id of [1, 2, 3]) await expectServed(store, id, 2000)
    expect(usedBytesOf(store)).toBe(6000)
    await expect.poll(() => filesOf('a')).toHaveLength(1)
  })

  test('keeps no writer waiting: the tiers below evict for it', async () => {
    const tiers = [[directory('a', 4000)], [directory('b', 4000), directory('c', 4000)]]
    const store = await openTiers({ tiers, workerId: 'w', annotator: { kind: 'LRU' }, healthLimits, ...dependencies() })
    cleanups.push(() => store.close())
    for (let id = 1; id <= 6; id += 1) await put(store, id, 2000)
    await rename(join(root, 'b'), join(root, 'elsewhere'))
    await become(store, 'normal,down,normal')
    for (let id = 11; id <= 18; id += 1) await store.put(headerOf(id, 2000), bytesOf(2000, id), { evict: true })
    expect([15, 16, 17, 18].map((id) => store.has(id))).toEqual([true, true, true, true])
    expect(usedBytesOf(store)).toBe(8000)
  })
})
