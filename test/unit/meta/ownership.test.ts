// Why: what people set on a path outlives versions of its content and changes of its name. How:
// commands over tables in memory.
import { beforeEach, describe, expect, it } from 'vitest'
import { apply } from '../../../src/meta/apply/apply-meta.ts'
import type { Applied, Command } from '../../../src/meta/commands/commands.ts'
import type { SetAttributes } from '../../../src/meta/commands/lifecycle-commands.ts'
import type { NamedInode } from '../../../src/meta/meta-tables.ts'
import { directoryAt, fileAt, namespaceByName } from '../../../src/meta/resolve-path.ts'
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
const owned = { owner: 'alice', group: 'staff', mode: 0o640 }
const stored = { contentType: 'text/plain', userMetadata: { project: 'x' } }
const run = (command: Command): Applied => apply(tables, command)
const file = (key: string) => fileAt(tables, rootId, key)
const set = (inode: NamedInode | undefined, change: Partial<SetAttributes>): Applied =>
  run({ type: 'set_attributes', atMs: 100, inodeIds: [inode?.id ?? 0], ...change })

function write(key: string, given: object = {}): number {
  const begin = { type: 'create_file', ...at, key, blockSizeBytes: 4, requestKey: '', expiresMs: 999 } as const
  const { outcome } = run({ ...begin, ...given })
  const [fileId = 0] = outcome.refused === undefined ? outcome.fileIds : []
  run({ type: 'complete_file', atMs: 100, fileId, length: 4 })
  return fileId
}

describe('owner, group and mode', () => {
  it('are set on files and directories, without work for replication', () => {
    run(listing({ upserts: [object('d/f')] }))
    expect(set(file('d/f'), owned)).toEqual({ outcome: { fileIds: [], changed: 1 }, effects: [] })
    expect(set(directoryAt(tables, rootId, 'd/'), { mode: 0, modeMask: 0o077 }).outcome).toMatchObject({ changed: 1 })
    expect(file('d/f')).toMatchObject(owned)
    expect(directoryAt(tables, rootId, 'd/')).toMatchObject({ mode: 0o700 })
    expect(set(file('d/f'), owned).outcome).toMatchObject({ changed: 0 })
  })

  it('are kept by a rename, a free, a new version at the store and a swap; the type goes with its version', () => {
    write('f', { ...owned, ...stored })
    const keeps = (key: string) => expect(file(key)).toMatchObject(owned)
    run({ type: 'persist_files', atMs: 100, files: [{ fileId: file('f')?.id ?? 0, etag: 'v1', modifiedMs: 5 }] })
    expect(file('f')).toMatchObject({ ...owned, ...stored, persisted: true })
    run({ type: 'rename', ...at, from: 'f', to: 'g/f' })
    expect(file('g/f')).toMatchObject({ ...owned, ...stored })
    const before = file('g/f')?.id
    run({ type: 'renew_files', atMs: 100, fileIds: [before ?? 0] })
    expect(file('g/f')?.id).not.toBe(before)
    expect(file('g/f')).toMatchObject({ ...owned, ...stored })
    const staged = { stagingId: '/ns', namespaceId: 'n1', blockSizeBytes: 4, expiresMs: 500, afterKey: undefined }
    const stage = { type: 'stage_listing', atMs: 100, ...staged, upToKey: undefined, removals: [] } as const
    run({ ...stage, upserts: [object('g/f', { length: 4, etag: 'v1' })] })
    run({ type: 'commit_staging', atMs: 100, stagingId: '/ns' })
    expect(file('g/f')).toMatchObject({ ...owned, ...stored })
    run({ ...stage, upserts: [object('g/f', { etag: 'v2' })] })
    run({ type: 'commit_staging', atMs: 100, stagingId: '/ns' })
    keeps('g/f')
    expect(file('g/f')).not.toHaveProperty('contentType')
    run(listing({ upserts: [object('g/f', { etag: 'v3' })] }))
    keeps('g/f')
    expect(file('g/f')).toMatchObject({ etag: 'v3' })
    expect(file('g/f')).not.toHaveProperty('userMetadata')
  })

  it('that are given with a new file are its own, unless they are what is shown anyway', () => {
    write('a', { owner: 'skein', group: 'staff', mode: 0o666, contentType: '', userMetadata: {} })
    expect(file('a')).toMatchObject({ group: 'staff' })
    for (const name of ['owner', 'mode', 'contentType', 'userMetadata']) expect(file('a')).not.toHaveProperty(name)
  })
})
