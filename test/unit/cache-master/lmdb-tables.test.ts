// Why: rows come back as they were put, in order, and a batch that fails leaves nothing, in memory
// neither.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { decodeCommand, encodeCommand } from '../../../src/cache-master/state/command-codec.ts'
import { edgeKey, LmdbTables } from '../../../src/cache-master/state/lmdb-tables.ts'
import { LmdbState } from '../../../src/journal/state/lmdb-state.ts'
import { pendingParentId } from '../../../src/meta/meta-tables.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { createNamespace, listing, object } from '../meta/support/commands.ts'
import { call, MasterFixture } from './support/master-fixture.ts'
import { LogFixture } from './support/namespace-log.ts'

let fixture: LogFixture
beforeEach(async () => {
  fixture = await LogFixture.make()
})
afterEach(() => fixture.close())

describe('LmdbTables', () => {
  it('undoes a batch that fails, counters and namespaces included', async () => {
    const { tables } = fixture
    const log = await fixture.openLog()
    await log.submit(createNamespace())
    expect(() =>
      tables.transact(9n, () => {
        tables.putCounter('files', 77)
        tables.removeNamespace('n1')
        tables.putEdge(1, 'x', 2)
        throw new Error('planted')
      }),
    ).toThrow('planted')
    expect([tables.counter('files'), [...tables.namespaces()].length, tables.edge(1, 'x'), tables.lastApplied]).toEqual(
      [0, 1, undefined, 1n],
    )
  })

  it('counts the unfinished files of a state that has not counted them', async () => {
    const home = await mkdtemp(join(tmpdir(), 'skein-tables-'))
    const state = await LmdbState.open({ directory: join(home, 'state'), logger: silentLogger })
    const edges = state.numbersTable('edges')
    state.transact(1n, () => {
      for (const [parentId, name] of [
        [pendingParentId, 'id:1'],
        [pendingParentId, 'key:k'],
        [pendingParentId + 1, 'x'],
      ] as const)
        edges.put(edgeKey(parentId, name), 3)
    })
    expect(new LmdbTables(state).counter('pending')).toBe(2)
    await state.close()
    await rm(home, { recursive: true })
  })

  it('keeps every field, and names of any kind in the order of their bytes', async () => {
    const { tables } = fixture
    const log = await fixture.openLog()
    await log.submit(createNamespace())
    const names = ['', '\u0001', 'a', 'a\u0000b', '\uFFFD', '\u{1F600}', '\u0001'.repeat(1024), 'ü'.repeat(512)]
    tables.transact(1n, () => names.forEach((name, i) => tables.putEdge(2 ** 40, name, i * 2 ** 20)))
    const sorted = names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    expect([...tables.edges(2 ** 40, '')].map(({ name }) => name)).toEqual(sorted)
    expect([...tables.edges(2 ** 40, 'a')].map(({ name }) => name)).toEqual(sorted.slice(sorted.indexOf('a')))
    const upsert = object('f', {
      length: 2 ** 45 + 1,
      modifiedMs: 1.5e12 + 0.5,
      crc64: '18446744073709551615',
      storageClass: 'X',
    })
    const { fileIds } = await log.submit({ ...listing({ upserts: [upsert] }), blockSizeBytes: 2 ** 33 })
    await fixture.reopenState()
    expect(fixture.tables.inode(fileIds[0] ?? 0)).toMatchObject({
      length: upsert.length,
      etag: upsert.etag,
      modifiedMs: upsert.modifiedMs,
      crc64: upsert.crc64,
      storageClass: upsert.storageClass,
      name: 'f',
      blockSizeBytes: 2 ** 33,
      pinned: false,
      replicationMin: 0,
      replicationMax: -1,
      ttlMs: -1,
      ttlAction: 'FREE',
    })
  })
})

describe('the journal format', () => {
  it('gives back any command, each entry by itself', () => {
    const commands = [
      createNamespace(),
      listing({ upserts: [object('a'), object('b', { crc64: '1' })], removals: ['x'] }),
    ]
    const entries = commands.map(encodeCommand)
    expect(entries.toReversed().map(decodeCommand)).toEqual(commands.toReversed())
    expect(() => decodeCommand(Uint8Array.from([9, 1]))).toThrow('format 9')
  })
})

describe('a cache master after a power loss', () => {
  it('has everything back when its data is torn', async () => {
    const master = await MasterFixture.open({ checkpointEntries: 3 })
    try {
      for (let i = 0; i < 10; i += 1) await master.create(`ns${i}`, `s3://bucket${i}`)
      const before = await master.service.listNamespaces({}, call)
      await master.master.close()
      await writeFile(join(master.home, 'master', 'state', 'opened-in-boot'), 'a boot before')
      await writeFile(join(master.home, 'master', 'state', 'data.mdb'), Buffer.alloc(50_000, 7))
      await master.start()
      expect(await master.service.listNamespaces({}, call)).toEqual(before)
      expect(before.namespaces).toHaveLength(10)
    } finally {
      await master.close()
    }
  })
})
