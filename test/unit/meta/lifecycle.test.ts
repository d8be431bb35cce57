import { beforeEach, describe, expect, it } from 'vitest'
import { apply } from '../../../src/meta/apply/apply-meta.ts'
import type { Applied, Command } from '../../../src/meta/commands/commands.ts'
import { dueDeadlines } from '../../../src/meta/apply/deadlines.ts'
import { directoryAt, fileAt, namespaceByName, placeOf } from '../../../src/meta/resolve-path.ts'
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

const at = { atMs: 100, namespaceId: 'n1' } as const
const run = (command: Command): Applied => apply(tables, command)
const put = (...keys: string[]): Applied => run(listing({ atMs: 10, upserts: keys.map((key) => object(key)) }))
const keys = (): string[] => [...walk(tables, rootId, '', undefined)].map(({ key }) => key)
const id = (key: string): number => fileAt(tables, rootId, key)?.id ?? 0
const refusal = ({ outcome }: Applied): string | undefined => outcome.refused?.code

/** A complete file that the store has not. */
function write(key: string, length = 4): number {
  const { outcome } = run({ type: 'create_file', ...at, key, blockSizeBytes: 4, requestKey: '', expiresMs: 999 })
  const [fileId = 0] = outcome.refused === undefined ? outcome.fileIds : []
  run({ type: 'complete_file', atMs: 100, fileId, length })
  return fileId
}

describe('directories that are made here', () => {
  it('stay when what was in them goes; the ones of the store do not', () => {
    run({ type: 'make_directory', ...at, key: 'a/b/', listed: false })
    put('a/b/x', 'c/x')
    run(listing({ removals: ['a/b/x', 'c/x'] }))
    expect(keys()).toEqual(['a/', 'a/b/'])
    run({ type: 'remove_entries', ...at, files: [], directories: ['a/b/'] })
    expect(keys()).toEqual(['a/'])
    expect(run({ type: 'make_directory', ...at, key: 'a/', listed: true }).outcome).toMatchObject({ changed: 0 })
  })
})

describe('removing', () => {
  it('takes only the version that was meant, and its blocks', () => {
    put('f')
    const old = id('f')
    run(listing({ upserts: [object('f', { etag: 'v2' })] }))
    expect(run({ type: 'remove_entries', ...at, files: [{ key: 'f', fileId: old }], directories: [] }).effects).toEqual(
      [],
    )
    const { effects } = run({ type: 'remove_entries', ...at, files: [{ key: 'f', fileId: id('f') }], directories: [] })
    expect(effects).toMatchObject([{ type: 'drop_blocks', blockCount: 3 }])
    expect(keys()).toEqual([])
  })

  it('takes a whole tree away at once, and clears it away later', () => {
    put('d/x', 'd/e/y', 'z')
    run({ type: 'set_attributes', atMs: 5, inodeIds: [id('d/x')], ttl: { ttlMs: 5, action: 'DELETE' } })
    const x = tables.inode(id('d/x'))
    run({ type: 'detach', ...at, key: 'd/' })
    expect(keys()).toEqual(['z'])
    expect(x?.kind === 'file' && placeOf(tables, x)).toBeUndefined()
    run({ type: 'expire', atMs: 100, inodeIds: [x?.id ?? 0] })
    const { effects } = run({ type: 'clear_detached', atMs: 100, limit: 99 })
    expect(effects).toHaveLength(2)
    expect(tables.inodes.size).toBe(2)
    expect(tables.edgeMap.size).toBe(1)
  })
})

describe('rename', () => {
  it('moves one edge, keeps the ids, and leaves no empty directory of the store behind', () => {
    put('a/b/x', 'a/b/y')
    const before = id('a/b/x')
    expect(refusal(run({ type: 'rename', ...at, from: 'a/b/', to: 'q/r/' }))).toBeUndefined()
    expect(keys()).toEqual(['q/', 'q/r/', 'q/r/x', 'q/r/y'])
    expect(id('q/r/x')).toBe(before)
  })

  it('refuses a cycle, a name that is taken, and what is not there', () => {
    put('a/b/x', 'f', 'g')
    const before = structuredClone(tables.snapshot())
    const rename = (from: string, to: string): string | undefined => refusal(run({ type: 'rename', ...at, from, to }))
    expect(rename('a/', 'a/b/c/')).toBe('invalid_argument')
    expect(rename('a/', 'a/')).toBe('invalid_argument')
    expect(rename('f', 'g')).toBe('already_exists')
    expect(rename('f', 'a')).toBe('already_exists')
    expect(rename('x', 'y')).toBe('not_found')
    expect(tables.snapshot()).toEqual(before)
  })
})

describe('files that only the cache has', () => {
  it('outlive every listing, whatever it says of their name', () => {
    const fileId = write('d/f')
    run(listing({ removals: ['d/f'], upserts: [object('d/f', { etag: 'other' })], unmarked: ['d/'] }))
    run({ type: 'remove_file', ...at, key: 'd/f' })
    expect(fileAt(tables, rootId, 'd/f')).toMatchObject({ id: fileId, persisted: false })
    run({ type: 'persist_files', atMs: 100, files: [{ fileId, etag: 'e', modifiedMs: 7 }] })
    expect(fileAt(tables, rootId, 'd/f')).toMatchObject({ id: fileId, persisted: true, etag: 'e' })
    run(listing({ removals: ['d/f'] }))
    expect(keys()).toEqual([])
  })

  it('are not freed', () => {
    const fileId = write('f')
    expect(run({ type: 'renew_files', atMs: 100, fileIds: [fileId] }).effects).toEqual([])
    run({ type: 'set_attributes', atMs: 100, inodeIds: [fileId], ttl: { ttlMs: 5, action: 'FREE' } })
    expect(run({ type: 'expire', atMs: 200, inodeIds: [fileId] }).effects).toEqual([])
    expect(fileAt(tables, rootId, 'f')).toMatchObject({ id: fileId, ttlMs: 5, expiresMs: 60_200 })
  })
})

describe('deadlines', () => {
  const due = (nowMs: number, limit = 99): number[] => dueDeadlines(tables, nowMs, limit).map(({ inodeId }) => inodeId)

  it('are found in their order, in pieces, and go with their files', () => {
    put('a', 'b', 'c')
    const [a, b, c] = [id('a'), id('b'), id('c')]
    run({ type: 'set_attributes', atMs: 100, inodeIds: [c, a], ttl: { ttlMs: 10, action: 'FREE' } })
    run({ type: 'set_attributes', atMs: 100, inodeIds: [b], ttl: { ttlMs: 5, action: 'FREE' } })
    expect([due(104), due(105), due(110)]).toEqual([[], [b], [b, a, c]])
    const [first] = dueDeadlines(tables, 110, 1)
    expect(dueDeadlines(tables, 110, 9, first?.name).map(({ inodeId }) => inodeId)).toEqual([a, c])
    run(listing({ removals: ['b'] }))
    run({ type: 'set_attributes', atMs: 100, inodeIds: [a], ttl: { ttlMs: -1, action: 'FREE' } })
    expect(due(1000)).toEqual([c])
  })

  it('are not done before their time, though the command names them', () => {
    put('a')
    run({ type: 'set_attributes', atMs: 100, inodeIds: [id('a')], ttl: { ttlMs: 10, action: 'DELETE' } })
    run({ type: 'expire', atMs: 109, inodeIds: [id('a')] })
    expect(keys()).toEqual(['a'])
    run({ type: 'expire', atMs: 110, inodeIds: [id('a')] })
    expect(keys()).toEqual([])
  })

  it('of a new version begin anew, with the TTL and the pin of the path', () => {
    put('a')
    run({ type: 'set_attributes', atMs: 100, inodeIds: [id('a')], pinned: true, ttl: { ttlMs: 10, action: 'FREE' } })
    run(listing({ atMs: 105, upserts: [object('a', { etag: 'v2' })] }))
    expect(fileAt(tables, rootId, 'a')).toMatchObject({ pinned: true, ttlMs: 10, expiresMs: 115 })
    expect(due(114)).toEqual([])
  })

  it('of a namespace hold again for what is loaded again', () => {
    run({ type: 'set_attributes', atMs: 1, inodeIds: [rootId], ttl: { ttlMs: 50, action: 'FREE' } })
    put('a')
    const before = id('a')
    expect(fileAt(tables, rootId, 'a')).toMatchObject({ ttlMs: -1, expiresMs: 60 })
    expect(run({ type: 'expire', atMs: 60, inodeIds: [before] }).effects).toMatchObject([
      { type: 'drop_blocks', fileId: before },
    ])
    expect(fileAt(tables, rootId, 'a')).toMatchObject({ expiresMs: 110 })
    expect(id('a')).not.toBe(before)
    expect(directoryAt(tables, rootId, '')).toMatchObject({ ttlMs: 50, expiresMs: -1 })
  })
})
