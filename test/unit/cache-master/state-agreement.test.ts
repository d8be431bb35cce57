// Why: rows that are whole may still not belong together; and a sound state must never be called
// damaged. How: a master does some of everything and is checked; then rows are taken away or put
// in, as an old page would, and each is found.
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { LmdbState } from '../../../src/journal/state/lmdb-state.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { LmdbTables } from '../../../src/cache-master/state/lmdb-tables.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
beforeEach(async () => {
  fixture = await MasterFixture.open()
  const store = await fixture.create()
  for (let n = 0; n < 40; n += 1) store.put(`d${n % 3}/e/f${n}`, { length: 4 })
  await fixture.service.syncPage({ path: '/ns', cursor: '', limit: 0 }, call)
  await fixture.create('other', 's3://other')
  fixture.store('s3://other').put('a/b')
  await fixture.service.syncPage({ path: '/other', cursor: '', limit: 0 }, call)
})
afterEach(() => fixture.close())

const findings = async (): Promise<string[]> => (await fixture.service.checkState({}, call)).findings

it('finds nothing in a state that has seen some of everything', async () => {
  await fixture.write('/ns/made/here', 8)
  await fixture.lifecycle.createFile({ path: '/ns/never/ended', blockSizeBytes: 0, requestKey: '' }, call)
  await fixture.service.syncPage(
    { path: '/ns', cursor: '', limit: 0, stagingId: 's1', stagingExpiresMs: 10 ** 13 },
    call,
  )
  await fixture.lifecycle.rename({ from: '/ns/d1', to: '/ns/moved' }, call)
  await fixture.lifecycle.delete({ path: '/ns/d2', recursive: true, cacheOnly: true }, call)
  await fixture.service.deleteNamespace({ name: 'other', force: true }, call)
  expect(await findings()).toEqual([])
  await fixture.restart()
  expect(await findings()).toEqual([])
})

it.each([
  ['an inode', (tables: LmdbTables, id: number) => tables.removeInode(id), 'lead to no file'],
  [
    'an edge',
    (tables: LmdbTables, _: number, parentId: number) => tables.removeEdge(parentId, 'f3'),
    'not found by their name',
  ],
  ['a count', (tables: LmdbTables) => tables.putCounter('files', 7), 'but 7 are counted'],
  [
    'a count of unfinished files',
    (tables: LmdbTables) => tables.putCounter('pending', 7),
    '0 unfinished files, but 7 are counted',
  ],
])('finds that %s does not agree', async (_, change, wanted) => {
  const { fileId } = await fixture.stat('/ns/d0/e/f3')
  await fixture.master.close()
  const state = await LmdbState.open({ directory: join(fixture.home, 'master', 'state'), logger: silentLogger })
  const tables = new LmdbTables(state)
  const inode = tables.inode(fileId)
  tables.transact(state.lastApplied, () => change(tables, fileId, inode?.kind === 'file' ? inode.parentId : 0))
  await state.close()
  await fixture.start()
  expect((await findings()).join()).toContain(wanted)
})
