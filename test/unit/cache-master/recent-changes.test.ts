import { expect, it } from 'vitest'
import { type Log, RecentChanges } from '../../../src/cache-master/state/recent-changes.ts'
import { apply } from '../../../src/meta/apply/apply-meta.ts'
import type { Command } from '../../../src/meta/commands/commands.ts'
import { namespaceByName } from '../../../src/meta/resolve-path.ts'
import type { NamespaceRecord } from '../../../src/meta/meta-tables.ts'
import { createNamespace, listing, object } from '../meta/support/commands.ts'
import { MemoryTables } from '../meta/support/memory-tables.ts'

const at = { atMs: 5, namespaceId: 'n1' }
const removal = (...keys: string[]): Command => ({
  type: 'remove_entries',
  ...at,
  files: keys.map((key) => ({ key, fileId: 1 })),
  directories: [],
})

function setUp(gatheredMax?: number): {
  changes: RecentChanges
  log: Log
  record: NamespaceRecord
  tables: MemoryTables
  journal: () => void
} {
  const tables = new MemoryTables()
  for (const command of [createNamespace(), createNamespace('n2', 'other')]) apply(tables, command)
  apply(tables, listing({ upserts: ['d/a', 'e/b'].map((key) => object(key)) }))
  const record = namespaceByName(tables, 'ns')
  if (record === undefined) throw new Error('no namespace')
  const waiting: (() => void)[] = []
  const changes = new RecentChanges(tables, gatheredMax)
  const log = changes.watching({
    submit: (command) =>
      new Promise((resolve, reject) => {
        waiting.push(() => {
          const { outcome } = apply(tables, command)
          if (outcome.refused === undefined) resolve(outcome)
          else reject(new Error(outcome.refused.message))
        })
      }),
    close: async () => undefined,
    stopped: new AbortController().signal,
  })
  const journal = (): void => {
    for (const run of waiting.splice(0)) run()
  }
  return { changes, log, record, tables, journal }
}

it('gathers what is changed from the moment it is submitted, and nothing of other places', async () => {
  const { changes, log, record, journal } = setUp()
  const [root, below, elsewhere] = [changes.begin(record, ''), changes.begin(record, 'd/'), changes.begin(record, 'e/')]
  expect(root.changed).toBeUndefined()
  const submitted = log.submit(removal('d/a'))
  expect([root, below, elsewhere].map((inquiry) => inquiry.isChanged('d/a'))).toEqual([true, true, false])
  expect([root.isChanged('d/ab'), root.isNewerKnownBelow('d/'), root.isNewerKnownBelow('e/')]).toEqual([
    false,
    true,
    false,
  ])
  journal()
  await submitted
  expect(changes.begin(record, '').changed).toBeUndefined()
})

it('knows what is submitted and not applied yet when it begins', async () => {
  const { changes, log, record, journal } = setUp()
  const submitted = log.submit({ type: 'rename', ...at, from: 'd/', to: 'm/' })
  const inquiry = changes.begin(record, '')
  expect(['d/a', 'd/', 'm/x', 'e/b'].map((key) => inquiry.isChanged(key))).toEqual([true, true, true, false])
  journal()
  await submitted
})

it('takes a refused change for one: who submitted it has been at the store already', async () => {
  const { changes, log, record, journal } = setUp()
  const inquiry = changes.begin(record, '')
  const submitted = log.submit({ type: 'rename', ...at, from: 'none', to: 'e/c' })
  journal()
  await expect(submitted).rejects.toThrow('none')
  expect(inquiry.isChanged('e/c')).toBe(true)
})

it('leaves alone what is being changed at the store, until that ends and for who asked meanwhile', () => {
  const { changes, record } = setUp()
  const [before, end] = [changes.begin(record, ''), changes.changing(record, ['d/', 'x'])]
  const [meanwhile, look] = [changes.begin(record, ''), changes.begin(record, 'x', true)]
  end()
  const after = changes.begin(record, '')
  expect(look.isChanged('x')).toBe(false)
  expect([before, meanwhile, after].map((inquiry) => inquiry.isChanged('d/q') && inquiry.isChanged('x'))).toEqual([
    true,
    true,
    false,
  ])
})

it('is asked anew when it has gathered too much, and keeps nothing then', async () => {
  const { changes, log, record, journal } = setUp(100)
  const [all, one] = [changes.begin(record, ''), changes.begin(record, 'k7')]
  const submitted = log.submit(removal(...Array.from({ length: 100 }, (_, i) => `k${i}`)))
  expect(all.isOutdated).toBe(false)
  const more = log.submit(removal('last'))
  expect([all.isOutdated, one.isOutdated, changes.inquiries]).toEqual([true, false, 1])
  expect([all.isChanged('any'), all.changed?.('any'), all.isNewerKnownBelow('any/')]).toEqual([true, true, true])
  journal()
  await Promise.all([submitted, more])
  one.close()
  expect(changes.inquiries).toBe(0)
})

it('a moved directory counts once, however many of its files get new versions', async () => {
  const { changes, log, record, tables, journal } = setUp(4)
  const keys = Array.from({ length: 50 }, (_, i) => `d/f${i}`)
  const { outcome } = apply(tables, listing({ upserts: keys.map((key) => object(key)) }))
  const fileIds = outcome.refused === undefined ? outcome.fileIds : []
  const inquiry = changes.begin(record, '')
  const moved = log.submit({ type: 'rename', ...at, from: 'd/', to: 'm/' })
  journal()
  await moved
  const kept = log.submit({
    type: 'persist_files',
    atMs: 6,
    files: fileIds.map((fileId) => ({ fileId, etag: 'v9', modifiedMs: 1 })),
  })
  journal()
  await kept
  expect([inquiry.isOutdated, inquiry.isChanged('m/f7'), inquiry.isChanged('d/f7'), inquiry.isChanged('e/b')]).toEqual([
    false,
    true,
    true,
    false,
  ])
})

it('has nothing to do with listings and loads', async () => {
  const { changes, log, record, journal } = setUp()
  const inquiry = changes.begin(record, '')
  const submitted = [
    log.submit(listing({ upserts: [object('d/new')], removals: ['e/b'] })),
    log.submit({ type: 'set_replication', atMs: 5, fileIds: [1], min: 2, max: -1 }),
  ]
  journal()
  await Promise.all(submitted)
  expect(inquiry.changed).toBeUndefined()
})

it('a change drops what is put aside of its keys, also what was submitted just before it', async () => {
  const { log, tables, journal } = setUp()
  const page = { blockSizeBytes: 4, expiresMs: 10 ** 9, afterKey: undefined, upToKey: undefined, removals: [] }
  const staged = log.submit({
    type: 'stage_listing',
    ...{ ...at, ...page, stagingId: '/ns', upserts: ['d/a', 'e/b'].map((key) => object(key, { etag: 'v2' })) },
  })
  const removed = log.submit({ type: 'detach', ...at, key: 'd/' })
  journal()
  await Promise.all([staged, removed])
  const staging = tables.staging('/ns')
  expect([...tables.edges(staging?.addedId ?? 0, '')].map(({ name }) => name)).toEqual(['e/b'])
  const { outcome } = apply(tables, { type: 'commit_staging', atMs: 9, stagingId: '/ns' })
  expect(outcome).toMatchObject({ changed: 1 })
  expect([...tables.inodes.values()].filter((inode) => inode.kind === 'file').map(({ name }) => name)).toEqual([
    'a',
    'b',
  ])
})

const all = { prefix: '', afterKey: undefined, upToKey: undefined, isOfChildren: false }

it('of two answers the one that was asked for later is the newer word, in whichever order they come in', () => {
  const { changes, record } = setUp()
  const [earlier, later] = [changes.begin(record, ''), changes.begin(record, '')]
  changes.listed(earlier, all)
  expect([earlier.isNewerKnown('d/a'), later.isNewerKnown('d/a'), later.changed]).toEqual([false, false, undefined])
  changes.listed(later, { ...all, prefix: 'd/', afterKey: 'd/a', upToKey: 'd/c' })
  expect(['d/a', 'd/b', 'd/c', 'd/d', 'e/b'].map((key) => earlier.isNewerKnown(key))).toEqual([
    false,
    true,
    true,
    false,
    false,
  ])
  expect(['', 'd/', 'd/b/', 'd/x/', 'e/'].map((key) => earlier.isNewerKnownBelow(key))).toEqual([
    true,
    true,
    true,
    false,
    false,
  ])
  const [old, look] = [changes.begin(record, 'd/'), changes.begin(record, 'd/a', true)]
  changes.answered(look, 'd/a', true)
  expect([old.isNewerKnown('d/a'), old.isNewerKnown('d/b'), old.isChanged('d/a')]).toEqual([true, false, false])
})

it('a listing of children speaks of them, not of what is in them', () => {
  const { changes, record } = setUp()
  const [earlier, later] = [changes.begin(record, ''), changes.begin(record, '')]
  changes.listed(later, { ...all, isOfChildren: true })
  expect(['x', 'd/', 'd/a'].map((key) => earlier.isNewerKnown(key))).toEqual([true, true, false])
})

it('what an older answer made known is not younger than a later question', () => {
  const { changes, record, tables } = setUp()
  const [earlier, later, behind] = [
    changes.begin(record, ''),
    changes.begin(record, ''),
    changes.begin(record, '', false, 'x'),
  ]
  changes.made(earlier, ['x'])
  const { outcome } = apply(tables, listing({ upserts: [object('x')] }))
  const [id = 0] = outcome.refused === undefined ? outcome.fileIds : []
  expect([earlier, later, behind].map((inquiry) => inquiry.isYounger('x', id))).toEqual([true, false, true])
})

it('answers that overlap are made known in turn', async () => {
  const { changes, record } = setUp()
  const { signal } = new AbortController()
  const first = await changes.turn(record, 'd/', signal)
  const [within, elsewhere] = [changes.turn(record, 'd/a', signal), changes.turn(record, 'e/', signal)]
  ;(await elsewhere).release()
  expect(await Promise.race([within, new Promise((resolve) => setImmediate(() => resolve('waits')))])).toBe('waits')
  first.release()
  ;(await within).release()
})

it('every question is asked anew once the definition of its namespace is another one', async () => {
  const { changes, log, record, journal } = setUp()
  const [asked, other] = [changes.begin(record, ''), changes.begin({ ...record, id: 'n2' }, '')]
  const updated = log.submit({ type: 'update_namespace', ...at, version: 1, attributes: {}, sealedSecrets: {} })
  expect(asked.isOutdated).toBe(false)
  journal()
  await updated
  expect([asked.isOutdated, other.isOutdated, changes.begin(record, '').isOutdated]).toEqual([true, false, false])
})
