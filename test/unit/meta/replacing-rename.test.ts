import { beforeEach, describe, expect, it } from 'vitest'
import { apply } from '../../../src/meta/apply/apply-meta.ts'
import { dueDeadlines } from '../../../src/meta/apply/deadlines.ts'
import { isToBePersisted } from '../../../src/meta/apply/written-files.ts'
import type { Applied, Command } from '../../../src/meta/commands/commands.ts'
import type { FileInode } from '../../../src/meta/meta-tables.ts'
import { fileAt, namespaceByName } from '../../../src/meta/resolve-path.ts'
import { walk } from '../../../src/meta/walk.ts'
import { createNamespace, listing, object } from './support/commands.ts'
import { MemoryTables } from './support/memory-tables.ts'

let tables: MemoryTables
let rootId: number

beforeEach(() => {
  tables = new MemoryTables()
  run({ ...createNamespace(), attributes: { writePolicy: 'ASYNC_THROUGH' } } as Command)
  rootId = namespaceByName(tables, 'ns')?.rootId ?? 0
})

const at = { atMs: 100, namespaceId: 'n1' } as const
const run = (command: Command): Applied => apply(tables, command)
const put = (...keys: string[]): Applied =>
  run(listing({ atMs: 10, upserts: keys.map((key) => object(key, { etag: `${key}-v1` })) }))
const file = (key: string): FileInode | undefined => fileAt(tables, rootId, key)
const id = (key: string): number => file(key)?.id ?? 0
const over = (from: string, to: string, more: object = {}): Applied =>
  run({ type: 'rename', ...at, from, to, overwrites: true, ...more })
const write = (key: string, more: object = {}): number => {
  const { outcome } = run({
    ...{ type: 'create_file', ...at, key, blockSizeBytes: 4, requestKey: '', expiresMs: 999, overwrites: true },
    ...more,
  })
  const [fileId = 0] = outcome.refused === undefined ? outcome.fileIds : []
  run({ type: 'complete_file', atMs: 100, fileId, length: 4 })
  return fileId
}

describe('a rename that overwrites', () => {
  it('takes the place of a file, whose blocks stay for its readers', () => {
    put('d/x', 'f')
    const [moved, old] = [id('d/x'), id('f')]
    const files = tables.counter('files')
    const { effects, outcome } = over('d/x', 'f', { stored: { etag: 'copied', modifiedMs: 7 } })
    expect(outcome).toMatchObject({ fileIds: [moved] })
    expect(effects).toEqual([{ type: 'drop_blocks', fileId: old, blockCount: 3, mayBeRead: true }])
    expect([...walk(tables, rootId, '', undefined)].map(({ key }) => key)).toEqual(['f'])
    expect(file('f')).toMatchObject({ id: moved, persisted: true, etag: 'copied', modifiedMs: 7 })
    expect(tables.inode(old)).toBeUndefined()
    expect(tables.counter('files')).toBe(files - 1)
    expect(tables.counter('directories')).toBe(0)
  })

  it('replaces the object of the old file when it is persisted, not that of its old name', () => {
    put('a', 'f')
    write('a')
    expect(file('a')).toMatchObject({ replacesEtag: 'a-v1' })
    over('a', 'f')
    expect(file('f')).toMatchObject({ persisted: false, replacesEtag: 'f-v1', writtenKey: 'a' })
    write('b')
    over('b', 'f')
    expect(file('f')).toMatchObject({ writtenKey: 'b', replacesEtag: 'f-v1' })
    write('b')
    over('b', 'f', { replacesEtag: 'theirs' })
    expect(file('f')).toMatchObject({ replacesEtag: 'theirs' })
    put('e')
    write('e')
    write('g')
    over('e', 'g')
    expect(file('g')).not.toHaveProperty('replacesEtag')
  })

  it('waits for the store in place of the old file', () => {
    const [first, second] = [write('a'), write('b')]
    over('a', 'b')
    expect([isToBePersisted(tables, first), isToBePersisted(tables, second)]).toEqual([true, false])
  })

  it('keeps what was set on the path, with the owner and the metadata of the new file', () => {
    put('f')
    const ttl = { ttlMs: 50, action: 'DELETE' as const }
    run({ type: 'set_attributes', ...at, inodeIds: [id('f')], pinned: true, ttl, replicationMin: 2, owner: 'alice' })
    const fileId = write('a', { owner: 'bob', contentType: 'text/plain', ttl: { ttlMs: 5, action: 'FREE' } })
    const { effects } = over('a', 'f', { atMs: 200 })
    expect(file('f')).toMatchObject({
      ...{ id: fileId, pinned: true, replicationMin: 2, ttlMs: 50, ttlAction: 'DELETE', expiresMs: 250 },
      ...{ owner: 'bob', contentType: 'text/plain' },
    })
    expect(effects.map(({ type }) => type)).toEqual(['drop_blocks', 'replication_changed', 'pin_changed'])
    expect(dueDeadlines(tables, 250, 9).map(({ inodeId }) => inodeId)).toEqual([fileId])
  })

  it('moves to a free name as any other rename, and does nothing onto itself', () => {
    const fileId = write('a', { ttl: { ttlMs: 5, action: 'FREE' } })
    expect(over('a', 'a').outcome).toMatchObject({ changed: 0 })
    expect(over('a', 'd/free').effects).toEqual([])
    expect(file('d/free')).toMatchObject({ id: fileId, ttlMs: 5, expiresMs: 105 })
    expect(dueDeadlines(tables, 999, 9).map(({ inodeId }) => inodeId)).toEqual([fileId])
  })

  it('is refused where only a directory is, unless the store has moved the object', () => {
    put('d/x', 'f')
    expect(over('f', 'd').outcome.refused?.code).toBe('already_exists')
    expect(over('missing', 'f').outcome.refused?.code).toBe('not_found')
    over('f', 'd', { stored: { etag: 'f-v1', modifiedMs: 7 } })
    expect([...walk(tables, rootId, '', undefined)].map(({ key }) => key)).toEqual(['d', 'd/', 'd/x'])
  })

  it('is refused where another file is at the old name than the one whose object was moved', () => {
    put('f', 'x')
    const stored = { etag: 'copied', modifiedMs: 7 }
    expect(over('x', 'f', { stored: { ...stored, movedEtag: 'f-v1' } }).outcome.refused?.code).toBe('not_found')
    expect([...walk(tables, rootId, '', undefined)].map(({ key }) => key)).toEqual(['f', 'x'])
    over('x', 'f', { stored: { ...stored, movedEtag: 'x-v1' } })
    expect(file('f')).toMatchObject({ etag: 'copied', modifiedMs: 7 })
  })

  it('of the doors is from then on as if written at its new name', () => {
    put('f')
    const fileId = write('.skein/part', { ttl: { ttlMs: 5, action: 'DELETE' } })
    expect(isToBePersisted(tables, fileId)).toBe(false)
    over('.skein/part', 'f')
    expect(file('f')).toMatchObject({ id: fileId, ttlMs: -1, replacesEtag: 'f-v1' })
    expect(isToBePersisted(tables, fileId)).toBe(true)
  })
})
