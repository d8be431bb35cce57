// Why: an answer of the store that was given before somebody changed a file here must not undo that
// change. How: the store's answer is held, the change is made, and what the answer says is made
// known: nothing may be other than before it.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FileInfo } from '../../../src/wire/generated/master.ts'
import type { FakeStore } from './support/fakes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let store: FakeStore
let namespaceId: string

beforeEach(async () => {
  fixture = await MasterFixture.open({ ttlCheckIntervalMs: 1 })
  store = await fixture.create()
  namespaceId = (await fixture.service.getNamespace({ name: 'ns' }, call)).namespaceId
  // The first page of three has nothing that is changed.
  for (const key of ['a0', 'a1', 'a2', 'd/a', 'd/b', 'e/only']) store.put(key, { etag: `${key}-1` })
  await loadMetadata('/ns', true)
  await fixture.lifecycle.setPinned({ path: '/ns/d/a', pinned: true }, call)
})
afterEach(() => fixture.close())

const loadMetadata = (path: string, recursive: boolean) => fixture.lifecycle.loadMetadata({ path, recursive }, call)
const remove = (path: string, options: { recursive?: boolean; cacheOnly?: boolean } = {}) =>
  fixture.lifecycle.delete({ path, recursive: false, cacheOnly: false, ...options }, call)
const rename = (from: string, to: string) => fixture.lifecycle.rename({ from, to }, call)
const persist = (path: string) => fixture.lifecycle.persist({ path }, call)
/** All that is known, without a question to the store. */
async function state(): Promise<FileInfo[]> {
  return (
    await fixture.service.listStatus(
      { path: '/ns', recursive: true, pageToken: '', limit: 0, syncIntervalMs: -1 },
      call,
    )
  ).files
}
const nothing = async (): Promise<void> => undefined

interface Case {
  readonly name: string
  readonly before?: () => Promise<unknown>
  readonly change: () => Promise<unknown>
  /** The store has afterwards what is not known here. */
  readonly isHereOnly?: boolean
}

async function writePinned(path: string): Promise<void> {
  await fixture.write(path, 8)
  await fixture.lifecycle.setPinned({ path, pinned: true }, call)
  await fixture.lifecycle.setTtl({ path, ttlMs: 1_000_000, action: 'FREE' }, call)
}
async function expire(path: string): Promise<void> {
  await fixture.lifecycle.setTtl({ path, ttlMs: 10, action: 'DELETE' }, call)
  fixture.clock.now += 20
  await fixture.until(async () => !(await state()).some((file) => file.path === path))
}

const cases: readonly Case[] = [
  { name: 'a file is persisted', before: () => writePinned('/ns/d/x'), change: () => persist('/ns/d/x') },
  {
    name: 'a file is written through',
    change: async () => {
      await fixture.write('/ns/d/x', 8)
      await persist('/ns/d/x')
    },
  },
  {
    name: 'the first file of a directory is written through',
    change: async () => {
      await fixture.write('/ns/new/x', 8)
      await persist('/ns/new/x')
    },
  },
  {
    name: 'a file is replaced by another one',
    change: async () => {
      await remove('/ns/d/b')
      await fixture.write('/ns/d/b', 4)
      await persist('/ns/d/b')
    },
  },
  { name: 'a file is moved', change: () => rename('/ns/d/a', '/ns/d/c') },
  { name: 'a file is moved to another directory', change: () => rename('/ns/e/only', '/ns/new') },
  {
    name: 'a file is moved there and back in another version',
    change: async () => {
      await rename('/ns/d/a', '/ns/d/c')
      await rename('/ns/d/c', '/ns/d/a')
    },
  },
  {
    name: 'a file that is only here is moved and persisted',
    before: () => writePinned('/ns/d/x'),
    change: async () => {
      await rename('/ns/d/x', '/ns/d/y')
      await persist('/ns/d/y')
    },
  },
  { name: 'a directory is moved', change: () => rename('/ns/d', '/ns/moved') },
  {
    name: 'a directory is moved away and another one to its name',
    change: async () => {
      await rename('/ns/d', '/ns/moved')
      await rename('/ns/e', '/ns/d')
    },
  },
  { name: 'a file is removed', change: () => remove('/ns/d/a') },
  { name: 'the last file of a directory is removed', change: () => remove('/ns/e/only') },
  { name: 'a directory is removed', change: () => remove('/ns/d', { recursive: true }) },
  { name: 'a file is removed here alone', change: () => remove('/ns/d/a', { cacheOnly: true }), isHereOnly: true },
  {
    name: 'a directory is removed here alone',
    change: () => remove('/ns/d', { recursive: true, cacheOnly: true }),
    isHereOnly: true,
  },
  { name: 'the TTL of a file ends', change: () => expire('/ns/d/a') },
  { name: 'the TTL of a directory ends', change: () => expire('/ns/d') },
  {
    name: 'a file is freed and removed',
    change: async () => {
      await fixture.service.free({ path: '/ns/d/b', force: true }, call)
      await remove('/ns/d/b')
    },
  },
  {
    name: 'a file is removed of which the store has another version',
    before: async () => store.put('d/b', { etag: 'd/b-2' }),
    change: () => remove('/ns/d/b'),
  },
]

/**
 * A change in the middle of `list`: when the store has answered, and nobody has heard of it yet.
 */
async function whileHeld(
  list: () => Promise<unknown>,
  change: () => Promise<unknown>,
): Promise<FileInfo[] | undefined> {
  let after: FileInfo[] | undefined
  store.afterList = async () => {
    store.afterList = undefined
    await change()
    after = await state()
  }
  await list()
  return after
}

const all = async (stagingId?: string, limit = 0): Promise<void> => {
  let cursor = ''
  do {
    const staged = stagingId === undefined ? {} : { stagingId, stagingExpiresMs: fixture.clock.now + 60_000 }
    cursor = (await fixture.service.syncPage({ path: '/ns', cursor, limit, ...staged }, call)).nextCursor
  } while (cursor !== '')
}

/**
 * How a listing is applied later than it was answered. @returns what was known right after the
 * change
 */
const listings: Record<string, (change: () => Promise<unknown>) => Promise<FileInfo[] | undefined>> = {
  'a listing of everything': (change) => whileHeld(() => loadMetadata('/ns', true), change),
  'a listing of a directory with all below it': (change) => whileHeld(() => loadMetadata('/ns/d', true), change),
  'a listing of a directory': (change) => whileHeld(() => loadMetadata('/ns/d', false), change),
  'a listing of the root directory': (change) => whileHeld(() => loadMetadata('/ns', false), change),
  'a page of a load': (change) => whileHeld(() => all(), change),
  'a page that was asked for ahead': async (change) => {
    const { lists } = store
    const { nextCursor } = await fixture.service.syncPage({ path: '/ns', cursor: '', limit: 3 }, call)
    while (store.lists < lists + 2) await new Promise((resolve) => setImmediate(resolve))
    await change()
    const after = await state()
    await fixture.service.syncPage({ path: '/ns', cursor: nextCursor, limit: 3 }, call)
    return after
  },
  'a staged page': async (change) => {
    const after = await whileHeld(() => all('/ns'), change)
    await fixture.service.commitStaging({ stagingId: '/ns' }, call)
    return after
  },
}

for (const [listing, apply] of Object.entries(listings)) {
  describe(listing, () => {
    it.each(cases)(
      'that is overtaken leaves it so: $name',
      async ({ before = nothing, change, isHereOnly = false }) => {
        await before()
        const after = await apply(change)
        expect(after).toBeDefined()
        expect(await state()).toEqual(after)
        if (isHereOnly) return
        // And so it is at the store.
        await loadMetadata('/ns', true)
        expect(await state()).toEqual(after)
      },
    )
  })
}

describe('a look at one object', () => {
  const held = async (
    look: () => Promise<unknown>,
    change: () => Promise<unknown>,
  ): Promise<FileInfo[] | undefined> => {
    let after: FileInfo[] | undefined
    store.afterStat = async () => {
      store.afterStat = undefined
      await change()
      after = await state()
    }
    await look().catch(() => undefined)
    return after
  }
  const named = (name: string): Case => cases.find((one) => one.name === name) as Case
  const looks: [string, Case][] = [
    ['d/x', named('a file is written through')],
    ['new/x', named('the first file of a directory is written through')],
    ['d/b', named('a file is replaced by another one')],
    ['d/a', named('a file is moved')],
    ['d/c', named('a file is moved')],
    ['d/y', named('a file that is only here is moved and persisted')],
    ['d/a', named('a directory is moved')],
    ['moved/a', named('a directory is moved')],
    ['d/a', named('a file is removed')],
    ['e/only', named('the last file of a directory is removed')],
    ['d/a', named('the TTL of a file ends')],
    ['d/b', named('a file is removed of which the store has another version')],
  ]
  it.each(looks)('(%s) that is overtaken leaves it so', async (key, { before = nothing, change }) => {
    await before()
    const after = await held(() => fixture.service.refreshFile({ namespaceId, key }, call), change)
    expect(after).toBeDefined()
    expect(await state()).toEqual(after)
  })

  it.each(looks)('(%s) for a staged load that is overtaken leaves it so', async (key, { before = nothing, change }) => {
    await before()
    const staged = { stagingId: '/ns', stagingExpiresMs: fixture.clock.now + 60_000 }
    const after = await held(() => fixture.service.refreshFile({ namespaceId, key, ...staged }, call), change)
    await fixture.service.commitStaging({ stagingId: '/ns' }, call)
    expect(after).toBeDefined()
    expect(await state()).toEqual(after)
  })

  it('for a staged load removes no file that was only here then', async () => {
    await writePinned('/ns/d/x')
    await fixture.service.refreshFile({ namespaceId, key: 'd/x', stagingId: '/ns' }, call).catch(() => undefined)
    await persist('/ns/d/x')
    const after = await state()
    await fixture.service.commitStaging({ stagingId: '/ns' }, call)
    expect(await state()).toEqual(after)
  })

  it('sees what is removed here alone and is at the store', async () => {
    await held(
      () => fixture.service.refreshFile({ namespaceId, key: 'd/a' }, call),
      () => remove('/ns/d/a', { cacheOnly: true }),
    )
    expect((await state()).map(({ key }) => key)).toContain('d/a')
  })
})

describe('what an atomic load has put aside', () => {
  it.each(cases)(
    'does not come back over what was changed before the swap: $name',
    async ({ before = nothing, change }) => {
      await before()
      for (const key of ['d/a', 'd/b', 'e/only', 'd/new']) store.put(key, { length: 6, etag: `${key}-9` })
      await all('/ns')
      await change()
      const at = async (): Promise<unknown> => {
        const stays = (key: string): boolean => !['d/b', 'd/a', 'e/only', 'd/new'].includes(key) && !key.endsWith('/')
        const files = (await state()).filter(({ key }) => stays(key))
        return files.map(({ key, etag, pinned, ttlMs, persistenceState }) => ({
          key,
          etag,
          pinned,
          ttlMs,
          persistenceState,
        }))
      }
      const [after, entries] = [await at(), fixture.journal.entries.length]
      await fixture.service.commitStaging({ stagingId: '/ns' }, call)
      expect(fixture.journal.entries.length).toBeGreaterThanOrEqual(entries)
      expect(await at()).toEqual(after)
      // Each file that is known is at the store, in this version, or is here alone.
      const known = (await state()).filter(
        ({ folder, persistenceState }) => !folder && persistenceState === 'PERSISTED',
      )
      for (const { key, etag } of known) expect(store.objects.get(key)).toMatchObject({ etag })
      const whole = await state()
      await fixture.restart()
      expect((await state()).map(({ key, etag, fileId }) => [key, etag, fileId])).toEqual(
        whole.map(({ key, etag, fileId }) => [key, etag, fileId]),
      )
    },
  )

  it('is told to the load as gone, which looks again', async () => {
    store.put('d/a', { length: 6, etag: 'd/a-9' })
    const staged = { stagingId: '/ns', stagingExpiresMs: fixture.clock.now + 60_000 }
    const { files } = await fixture.service.syncPage({ path: '/ns', cursor: '', limit: 0, ...staged }, call)
    const fileIds = files.flatMap(({ key, fileId }) => (key === 'd/a' ? [fileId] : []))
    await remove('/ns/d/a')
    const audit = await fixture.service.auditFiles({ fileIds, replication: 1 }, call)
    expect(audit.files).toMatchObject([{ fileId: fileIds[0], gone: true }])
    await expect(fixture.service.refreshFile({ namespaceId, key: 'd/a', ...staged }, call)).rejects.toMatchObject({
      code: 'not_found',
    })
  })
})

describe('what is being moved', () => {
  it.each([
    ['a file', '/ns/d/a', '/ns/d/c', 'd/a', 'd/c'],
    ['a directory', '/ns/d', '/ns/moved', 'd/a', 'moved/a'],
  ])('is left alone by listings between the store and the journal: %s', async (_, from, to, oldKey, newKey) => {
    const before = (await state()).find(({ key }) => key === oldKey)
    const move = store.rename.bind(store)
    store.rename = async (...request) => {
      const moved = await move(...request)
      await loadMetadata('/ns', true)
      await loadMetadata(from.slice(0, from.lastIndexOf('/')), false)
      return moved
    }
    await rename(from, to)
    const after = await state()
    expect(after.find(({ key }) => key === newKey)).toMatchObject({ fileId: before?.fileId, pinned: true })
    expect(after.map(({ key }) => key)).not.toContain(oldKey)
    await loadMetadata('/ns', true)
    expect(await state()).toEqual(after)
  })
})

it('makes no directory known again whose only file is removed while it is looked for', async () => {
  store.put('f/x')
  const after = await whileHeld(
    () => fixture.stat('/ns/f').catch(() => undefined),
    async () => {
      await fixture.stat('/ns/f/x')
      await remove('/ns/f/x')
    },
  )
  expect(await state()).toEqual(after)
  expect(after?.map(({ key }) => key)).not.toContain('f/')
})

it('takes in everything else that the answer says', async () => {
  for (const key of ['d/b', 'g/new']) store.put(key, { etag: `${key}-2` })
  store.objects.delete('a1')
  await whileHeld(
    () => loadMetadata('/ns', true),
    () => rename('/ns/d/a', '/ns/d/c'),
  )
  const files = (await state()).filter(({ folder }) => !folder).map(({ key, etag, pinned }) => [key, etag, pinned])
  expect(files).toEqual([
    ['a0', 'a0-1', false],
    ['a2', 'a2-1', false],
    ['d/b', 'd/b-2', false],
    ['d/c', 'd/a-1', true],
    ['e/only', 'e/only-1', false],
    ['g/new', 'g/new-2', false],
  ])
})

it('asks for a page again while which so much was changed that nobody can tell what it is good for', async () => {
  const keys = Array.from({ length: 10_050 }, (_, i) => `many/${String(i).padStart(5, '0')}`)
  for (const key of keys) store.put(key)
  await loadMetadata('/ns', true)
  store.put('late')
  const { lists } = store
  const after = await whileHeld(
    () => all(),
    async () => {
      await remove('/ns/many', { recursive: true })
    },
  )
  expect(store.lists).toBeGreaterThan(lists + 1)
  const known = (await state()).map(({ key }) => key)
  expect(known).toEqual([...(after ?? []).map(({ key }) => key), 'late'])
})
