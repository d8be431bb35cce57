// Why: the state machine is proved over Maps; it must do the same over LMDB. How: the same random commands on both.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { LmdbTables } from '../../src/cache-master/lmdb-tables.ts'
import { LmdbState } from '../../src/journal/lmdb-state.ts'
import { apply } from '../../src/meta/apply.ts'
import type { Command } from '../../src/meta/commands.ts'
import { namespaceByName } from '../../src/meta/resolve.ts'
import type { Tables } from '../../src/meta/tables.ts'
import { walk } from '../../src/meta/walk.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { createNamespace, listing, object } from '../unit/meta/commands.ts'
import { MemoryTables } from '../unit/meta/memory-tables.ts'

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
  fc
    .array(fc.nat(20))
    .map((ids): Command => ({ type: 'set_replication', atMs: 1, fileIds: ids.map((id) => id * 2 ** 20 + 2 ** 20 - 1), min: 1, max: 3 })),
  fc
    .record({
      namespaceId: fc.constantFrom('n1', 'n1', 'n2'),
      upserts: fc.array(
        fc.record({ key, length: fc.nat(9), etag: fc.constantFrom('v1', 'v2') }).map((fields) => object(fields.key, fields)),
      ),
      directories: fc.array(fc.record({ key: directoryKey, marker: fc.boolean() }), { maxLength: 2 }),
      removals: fc.array(key),
      unmarked: fc.array(directoryKey, { maxLength: 2 }),
      childrenListed: fc.array(directoryKey, { maxLength: 1 }),
      treeListed: fc.array(directoryKey, { maxLength: 1 }),
    })
    .map(listing),
)

function shownBy(tables: Tables): unknown {
  const rootId = namespaceByName(tables, 'ns')?.rootId
  const entries =
    rootId === undefined ? [] : [...walk(tables, rootId, '', undefined)].map((entry) => ({ ...entry, inode: tables.inode(entry.inodeId) }))
  const detached = [...walk(tables, 0, '', undefined)]
  return { entries, detached, counters: (['containers', 'files', 'directories'] as const).map((name) => tables.counter(name)) }
}

it('gives the same outcomes and the same state over LMDB as over Maps', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'skein-model-'))
  let round = 0
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 25 }), async (commands) => {
        const memory = new MemoryTables()
        round += 1
        const state = await LmdbState.open({ directory: join(directory, String(round)), logger: silentLogger })
        const lmdb = new LmdbTables(state)
        try {
          const all = [createNamespace(), ...commands]
          all.forEach((each, i) => lmdb.transact(BigInt(i + 1), () => expect(apply(lmdb, each)).toEqual(apply(memory, each))))
          expect(shownBy(lmdb)).toEqual(shownBy(memory))
        } finally {
          await state.close()
          await rm(join(directory, String(round)), { recursive: true })
        }
      }),
      { numRuns: 30 },
    )
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})
