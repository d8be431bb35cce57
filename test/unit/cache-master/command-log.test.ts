import { cp, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { decodeCommand, encodeCommand } from '../../../src/cache-master/command-codec.ts'
import { CommandLog } from '../../../src/cache-master/command-log.ts'
import { LmdbTables } from '../../../src/cache-master/lmdb-tables.ts'
import type { Effect } from '../../../src/meta/commands.ts'
import { fileAt, namespaceByName } from '../../../src/meta/resolve.ts'
import { walk } from '../../../src/meta/walk.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'
import { createNamespace, listing, object } from '../meta/commands.ts'
import { MemoryJournal } from './fakes.ts'

let directory: string
let journal: MemoryJournal
let tables: LmdbTables
let effects: Effect[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'skein-log-'))
  journal = new MemoryJournal()
  tables = new LmdbTables(join(directory, 'state'))
  effects = []
})
afterEach(async () => {
  await tables.close()
  await rm(directory, { recursive: true, force: true })
})

async function open(checkpointEntries = 1000): Promise<CommandLog> {
  const options = { checkpointEntries, checkpointBytes: 2 ** 30 }
  const deps = {
    journal,
    tables,
    onEffect: (effect: Effect) => effects.push(effect),
    logger: silentLogger,
    metrics: new MetricRegistry(),
    options,
  }
  return CommandLog.open(deps, await journal.campaign())
}
async function reopen(): Promise<void> {
  await tables.close()
  tables = new LmdbTables(join(directory, 'state'))
}
/** Everything that can be reached, and the counters. */
function stateOf(from: LmdbTables): unknown {
  const rootId = namespaceByName(from, 'ns')?.rootId ?? 0
  const entries = [...walk(from, rootId, '', undefined)].map((entry) => ({ ...entry, inode: from.inode(entry.inodeId) }))
  const counters = (['containers', 'files', 'directories'] as const).map((name) => from.counter(name))
  return { entries, counters, namespaces: [...from.namespaces()].map(({ id }) => id), lastApplied: from.lastApplied }
}
function file(key: string) {
  return fileAt(tables, namespaceByName(tables, 'ns')?.rootId ?? 0, key)
}

describe('CommandLog', () => {
  it('applies many at once in the order of submission, and gives each its outcome', async () => {
    const log = await open()
    const outcomes = await Promise.allSettled([
      log.submit(createNamespace()),
      log.submit(listing({ upserts: [object('f', { etag: 'v1' })] })),
      log.submit(createNamespace('n2')),
      log.submit(listing({ upserts: [object('f', { etag: 'v2' })] })),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
    expect(outcomes[2]).toMatchObject({ reason: { code: 'already_exists' } })
    expect(file('f')).toMatchObject({ etag: 'v2' })
    expect(effects).toHaveLength(1)
    expect(tables.lastApplied).toBe(4n)
  })

  it('has every acknowledged command, with the same ids, when the state is older than the journal', async () => {
    const log = await open()
    await log.submit(createNamespace())
    const change = (i: number) =>
      log.submit(listing({ upserts: [object(`d/f${i % 400}`, { etag: `v${i}` })], removals: [`d/f${(i * 7) % 400}`] }))
    for (let i = 0; i < 300; i += 1) await change(i)
    await tables.flush()
    await cp(join(directory, 'state'), join(directory, 'older'), { recursive: true })
    for (let i = 300; i < 900; i += 1) await change(i)
    const live = stateOf(tables)
    await tables.close()
    await rm(join(directory, 'state'), { recursive: true })
    await rename(join(directory, 'older'), join(directory, 'state'))
    tables = new LmdbTables(join(directory, 'state'))
    expect(stateOf(tables)).not.toEqual(live)
    await open()
    expect(stateOf(tables)).toEqual(live)
  })

  it('takes nothing more after a fence or an unknown end, and says so', async () => {
    for (const answer of ['fenced', 'unknown'] as const) {
      journal = new MemoryJournal()
      await tables.close()
      await rm(join(directory, 'state'), { recursive: true })
      tables = new LmdbTables(join(directory, 'state'))
      const log = await open()
      await log.submit(createNamespace())
      journal.answer = answer
      await expect(log.submit(listing({ upserts: [object('f')] }))).rejects.toMatchObject({
        code: 'unavailable',
        reason: 'journal_stopped',
      })
      journal.answer = 'ok'
      await expect(log.submit(listing({ upserts: [object('g')] }))).rejects.toMatchObject({ reason: 'journal_stopped' })
      expect(log.stopped.aborted).toBe(true)
      expect([file('f'), file('g')]).toEqual([undefined, undefined])
      await log.close()
    }
  })

  it('lets the journal forget only what is flushed, and refuses a journal that ends before the state', async () => {
    const log = await open(10)
    await log.submit(createNamespace())
    for (let i = 0; i < 25; i += 1) await log.submit(listing({ upserts: [object(`f${i}`)] }))
    while (journal.truncatedTo === 0n) await new Promise((resolve) => setImmediate(resolve))
    expect(journal.truncatedTo).toBeGreaterThanOrEqual(10n)
    const last = log.submit(listing({ upserts: [object('last')] }))
    await log.close()
    await last
    expect(journal.truncatedTo).toBe(27n)
    await reopen()
    expect(file('last')).toBeDefined()
    journal = new MemoryJournal()
    await expect(open()).rejects.toMatchObject({ code: 'data_loss' })
  })
})

describe('LmdbTables', () => {
  it('undoes a batch that fails, counters and namespaces included', async () => {
    const log = await open()
    await log.submit(createNamespace())
    expect(() =>
      tables.transact(9n, () => {
        tables.putCounter('files', 77)
        tables.removeNamespace('n1')
        tables.putEdge(1, 'x', 2)
        throw new Error('planted')
      }),
    ).toThrow('planted')
    expect([tables.counter('files'), [...tables.namespaces()].length, tables.edge(1, 'x'), tables.lastApplied]).toEqual([
      0,
      1,
      undefined,
      1n,
    ])
  })

  it('keeps every field, and names of any kind in the order of their bytes', async () => {
    const log = await open()
    await log.submit(createNamespace())
    const names = ['', '\u0001', 'a', 'a\u0000b', '\uFFFD', '\u{1F600}', '\u0001'.repeat(1024), 'ü'.repeat(512)]
    tables.transact(1n, () => names.forEach((name, i) => tables.putEdge(2 ** 40, name, i * 2 ** 20)))
    const sorted = names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    expect([...tables.edges(2 ** 40, '')].map(({ name }) => name)).toEqual(sorted)
    expect([...tables.edges(2 ** 40, 'a')].map(({ name }) => name)).toEqual(sorted.slice(sorted.indexOf('a')))
    const upsert = object('f', { length: 2 ** 45 + 1, modifiedMs: 1.5e12 + 0.5, crc64: '18446744073709551615', storageClass: 'X' })
    const { fileIds } = await log.submit({ ...listing({ upserts: [upsert] }), blockSizeBytes: 2 ** 33 })
    await reopen()
    expect(tables.inode(fileIds[0] ?? 0)).toMatchObject({
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
    const commands = [createNamespace(), listing({ upserts: [object('a'), object('b', { crc64: '1' })], removals: ['x'] })]
    const entries = commands.map(encodeCommand)
    expect(entries.toReversed().map(decodeCommand)).toEqual(commands.toReversed())
    expect(() => decodeCommand(Uint8Array.from([9, 1]))).toThrow('format 9')
  })
})
