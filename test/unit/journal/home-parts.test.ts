// A home with any part of its state gone is refused by the part's name; a new one, and one that was
// interrupted, are not.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createCacheMaster } from '../../../src/cache-master/master.ts'
import { checkHome } from '../../../src/journal/log/home-parts.ts'
import { openLocalJournal } from '../../../src/journal/log/local-journal.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'
import { FakeClock, FakeStore } from '../cache-master/support/fakes.ts'
import { call } from '../cache-master/support/master-fixture.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'skein-home-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

const options = {
  ...{
    blockSizeBytesDefault: 4,
    workerLostMs: 10_000,
    metadataSyncIntervalMs: -1,
    ttlCheckIntervalMs: 1000,
    unfinishedFileMs: 86_400_000,
    unfinishedFilesMax: 1000,
  },
  ...{ version: '1', webPort: 0, rpcPort: 0, address: () => '', checkpointEntries: 1000, checkpointBytes: 2 ** 26 },
}

/** As the process does it. @returns the cluster's id and the names of its namespaces */
async function start(create?: string): Promise<[string, string[]]> {
  await checkHome({ directory: join(home, 'master'), role: 'master', idName: 'cluster.id' })
  const parts = { clock: new FakeClock(), logger: silentLogger, metrics: new MetricRegistry() }
  const journal = await openLocalJournal({
    directory: join(home, 'master', 'journal'),
    segmentBytesMax: 2 ** 20,
    ...parts,
  })
  try {
    const master = await createCacheMaster({
      home,
      journal,
      openStore: () => new FakeStore(),
      options,
      signal: call.signal,
      ...parts,
    })
    if (create !== undefined)
      await master.service.createNamespace({ name: create, uri: 's3://b', secrets: {}, attributes: {} }, call)
    const { clusterId } = await master.service.getClusterSummary({}, call)
    const { namespaces } = await master.service.listNamespaces({}, call)
    await master.close()
    return [clusterId, namespaces.map(({ name }) => name)]
  } finally {
    await journal.close()
  }
}

const remove = (...names: string[]): void => {
  for (const name of names) rmSync(join(home, 'master', name), { recursive: true })
}

test.each([
  [['state', 'journal'], /lacks the state .* and the journal/],
  [['state'], /lacks the state/],
  [['journal'], /lacks the journal/],
  [['state', 'cluster.id'], /lacks the state .* and its id/],
  [['journal', 'cluster.id'], /the journal ends at entry 0 but the state at 1/],
  [['state/data.mdb', 'state/snapshot.mdb'], /lacks the state/],
])('without %j it does not start', async (names, message) => {
  await start('ns')
  remove(...names)
  await expect(start()).rejects.toThrow(message)
  // Nor the next time: the refusal has not made what was missing.
  await expect(start()).rejects.toThrow(message)
})

test('what the state itself can tell is put back', async () => {
  const first = await start('ns')
  remove('cluster.id')
  expect(await start()).toEqual(first)
  remove('state/data.mdb')
  expect(await start()).toEqual(first)
})

test('a state of one cluster is not taken for the one that cluster.id names', async () => {
  await start('ns')
  const other = home
  home = mkdtempSync(join(tmpdir(), 'skein-home-'))
  await start('other')
  rmSync(join(home, 'master', 'cluster.id'))
  const { copyFileSync } = await import('node:fs')
  copyFileSync(join(other, 'master', 'cluster.id'), join(home, 'master', 'cluster.id'))
  await expect(start()).rejects.toThrow(/the state is of cluster/)
  rmSync(other, { recursive: true })
})

test('a first start that was interrupted is begun again', async () => {
  const parts = { clock: new FakeClock(), logger: silentLogger, metrics: new MetricRegistry() }
  const journal = await openLocalJournal({
    directory: join(home, 'master', 'journal'),
    segmentBytesMax: 2 ** 20,
    ...parts,
  })
  await journal.campaign('x', call.signal)
  await journal.close()
  const [id] = await start()
  remove('cluster.id')
  expect((await start())[0]).toBe(id)
})
