// Why: a backup is worth what can be restored of it. How: a master is backed up while it serves,
// restored in another home, and asked; a backup with any byte cut off or changed must be refused.
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blockIdOf } from '../../../src/base/block-id.ts'
import { restoreBackup } from '../../../src/cache-master/state/backup.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let folder: string
let fixture: MasterFixture

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'skein-backup-'))
  fixture = await MasterFixture.open()
  await fixture.service.createNamespace(
    { name: 'ns', uri: 's3://bucket', secrets: { 's3.secretAccessKey': 'canary-secret' }, attributes: {} },
    call,
  )
  for (let n = 0; n < 50; n += 1) fixture.store('s3://bucket').put(`d/f${n}`, { length: 4 })
  await fixture.service.syncPage({ path: '/ns', cursor: '', limit: 0 }, call)
  await fixture.lifecycle.setPinned({ path: '/ns/d/f1', pinned: true }, call)
})
afterEach(async () => {
  await fixture.close()
  rmSync(folder, { recursive: true, force: true })
})

const backup = async (): Promise<string> =>
  (await fixture.service.backup({ directory: join(folder, 'backups') }, call)).path
const keyOf = (home: string): string => join(home, 'master', 'secret.key')
const restore = (file: string, home: string): Promise<void> =>
  restoreBackup({ file, home, secretKeyFile: keyOf(home), logger: silentLogger })

/** An empty home with the key of the first master. */
function newHome(name: string): string {
  const home = join(folder, name)
  mkdirSync(join(home, 'master'), { recursive: true })
  cpSync(keyOf(fixture.home), keyOf(home))
  return home
}

/** A master that starts in this home with an empty journal. */
async function startIn(home: string): Promise<MasterFixture> {
  const other = await MasterFixture.open()
  await other.master.close()
  rmSync(join(other.home, 'master'), { recursive: true })
  cpSync(join(home, 'master'), join(other.home, 'master'), { recursive: true })
  other.journal.entries = []
  await other.start()
  return other
}

describe('a backup', () => {
  it('restores namespaces, files, secrets and what was set, with ids that no worker can have a block of', async () => {
    const before = await fixture.stat('/ns/d/f1')
    const { path, files } = await fixture.service.backup({ directory: join(folder, 'backups') }, call)
    expect(files).toBe(50)
    expect(readdirSync(join(folder, 'backups'))).toEqual([path.slice(path.lastIndexOf('/') + 1)])
    expect(statSync(path).mode & 0o077).toBe(0)
    // After the backup: not in it.
    fixture.store('s3://bucket').put('late')
    const late = await fixture.stat('/ns/late')
    const home = newHome('other')
    await restore(path, home)
    const other = await startIn(home)
    try {
      expect(await other.stat('/ns/d/f1')).toEqual({ ...before, pinned: true })
      const access = await other.service.getNamespaceAccess({ namespaceId: before.namespaceId }, call)
      expect(access.secrets).toEqual({ 's3.secretAccessKey': 'canary-secret' })
      expect((await other.service.getClusterSummary({}, call)).clusterId).toBe(
        (await fixture.service.getClusterSummary({}, call)).clusterId,
      )
      const session = await other.worker('w')
      expect(await other.report('w', session, [blockIdOf(late.fileId, 0)])).toEqual([blockIdOf(late.fileId, 0)])
      other.store('s3://bucket').put('new')
      expect((await other.stat('/ns/new')).fileId).toBeGreaterThan(late.fileId + 1_000_000 * 2 ** 20)
      // What it does from now on it keeps.
      await other.restart()
      expect((await other.service.count({ path: '/ns' }, call)).files).toBeGreaterThanOrEqual(1)
      expect((await other.stat('/ns/d/f1')).pinned).toBe(true)
    } finally {
      await other.close()
    }
  })

  it('holds no secret, nor the key', async () => {
    const bytes = readFileSync(await backup())
    expect(bytes.includes('canary-secret')).toBe(false)
    expect(bytes.includes(readFileSync(keyOf(fixture.home)))).toBe(false)
  })

  it('is refused with one line when it is torn or changed anywhere, and then nothing was begun', async () => {
    const whole = readFileSync(await backup())
    const home = newHome('torn')
    const wrong = join(folder, 'wrong')
    const check = async (bytes: Uint8Array): Promise<void> => {
      writeFileSync(wrong, bytes)
      await expect(restore(wrong, home)).rejects.toMatchObject({
        code: 'data_loss',
        message: expect.stringContaining(wrong),
      })
    }
    for (const length of [0, 1, 43, 44, 4096, whole.length - 44, whole.length - 1])
      await check(whole.subarray(0, length))
    for (const at of [0, 5000, whole.length - 60, whole.length - 43, whole.length - 20, whole.length - 1]) {
      const changed = Buffer.from(whole)
      changed[at] = (changed[at] ?? 0) ^ 1
      await check(changed)
    }
    await check(Buffer.concat([whole, Buffer.from('x')]))
    expect(readdirSync(join(home, 'master'))).toEqual(['secret.key'])
    await restore(await backup(), home)
  })

  it('is not put over another state, nor without the key of its secrets', async () => {
    const path = await backup()
    await expect(restore(path, fixture.home)).rejects.toMatchObject({ code: 'failed_precondition' })
    const home = join(folder, 'keyless')
    await expect(restore(path, home)).rejects.toThrow(/secret\.key/)
    await expect(restore(join(folder, 'none'), newHome('x'))).rejects.toMatchObject({ code: 'not_found' })
    const twice = newHome('twice')
    await restore(path, twice)
    await expect(restore(path, twice)).rejects.toThrow(/has the state of a master already/)
  })

  it('is made again where a restore was interrupted', async () => {
    const home = newHome('half')
    mkdirSync(join(home, 'master', 'state.restoring'))
    writeFileSync(join(home, 'master', 'state.restoring', 'data.mdb'), 'half')
    await restore(await backup(), home)
    expect(readdirSync(join(home, 'master')).toSorted()).toEqual(['cluster.id', 'journal', 'secret.key', 'state'])
    // Or between its last two steps.
    renameSync(join(home, 'master', 'cluster.id'), join(home, 'master', 'cluster.id.tmp'))
    await restore(await backup(), home)
    expect(readdirSync(join(home, 'master')).toSorted()).toEqual(['cluster.id', 'journal', 'secret.key', 'state'])
  })

  it('cannot be written everywhere', async () => {
    await expect(fixture.service.backup({ directory: 'relative' }, call)).rejects.toMatchObject({
      code: 'invalid_argument',
    })
    await expect(fixture.service.backup({ directory: '/etc/passwd/none' }, call)).rejects.toMatchObject({
      code: 'failed_precondition',
    })
  })
})
