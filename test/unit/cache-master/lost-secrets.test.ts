// Why: a lost key must cost the secrets and nothing else. How: a master whose key file is taken
// away, or replaced, starts again.
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { restoreBackup } from '../../../src/cache-master/state/backup.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import type { UpdateNamespaceRequest } from '../../../src/wire/generated/master.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

const keys = { 's3.accessKeyId': 'id-1', 's3.secretAccessKey': 'key-1' }
let fixture: MasterFixture
beforeEach(async () => {
  fixture = await MasterFixture.open()
  await fixture.service.createNamespace({ name: 'ns', uri: 's3://bucket', secrets: keys, attributes: {} }, call)
  await fixture.create('open', 's3://open')
  fixture.store('s3://bucket').put('f')
  await fixture.stat('/ns/f')
})
afterEach(() => fixture.close())

const keyFile = (): string => join(fixture.home, 'master', 'secret.key')
const get = () => fixture.service.getNamespace({ name: 'ns' }, call)
const update = (change: Partial<UpdateNamespaceRequest>) =>
  fixture.service.updateNamespace(
    { name: 'ns', secrets: {}, attributes: {}, removedAttributes: [], ttlAction: '', ...change },
    call,
  )
const lose = async (): Promise<void> => {
  await fixture.master.close()
  fixture.isSecretKeyLost = true
  await fixture.start()
  fixture.isSecretKeyLost = false
}
const refusal = {
  code: 'failed_precondition',
  reason: 'secrets_lost',
  message: expect.stringContaining(
    "'skein ns update ns --secret-file s3.accessKeyId=PATH --secret-file s3.secretAccessKey=PATH'",
  ),
}

it.each([
  ['missing', () => rm(keyFile())],
  ['another one', () => writeFile(keyFile(), Buffer.alloc(32, 7))],
])('starts where the key is %s once that is said, and all but the secrets is there', async (_, spoil) => {
  const { fileId } = await fixture.stat('/ns/f')
  await fixture.master.close()
  await spoil()
  await expect(fixture.start()).rejects.toMatchObject({
    reason: 'secret_key',
    message: expect.stringContaining('secret.key.lost=true'),
  })
  fixture.isSecretKeyLost = true
  await fixture.start()
  fixture.isSecretKeyLost = false
  // Once is enough.
  await fixture.restart()
  expect((await get()).lost).toEqual({ names: ['s3.accessKeyId', 's3.secretAccessKey'] })
  expect((await fixture.stat('/ns/f')).fileId).toBe(fileId)
  await expect(fixture.stat('/ns/other')).rejects.toMatchObject(refusal)
  await expect(
    fixture.service.getNamespaceAccess({ namespaceId: (await get()).namespaceId }, call),
  ).rejects.toMatchObject(refusal)
  fixture.store('s3://open').put('g')
  await fixture.stat('/open/g')

  await expect(update({ attributes: { readPolicy: 'NO_CACHE' } })).rejects.toMatchObject(refusal)
  const half = update({ secrets: { 's3.accessKeyId': 'id-2' } })
  await expect(half).rejects.toMatchObject({
    reason: 'secrets_lost',
    message: expect.not.stringContaining('accessKeyId'),
  })
  await update({ secrets: { 's3.accessKeyId': 'id-2', 's3.secretAccessKey': 'key-2' } })
  await fixture.restart()
  expect((await get()).lost).toBeUndefined()
  const access = await fixture.service.getNamespaceAccess({ namespaceId: (await get()).namespaceId }, call)
  expect(access.secrets).toEqual({ 's3.accessKeyId': 'id-2', 's3.secretAccessKey': 'key-2' })
  fixture.store('s3://bucket').put('other')
  await fixture.stat('/ns/other')
})

it('loses nothing where the key is right', async () => {
  await lose()
  expect(await get()).toMatchObject({ secretNames: Object.keys(keys) })
  expect((await get()).lost).toBeUndefined()
  expect((await fixture.service.getNamespaceAccess({ namespaceId: (await get()).namespaceId }, call)).secrets).toEqual(
    keys,
  )
})

it('restores a backup without the key once that is said, and one of lost secrets always', async () => {
  const { path } = await fixture.service.backup({ directory: fixture.home }, call)
  const home = join(fixture.home, 'restored')
  const secretKeyFile = join(home, 'master', 'secret.key')
  const restored = { file: path, home, secretKeyFile, logger: silentLogger }
  await expect(restoreBackup(restored)).rejects.toThrow(/secret\.key\.lost=true/)
  await restoreBackup({ ...restored, isSecretKeyLost: true })

  await fixture.master.close()
  await copyFile(keyFile(), `${keyFile()}.kept`)
  await rm(keyFile())
  await lose()
  const later = await fixture.service.backup({ directory: fixture.home }, call)
  await restoreBackup({ ...restored, file: later.path, home: join(fixture.home, 'second') })
  // The new key is another one.
  expect(await readFile(keyFile())).not.toEqual(await readFile(`${keyFile()}.kept`))
})
