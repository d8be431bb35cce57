import { beforeEach, describe, expect, it } from 'vitest'
import { apply } from '../../../src/meta/apply/apply-meta.ts'
import type { Applied, ApplyListing, Command } from '../../../src/meta/commands/commands.ts'
import type { ListedObject } from '../../../src/meta/commands/listed-object.ts'
import { directoryAt, fileAt, keyOf, listedAtMs, namespaceByName, resolve } from '../../../src/meta/resolve-path.ts'
import { walk } from '../../../src/meta/walk.ts'
import { createNamespace, listing, object } from './support/commands.ts'
import { MemoryTables } from './support/memory-tables.ts'

let tables: MemoryTables
let rootId: number

beforeEach(() => {
  tables = new MemoryTables()
  run(createNamespace())
  rootId = namespaceByName(tables, 'ns')?.rootId ?? 0
})

function run(command: Command): Applied {
  return apply(tables, command)
}
function put(...upserts: ListedObject[]): readonly number[] {
  const { outcome } = run(listing({ upserts }))
  if (outcome.refused !== undefined) throw new Error(outcome.refused.message)
  return outcome.fileIds
}
function keys(): string[] {
  return [...walk(tables, rootId, '', undefined)].map(({ key, folder }) => (folder ? `dir ${key}` : key))
}

describe('versions of a file', () => {
  it('keeps the id of an equal object and writes nothing', () => {
    const [id] = put(object('a/b'))
    const before = structuredClone(tables.snapshot())
    expect(put(object('a/b', { modifiedMs: 99 }))).toEqual([id])
    expect(tables.snapshot()).toEqual(before)
  })

  it.each([{ etag: 'v2' }, { length: 11 }])(
    'gives a changed object (%o) a new id and drops the old blocks in the same step',
    (change) => {
      const [id] = put(object('a/b'))
      const { outcome, effects } = run(listing({ upserts: [object('a/b', change)], blockSizeBytes: 8 }))
      expect(outcome.refused).toBeUndefined()
      expect(effects).toEqual([{ type: 'drop_blocks', fileId: id, blockCount: 3 }])
      expect(tables.inode(id ?? 0)).toBeUndefined()
      expect(fileAt(tables, rootId, 'a/b')).toMatchObject({ ...change, blockSizeBytes: 8 })
      expect(tables.counter('files')).toBe(1)
    },
  )

  it('keeps what was set on the path over versions', () => {
    const [id] = put(object('f'))
    run({ type: 'set_replication', atMs: 3, fileIds: [id ?? 0, 12_345], min: 2, max: 3 })
    put(object('f', { etag: 'v2' }))
    expect(fileAt(tables, rootId, 'f')).toMatchObject({ replicationMin: 2, replicationMax: 3, etag: 'v2' })
  })

  it('never uses an id again', () => {
    const seen = new Set<number>()
    for (let i = 0; i < 5; i += 1) {
      for (const id of put(object('f', { etag: `v${i}` }))) seen.add(id)
      run({ type: 'remove_file', atMs: 3, namespaceId: 'n1', key: 'f' })
    }
    expect(seen.size).toBe(5)
  })
})

describe('names', () => {
  it('keeps a, a/, a//b, a/b and an object a/ with bytes apart', () => {
    put(object('a'), object('a/', { length: 1 }), object('a//b'), object('a/b'), object('a-b'), object('a0'))
    expect(keys()).toEqual(['a', 'a-b', 'dir a/', 'a/', 'dir a//', 'a//b', 'a/b', 'a0'])
    for (const key of ['a', 'a/', 'a//b', 'a/b']) {
      const file = fileAt(tables, rootId, key)
      expect(file && keyOf(tables, file)).toBe(key)
    }
    expect(resolve(tables, rootId, 'a')).toMatchObject({ file: { name: 'a' }, directory: { name: 'a/' } })
    expect(resolve(tables, rootId, 'a/')).toMatchObject({ file: undefined, directory: { name: 'a/' } })
    expect(resolve(tables, rootId, '')).toMatchObject({ file: undefined, directory: { id: rootId } })
  })

  it('removes the directories that become empty, but not those with a marker', () => {
    run(listing({ directories: [{ key: 'keep/', marker: true }] }))
    put(object('keep/x/f'), object('y/z/f'), object('y/g'))
    run(listing({ removals: ['keep/x/f', 'y/z/f', 'not/there'] }))
    expect(keys()).toEqual(['dir keep/', 'dir y/', 'y/g'])
    run(listing({ unmarked: ['keep/', 'y/'] }))
    expect(keys()).toEqual(['dir y/', 'y/g'])
    expect(tables.counter('directories')).toBe(1)
  })

  it('puts into a directory that the same command removed before', () => {
    put(object('d/old'))
    run(listing({ removals: ['d/old'], upserts: [object('d/new')] }))
    expect(keys()).toEqual(['dir d/', 'd/new'])
  })
})

describe('listings', () => {
  it('covers a tree with the listing of any directory above', () => {
    put(object('a/b/c'))
    run(listing({ childrenListed: ['a/b/'] }))
    const b = () => {
      const directory = directoryAt(tables, rootId, 'a/b/')
      const record = namespaceByName(tables, 'ns')
      return directory && record && listedAtMs(tables, record, directory)
    }
    expect(b()).toEqual({ childrenMs: 2, treeMs: -1 })
    run({ ...listing({ treeListed: ['a/', 'missing/'] }), atMs: 7 } satisfies ApplyListing)
    expect(b()).toEqual({ childrenMs: 7, treeMs: 7 })
    expect(directoryAt(tables, rootId, 'missing/')).toBeUndefined()
  })
})

describe('namespaces', () => {
  it('refuses a name twice and commands for one that is gone', () => {
    expect(run(createNamespace('n2')).outcome.refused?.code).toBe('already_exists')
    run({ type: 'delete_namespace', atMs: 3, namespaceId: 'n1' })
    expect(run(listing({ upserts: [object('x')] })).outcome.refused?.code).toBe('not_found')
    expect(run({ type: 'remove_file', atMs: 3, namespaceId: 'n1', key: 'x' }).outcome.refused?.code).toBe('not_found')
    expect(run({ type: 'delete_namespace', atMs: 3, namespaceId: 'n1' }).outcome.refused?.code).toBe('not_found')
  })

  it('clears a deleted namespace away in pieces, with its blocks, and leaves a new one of that name alone', () => {
    const objects = Array.from({ length: 150 }, (_, i) => object(`d${i % 7}/e${i % 3}/f${i}`))
    const ids = put(...objects)
    run({ type: 'delete_namespace', atMs: 3, namespaceId: 'n1' })
    run(createNamespace('n2'))
    put2(object('mine'))
    const dropped: number[] = []
    let rounds = 0
    for (let changed = 10; changed === 10; rounds += 1) {
      const { outcome, effects } = run({ type: 'clear_detached', atMs: 4, limit: 10 })
      changed = outcome.refused === undefined ? outcome.changed : 0
      expect(changed).toBeLessThanOrEqual(10)
      dropped.push(...effects.map(({ fileId }) => fileId))
    }
    expect(rounds).toBeGreaterThan(15)
    expect(new Set(dropped)).toEqual(new Set(ids))
    expect(dropped).toHaveLength(ids.length)
    // The new namespace's root and its one file.
    expect(tables.inodes.size).toBe(2)
    expect(tables.edgeMap.size).toBe(1)
    expect([tables.counter('files'), tables.counter('directories')]).toEqual([1, 0])
  })

  function put2(...upserts: ListedObject[]): void {
    run({ ...listing({ upserts }), namespaceId: 'n2' })
  }
})
