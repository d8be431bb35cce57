// Whose worker may come: the states that follow one another by restores, and those that went
// another way.
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { blockIdOf } from '../../../src/base/block-id.ts'
import { restoreBackup } from '../../../src/cache-master/state/backup.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import type { RegisterWorkerRequest } from '../../../src/wire/generated/master.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

const opened: MasterFixture[] = []
afterEach(async () => {
  for (const fixture of opened.splice(0)) await fixture.close()
})

async function open(): Promise<MasterFixture> {
  const fixture = await MasterFixture.open()
  opened.push(fixture)
  return fixture
}

/** A master that was restored from a backup of another one. */
async function restoredFrom(other: MasterFixture): Promise<MasterFixture> {
  const { path } = await other.service.backup({ directory: join(other.home, 'backups') }, call)
  const fixture = await open()
  await fixture.master.close()
  rmSync(join(fixture.home, 'master'), { recursive: true })
  mkdirSync(join(fixture.home, 'master'))
  const secretKeyFile = join(fixture.home, 'master', 'secret.key')
  cpSync(join(other.home, 'master', 'secret.key'), secretKeyFile)
  await restoreBackup({ file: path, home: fixture.home, secretKeyFile, logger: silentLogger })
  fixture.journal.entries = []
  await fixture.start()
  return fixture
}

const request: RegisterWorkerRequest = {
  workerId: 'w',
  hostname: 'h',
  rpcAddress: 'h:1',
  dataAddress: 'h:2',
  webAddress: '',
  directories: [],
}
const register = (fixture: MasterFixture, said: Partial<RegisterWorkerRequest>) =>
  fixture.service.registerWorker({ ...request, ...said }, call)

test('a restored master takes its workers, and the one it was restored from does not take them back', async () => {
  const first = await open()
  await first.create()
  const { clusterId = '', incarnation = '' } = await register(first, { blocks: 5 })
  const second = await restoredFrom(first)
  const later = await register(second, { clusterId, incarnation, blocks: 5 })
  expect(later.clusterId).toBe(clusterId)
  expect(later.incarnation).not.toBe(incarnation)
  const said = { clusterId, incarnation: later.incarnation ?? '', blocks: 5 }
  await expect(register(first, said)).rejects.toMatchObject({ code: 'failed_precondition', reason: 'other_cluster' })
  // Nor does another restore of the same backup, until it is told to.
  const fork = await restoredFrom(first)
  await expect(register(fork, said)).rejects.toThrow(`fsadmin adopt ${said.incarnation}`)
  await fork.service.adoptCluster({ id: said.incarnation }, call)
  expect(await register(fork, said)).toMatchObject({ adopted: true })
  // A worker that holds nothing may go where it likes.
  expect(await register(first, { ...said, blocks: 0 })).toMatchObject({ adopted: false })
  // And a restore of the restored one follows both.
  const third = await restoredFrom(second)
  await register(third, { clusterId, incarnation, blocks: 5 })
  await register(third, said)
})

test('only what the state itself gave out and deleted is known to be deleted', async () => {
  const first = await open()
  await first.create()
  const make = async (fixture: MasterFixture, name: string) =>
    (await fixture.lifecycle.createFile({ path: `/ns/${name}`, blockSizeBytes: 0, requestKey: '' }, call)).fileId
  const deleted = await make(first, 'a')
  await first.lifecycle.abandonFile({ fileId: deleted }, call)
  const second = await restoredFrom(first)
  const newer = await make(first, 'b')
  const report = async (fixture: MasterFixture, ids: readonly number[], said: Partial<RegisterWorkerRequest>) => {
    const { session } = await register(fixture, said)
    const added = ids.map((fileId) => blockIdOf(fileId, 0))
    const answer = await fixture.service.reportBlocks(
      { workerId: 'w', session, added, removed: [], durable: { ids: added }, fullReportEnd: true, directories: [] },
      call,
    )
    return { unknown: answer.unknown, kept: answer.kept?.ids }
  }
  const { clusterId = '', incarnation = '' } = await register(first, {})
  const said = { clusterId, incarnation }
  const block = (fileId: number): number => blockIdOf(fileId, 0)
  expect(await report(first, [deleted], said)).toEqual({ unknown: [block(deleted)], kept: [] })
  // A worker that does not say whose it is may have the number from anywhere.
  expect(await report(first, [deleted], {})).toEqual({ unknown: [], kept: [block(deleted)] })
  // One that joined with none has got it here.
  expect(await report(first, [deleted], { blocks: 0 })).toEqual({ unknown: [block(deleted)], kept: [] })
  expect(await report(second, [newer], { blocks: 0 })).toEqual({ unknown: [], kept: [block(newer)] })
  // Made after the backup: the restored master has never heard of it.
  expect(await report(second, [newer], said)).toEqual({ unknown: [], kept: [block(newer)] })
  const gone = await make(second, 'c')
  await second.lifecycle.abandonFile({ fileId: gone }, call)
  expect(await report(second, [gone], said)).toEqual({ unknown: [block(gone)], kept: [] })
  await second.restart()
  expect(await report(second, [gone, newer], said)).toEqual({ unknown: [block(gone)], kept: [block(newer)] })
})
