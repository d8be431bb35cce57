// Why: the state machine is proved over Maps; it must do the same over LMDB. How: the same random
// commands on both.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { LmdbTables } from '../../src/cache-master/state/lmdb-tables.ts'
import { LmdbState } from '../../src/journal/state/lmdb-state.ts'
import { apply } from '../../src/meta/apply/apply-meta.ts'
import type { Command } from '../../src/meta/commands/commands.ts'
import { namespaceByName } from '../../src/meta/resolve-path.ts'
import {
  deadlineParentId,
  pendingParentId,
  type Tables,
  toPersistParentId,
  ttlChangeParentId,
} from '../../src/meta/meta-tables.ts'
import { walk } from '../../src/meta/walk.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { createNamespace, listing, object } from '../unit/meta/support/commands.ts'
import { MemoryTables } from '../unit/meta/support/memory-tables.ts'

const key = fc
  .array(fc.constantFrom('a', 'b', 'a-', '/', '//', '\u0001', '\uFFFD', '\u{1F600}'), { minLength: 1, maxLength: 5 })
  .map((pieces) => pieces.join(''))
const directoryKey = key.map((text) => (text.endsWith('/') ? text : `${text}/`))
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.constantFrom(createNamespace('n1'), createNamespace('n2')),
  fc.constantFrom<Command>(
    { type: 'delete_namespace', atMs: 1, namespaceId: 'n1' },
    { type: 'delete_namespace', atMs: 1, namespaceId: 'n2' },
  ),
  fc.nat(9).map((limit): Command => ({ type: 'clear_detached', atMs: 1, limit: limit + 1 })),
  key.map((name): Command => ({ type: 'remove_file', atMs: 1, namespaceId: 'n1', key: name })),
  fc.array(fc.nat(20)).map((ids): Command => ({
    type: 'set_replication',
    atMs: 1,
    fileIds: ids.map((id) => id * 2 ** 20 + 2 ** 20 - 1),
    min: 1,
    max: 3,
  })),
  fc
    .array(fc.tuple(fc.nat(20), fc.constantFrom({}, { contentType: 'a/b' }, { userMetadata: { a: '1' } })))
    .map((files): Command => ({
      type: 'set_metadata',
      atMs: 1,
      files: files.map(([id, metadata]) => ({ fileId: id * 2 ** 20 + 2 ** 20 - 1, ...metadata })),
    })),
  fc
    .record({
      namespaceId: fc.constantFrom('n1', 'n1', 'n2'),
      upserts: fc.array(
        fc
          .record({ key, length: fc.nat(9), etag: fc.constantFrom('v1', 'v2') })
          .map((fields) => object(fields.key, fields)),
      ),
      directories: fc.array(fc.record({ key: directoryKey, marker: fc.boolean() }), { maxLength: 2 }),
      removals: fc.array(key),
      unmarked: fc.array(directoryKey, { maxLength: 2 }),
      childrenListed: fc.array(directoryKey, { maxLength: 1 }),
      treeListed: fc.array(directoryKey, { maxLength: 1 }),
    })
    .map(listing),
)

const inodeIds = fc.array(
  fc.integer({ min: 1, max: 20 }).map((container) => container * 2 ** 20 + 2 ** 20 - 1),
  { maxLength: 5 },
)
const atMs = fc.integer({ min: 1, max: 40 })
const at = <Fields extends object>(
  fields: fc.Arbitrary<Fields>,
): fc.Arbitrary<Fields & { atMs: number; namespaceId: string }> =>
  fc.tuple(fields, atMs).map(([some, ms]) => ({ ...some, atMs: ms, namespaceId: 'n1' }))
const fileKey = key.filter((text) => !text.endsWith('/'))
const owned = {
  owner: fc.constantFrom('skein', 'alice'),
  group: fc.constantFrom('skein', 'staff'),
  mode: fc.constantFrom(0, 0o600, 0o666, 0o777, 0o7777),
}
const lifecycle: fc.Arbitrary<Command> = fc.oneof(
  at(
    fc.record({
      type: fc.constant('make_directory' as const),
      key: directoryKey,
      listed: fc.boolean(),
      explicit: fc.boolean(),
    }),
  ),
  at(
    fc.record({
      type: fc.constant('remove_entries' as const),
      files: fc.array(fc.record({ key: fileKey, fileId: inodeIds.map(([id]) => id ?? 0) }), { maxLength: 3 }),
      directories: fc.array(directoryKey, { maxLength: 2 }),
    }),
  ),
  at(fc.record({ type: fc.constant('detach' as const), key: directoryKey })),
  at(fc.record({ type: fc.constant('rename' as const), from: fileKey, to: fileKey })),
  at(fc.record({ type: fc.constant('rename' as const), from: directoryKey, to: directoryKey })),
  at(
    fc.record(
      {
        type: fc.constant('set_attributes' as const),
        inodeIds,
        pinned: fc.boolean(),
        ttl: fc.record({
          ttlMs: fc.integer({ min: -1, max: 9 }),
          action: fc.constantFrom('FREE' as const, 'DELETE' as const),
        }),
        replicationMin: fc.nat(3),
        replicationMax: fc.integer({ min: -1, max: 3 }),
        ...owned,
        modeMask: fc.constantFrom(0o022, 0o7777),
      },
      { requiredKeys: ['type', 'inodeIds'] },
    ),
  ),
  at(fc.record({ type: fc.constant('follow_namespace_ttl' as const), fileIds: inodeIds })),
  at(fc.record({ type: fc.constant('renew_files' as const), fileIds: inodeIds })),
  at(fc.record({ type: fc.constant('expire' as const), inodeIds })),
  at(
    fc.record(
      {
        type: fc.constant('create_file' as const),
        key: fileKey,
        blockSizeBytes: fc.constant(4),
        requestKey: fc.constantFrom('', 'x'),
        expiresMs: fc.integer({ min: 41, max: 60 }),
        overwrites: fc.boolean(),
        overwritesId: inodeIds.map(([id]) => id ?? 0),
        ttl: fc.record({ ttlMs: fc.nat(9), action: fc.constantFrom('FREE' as const, 'DELETE' as const) }),
        ...owned,
        contentType: fc.constantFrom('', 'text/plain'),
        userMetadata: fc.constantFrom<Readonly<Record<string, string>>>({}, { a: '1', b: '' }),
        clientMetadata: fc.constantFrom<Readonly<Record<string, string>>>({}, { etag: 'x' }),
        writePolicy: fc.constantFrom('MUST_CACHE' as const, 'ASYNC_THROUGH' as const),
      },
      { requiredKeys: ['type', 'key', 'blockSizeBytes', 'requestKey', 'expiresMs'] },
    ),
  ),
  at(
    fc.record(
      {
        type: fc.constant('complete_file' as const),
        fileId: inodeIds.map(([id]) => id ?? 0),
        length: fc.nat(9),
        stored: fc.record({ etag: fc.constantFrom('v1', 'v2'), modifiedMs: fc.nat(9) }),
      },
      { requiredKeys: ['type', 'fileId', 'length'] },
    ),
  ),
  at(fc.record({ type: fc.constant('abandon_file' as const), fileId: inodeIds.map(([id]) => id ?? 0) })),
  at(
    fc.record({
      type: fc.constant('persist_files' as const),
      files: inodeIds.map((ids) => ids.map((fileId) => ({ fileId, etag: 'p', modifiedMs: 5 }))),
    }),
  ),
)

const stagingId = fc.constantFrom('/ns/a', '/ns/b')
const stagingCommand: fc.Arbitrary<Command> = fc.oneof(
  at(
    fc.record({
      type: fc.constant('stage_listing' as const),
      stagingId,
      blockSizeBytes: fc.constant(4),
      expiresMs: fc.constant(50),
      afterKey: fc.option(fileKey, { nil: undefined }),
      upToKey: fc.option(fileKey, { nil: undefined }),
      upserts: fc
        .uniqueArray(fc.record({ key: fileKey, length: fc.nat(9), etag: fc.constantFrom('v1', 'v2') }), {
          selector: (one) => one.key,
        })
        .map((all) => all.map((fields) => object(fields.key, fields))),
      removals: fc.uniqueArray(fc.record({ key: fileKey, fileId: inodeIds.map(([id]) => id ?? 0) }), {
        selector: (one) => one.key,
      }),
    }),
  ),
  at(fc.record({ type: fc.constant('commit_staging' as const), stagingId })),
  at(fc.record({ type: fc.constant('drop_staging' as const), stagingId, limit: fc.integer({ min: 1, max: 5 }) })),
)

/**
 * What must hold of any state: the index has every deadline and no other, every inode hangs
 * somewhere, counts are right.
 */
function expectSound(tables: MemoryTables): void {
  const stagings = [...tables.stagings()]
  const staged = stagings.flatMap(({ addedId }) => [...tables.edges(addedId, '')])
  const deadlines = [...tables.inodes.values()]
    .filter(({ expiresMs }) => expiresMs >= 0)
    .map(({ id, expiresMs }) => [expiresMs, id])
  const indexed = tables.edges(deadlineParentId, '').map(({ name, inodeId }) => [Number(name.slice(0, 16)), inodeId])
  expect(indexed).toEqual(deadlines.sort(([a = 0, x = 0], [b = 0, y = 0]) => a - b || x - y))
  const lists = [deadlineParentId, toPersistParentId, ttlChangeParentId, ...stagings.map(({ removedId }) => removedId)]
  const named = [...tables.edgeMap]
    .filter(([parentId]) => !lists.includes(parentId))
    .flatMap(([, edges]) => [...edges.values()])
  const roots = [...tables.namespaces()].map(({ rootId }) => rootId)
  expect([...named, ...roots].sort((a, b) => a - b)).toEqual([...tables.inodes.keys()].sort((a, b) => a - b))
  expect(tables.counter('files') + staged.length).toBe(
    [...tables.inodes.values()].filter(({ kind }) => kind === 'file').length,
  )
}

const asyncNamespace: Command = { ...createNamespace(), attributes: { writePolicy: 'ASYNC_THROUGH' } } as Command

function shownBy(tables: Tables): unknown {
  const rootId = namespaceByName(tables, 'ns')?.rootId
  const entries =
    rootId === undefined
      ? []
      : [...walk(tables, rootId, '', undefined)].map((entry) => ({ ...entry, inode: tables.inode(entry.inodeId) }))
  const detached = [...walk(tables, 0, '', undefined)]
  const pending = [...tables.edges(pendingParentId, '')].map(({ name, inodeId }) => ({
    name,
    inode: tables.inode(inodeId),
  }))
  const deadlines = [...tables.edges(deadlineParentId, '')]
  const stagings = [...tables.stagings()]
    .toSorted((a, b) => a.addedId - b.addedId)
    .map((staging) => ({
      staging,
      added: [...tables.edges(staging.addedId, '')].map(({ name, inodeId }) => ({
        name,
        inode: tables.inode(inodeId),
      })),
      removed: [...tables.edges(staging.removedId, '')],
    }))
  return {
    stagings,
    entries,
    detached,
    pending,
    deadlines,
    counters: (['containers', 'files', 'directories'] as const).map((name) => tables.counter(name)),
  }
}

it('gives the same outcomes and the same state over LMDB as over Maps', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'skein-model-'))
  let round = 0
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(command, lifecycle, stagingCommand), { minLength: 1, maxLength: 25 }),
        async (commands) => {
          const memory = new MemoryTables()
          round += 1
          const state = await LmdbState.open({ directory: join(directory, String(round)), logger: silentLogger })
          const lmdb = new LmdbTables(state)
          try {
            const all = [asyncNamespace, ...commands]
            all.forEach((each, i) =>
              lmdb.transact(BigInt(i + 1), () => expect(apply(lmdb, each)).toEqual(apply(memory, each))),
            )
            expect(shownBy(lmdb)).toEqual(shownBy(memory))
            expectSound(memory)
          } finally {
            await state.close()
            await rm(join(directory, String(round)), { recursive: true })
          }
        },
      ),
      { numRuns: 30 },
    )
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})

it('keeps index, names and counts in step, and comes to the same state when it is replayed', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(command, lifecycle, lifecycle, stagingCommand), { minLength: 1, maxLength: 60 }),
      (commands) => {
        const tables = new MemoryTables()
        const all = [asyncNamespace, ...commands]
        for (const each of all) {
          const before = structuredClone(tables.snapshot())
          if (apply(tables, each).outcome.refused !== undefined) expect(tables.snapshot()).toEqual(before)
          expectSound(tables)
        }
        const again = new MemoryTables()
        for (const each of all) apply(again, structuredClone(each))
        expect(again.snapshot()).toEqual(tables.snapshot())
      },
    ),
    { numRuns: 300 },
  )
})
