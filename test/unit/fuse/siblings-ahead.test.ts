// Files that are opened ahead of a program that opens one after the other, and only of such a one.
import { beforeEach, describe, expect, test } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { FileStatus } from '../../../src/client/file-system.ts'
import type { FilesAhead } from '../../../src/client/open/files-ahead.ts'
import { SiblingsAhead } from '../../../src/fuse/files/siblings-ahead.ts'
import { NodeTable } from '../../../src/fuse/tree/node-table.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { ManualClock } from '../client/support/manual-clock.ts'
import { entryOf, FuseWorld, text, wideAt } from './support/fuse-world.ts'

const all = Array.from({ length: 1000 }, (_, index) => `f${String(index).padStart(4, '0')}`)
const nodes = new NodeTable('/ns')
let clock: ManualClock
let asked: [string, string, number][]
let siblings: SiblingsAhead
let failure: SkeinError | undefined

beforeEach(() => {
  clock = new ManualClock()
  asked = []
  failure = undefined
  const ahead: FilesAhead = {
    open: async ({ directory, startAfter, limit }) => {
      asked.push([directory, startAfter, limit])
      if (failure !== undefined) throw failure
      const from = all.indexOf(startAfter) + 1
      return all.slice(from, from + limit)
    },
    look: () => Promise.reject(new SkeinError('unimplemented', 'not in this test')),
    seen: () => undefined,
  }
  const closing = new AbortController().signal
  const pages = { give: () => undefined, has: () => false }
  siblings = new SiblingsAhead({ ahead, pages, entryMs: 1000, clock, logger: silentLogger, closing })
})

async function openAll(names: readonly string[], directory = '/ns/d', length = 1000): Promise<void> {
  for (const name of names) {
    siblings.opened({ parent: nodes.root, directory, name, length })
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('SiblingsAhead', () => {
  test('a walk in order opens ahead, further each time, before the files are needed', async () => {
    await openAll(all.slice(0, 3))
    expect(asked).toEqual([['/ns/d', 'f0002', 16]])
    await openAll(all.slice(3, 400))
    expect(asked.slice(1, 5).map(([, after, limit]) => [after, limit])).toEqual([
      ['f0018', 32],
      ['f0050', 64],
      ['f0114', 128],
      ['f0242', 128],
    ])
    const before = asked.length
    // To the end, where there is nothing more.
    await openAll(all.slice(400))
    expect(asked.slice(before).at(-1)?.[1]).toBe('f0999')
  })

  test('a slow walk opens fewer ahead', async () => {
    await openAll(all.slice(0, 200))
    const before = asked.length
    for (const name of all.slice(200, 600)) {
      clock.passMs(100)
      await openAll([name])
    }
    expect(asked.slice(before).at(-1)?.[2]).toBe(16)
  })

  test('files in another order lead to nothing, and soon to no question', async () => {
    await openAll(all.slice(0, 40).toReversed())
    expect(asked).toEqual([])
    let seed = 1
    const shuffled = all
      .map((name) => ({ name, place: (seed = (seed * 16_807) % 2_147_483_647) }))
      .sort((a, b) => a.place - b.place)
      .map(({ name }) => name)
    await openAll(shuffled)
    expect(asked.length).toBeGreaterThan(0)
    expect(asked.length).toBeLessThan(10)
  })

  test('large files, and a master that cannot, lead to no question', async () => {
    await openAll(all.slice(0, 10), '/ns/large', 1e6)
    expect(asked).toEqual([])
    failure = new SkeinError('unavailable', 'away')
    await openAll(all.slice(0, 6))
    expect(asked).toHaveLength(4)
    failure = new SkeinError('unimplemented', 'old')
    await openAll(all.slice(6, 20))
    expect(asked).toHaveLength(5)
  })
})

describe('a look-up of what was opened ahead', () => {
  test('asks nothing, and is kept by the kernel only for the rest of its time', async () => {
    const status = {
      name: 'a',
      kind: 'file',
      length: 7,
      fileId: 5,
      etag: 'e',
      owner: 'skein',
      group: 'skein',
      mode: 0o644,
    }
    let ageMs = 500
    const seen: FilesAhead['seen'] = (path) =>
      path === '/ns/a' ? { status: { ...status, path, modifiedMs: 0 } as FileStatus, ageMs } : undefined
    const looks: string[] = []
    const look: FilesAhead['look'] = (path) => {
      looks.push(path)
      return Promise.reject(new SkeinError('not_found', `${path} does not exist`))
    }
    const world = new FuseWorld({ ahead: { open: async () => [], look, seen } })
    const body = await world.ok('lookup', 1, text('a'))
    expect(entryOf(body)).toMatchObject({ size: 7, ino: 5 })
    // Seconds and nanoseconds of both times.
    expect([wideAt(body, 16), body.readUInt32LE(32)]).toEqual([1, 500_000_000])
    expect([wideAt(body, 24), body.readUInt32LE(36)]).toEqual([1, 0])
    // Older than the kernel may keep it: the cluster is asked, which has no such file.
    ageMs = 2000
    expect(looks).toEqual([])
    expect(entryOf(await world.ok('lookup', 1, text('a'))).id).toBe(0)
    expect(looks).toEqual(['/ns/a'])
  })
})
