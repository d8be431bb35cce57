import { chmod, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { Secret } from '../../../src/base/secret.ts'
import { SecretSealing } from '../../../src/cache-master/state/secret-sealing.ts'
import type { CreateNamespaceRequest } from '../../../src/wire/generated/master.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

const canary = 'cAnArY+/=&%7 üé-31415926'
const spellings = [
  canary,
  Buffer.from(canary).toString('base64'),
  Buffer.from(canary).toString('base64url'),
  encodeURIComponent(canary),
  Buffer.from(canary).toString('hex'),
]
let fixture: MasterFixture

beforeEach(async () => {
  fixture = await MasterFixture.open()
})
afterEach(() => fixture.close())

function definition(fields: Partial<CreateNamespaceRequest> = {}): CreateNamespaceRequest {
  return {
    name: 'ns',
    uri: 's3://bucket/p',
    secrets: { 's3.secretAccessKey': canary },
    attributes: { 's3.region': 'r' },
    ...fields,
  }
}
async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

describe('namespaces', () => {
  it('are there after a restart, with secrets for roles and only names for people', async () => {
    const created = await fixture.service.createNamespace(definition(), call)
    expect(created).toMatchObject({
      name: 'ns',
      uri: 's3://bucket/p',
      secretNames: ['s3.secretAccessKey'],
      attributes: { 's3.region': 'r' },
    })
    for (const restart of [false, true]) {
      if (restart) await fixture.restart()
      expect(await fixture.service.getNamespace({ name: 'ns' }, call)).toEqual(created)
      expect(await fixture.service.listNamespaces({}, call)).toEqual({ namespaces: [created] })
      const access = await fixture.service.getNamespaceAccess({ namespaceId: created.namespaceId }, call)
      expect(access).toMatchObject({ name: 'ns', secrets: { 's3.secretAccessKey': canary }, version: 1 })
      const asked = { namespaceId: created.namespaceId, withoutSecrets: true }
      expect(await fixture.service.getNamespaceAccess(asked, call)).toEqual({ ...access, secrets: {} })
    }
  })

  it('come back from the journal alone, when the state is lost', async () => {
    const store = await fixture.create('one', 's3://one')
    store.put('d/f')
    await fixture.service.syncPage({ path: '/one', cursor: '', limit: 0 }, call)
    const page = await fixture.service.syncPage({ path: '/one', cursor: '', limit: 0 }, call)
    const entries = [...fixture.journal.entries]
    await fixture.master.close()
    fixture.journal.entries = entries
    await rm(join(fixture.home, 'master', 'state'), { recursive: true })
    await fixture.start()
    expect(await fixture.service.syncPage({ path: '/one', cursor: '', limit: 0 }, call)).toEqual(page)
  })

  it('keep no secret in clear in any file, log or answer', async () => {
    const { namespaceId } = await fixture.service.createNamespace(definition(), call)
    const [entry] = fixture.journal.entries
    const seen = [
      JSON.stringify(await fixture.service.getNamespace({ name: 'ns' }, call)),
      ...fixture.logs,
      Buffer.from(entry?.bytes ?? []).toString('latin1'),
    ]
    seen.push(Buffer.from(entry?.bytes ?? []).toString('utf8'))
    await fixture.restart()
    const files = await filesBelow(fixture.home)
    expect(files.map((file) => file.slice(fixture.home.length))).toContain('/master/secret.key')
    expect(files.some((file) => file.includes('state'))).toBe(true)
    for (const file of files)
      seen.push(...[await readFile(file)].flatMap((bytes) => [bytes.toString('latin1'), bytes.toString('utf8')]))
    for (const text of seen) for (const spelling of spellings) expect(text.includes(spelling)).toBe(false)
    // The same search finds what is there in clear.
    expect(seen.some((text) => text.includes(namespaceId))).toBe(true)
    expect((await stat(join(fixture.home, 'master', 'secret.key'))).mode & 0o777).toBe(0o600)
    expect((await stat(join(fixture.home, 'master', 'state'))).mode & 0o777).toBe(0o700)
  })

  it('are asked for at the store first; its answer comes without the secret', async () => {
    const store = fixture.store('s3://bucket/p')
    store.failure = new SkeinError('permission_denied', `bucket says no to ${canary} and ${encodeURIComponent(canary)}`)
    const error = await fixture.service.createNamespace(definition(), call).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'permission_denied', message: 'bucket says no to [redacted] and [redacted]' })
    expect((error as Error).cause).toBeUndefined()
    expect(await fixture.service.listNamespaces({}, call)).toEqual({ namespaces: [] })
    expect(store.closed).toBe(1)
    expect(fixture.journal.entries).toEqual([])
  })

  it('a store that does not answer is named before the caller gives up on the master', async () => {
    fixture.store('s3://bucket/p').silent = true
    const creating = fixture.service.createNamespace(
      definition({ attributes: { 's3.endpoint': 'https://far.example' } }),
      call,
    )
    await expect.poll(() => fixture.clock.scheduled.get(20_000)).toBeDefined()
    fixture.clock.scheduled.get(20_000)?.()
    await expect(creating).rejects.toMatchObject({
      code: 'deadline_exceeded',
      retryable: false,
      message: 'https://far.example gave no answer within 20 s: check the endpoint and the network',
    })
    expect(await fixture.service.listNamespaces({}, call)).toEqual({ namespaces: [] })
  })

  it('a store that falls silent later is named by whoever waits for it', async () => {
    const store = await fixture.create('later', 's3://later', { 's3.endpoint': 'https://far.example' })
    store.silent = true
    const request = { path: '/later', recursive: false, pageToken: '', limit: 0 }
    const listing = fixture.service.listStatus(request, { ...call, deadlineMs: 30_000 })
    await expect.poll(() => fixture.clock.scheduled.get(28_500)).toBeDefined()
    fixture.clock.scheduled.get(28_500)?.()
    await expect(listing).rejects.toMatchObject({
      code: 'deadline_exceeded',
      retryable: false,
      message: expect.stringMatching(
        /^the store of \/later, s3:\/\/later at https:\/\/far\.example, gave no answer within 29 s: check/,
      ),
    })
    expect(fixture.clock.scheduled.size).toBe(0)
  })

  it('may be created again equally, not otherwise', async () => {
    const created = await fixture.service.createNamespace(definition(), call)
    expect(await fixture.service.createNamespace(definition(), call)).toEqual(created)
    const others = [{ uri: 's3://other' }, { attributes: {} }, { secrets: { 's3.secretAccessKey': 'x' } }]
    for (const other of others)
      await expect(fixture.service.createNamespace(definition(other), call)).rejects.toMatchObject({
        code: 'already_exists',
      })
    const both = await Promise.all(
      [1, 2].map(() => fixture.service.createNamespace(definition({ name: 'twin' }), call)),
    )
    expect(both[0]).toEqual(both[1])
  })

  it.each([
    [{ name: 'a/b' }, 'namespace name'],
    [{ uri: 'ftp://x' }, 'cosn://'],
    [{ uri: 'file://host/x' }, 'cosn://'],
    [{ uri: 's3://' }, 'cosn://'],
    [{ uri: `s3://me:${encodeURIComponent(canary)}@bucket` }, '--secret'],
    [{ attributes: { 'fs.cosn.userinfo.secretKey': canary } }, '--secret'],
    [{ attributes: { 'fs.cosn.block.size': 'big' } }, 'not a size'],
    [{ attributes: { 'fs.cosn.block.size': '0' } }, 'above 0'],
  ])('refuse %o', async (fields, says) => {
    const error = await fixture.service.createNamespace(definition(fields), call).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'invalid_argument', message: expect.stringContaining(says) })
    for (const spelling of spellings) expect(String(error)).not.toContain(spelling)
  })

  it('go with their files when they are deleted, and the store is closed', async () => {
    const store = await fixture.create()
    for (let i = 0; i < 30; i += 1) store.put(`d${i % 3}/f${i}`)
    await fixture.service.syncPage({ path: '/ns', cursor: '', limit: 0 }, call)
    const closed = store.closed
    await fixture.service.deleteNamespace({ name: 'ns' }, call)
    expect(store.closed).toBe(closed + 1)
    expect((await fixture.service.getClusterSummary({}, call)).files).toBe(0)
    await expect(fixture.service.getStatus({ path: '/ns/d1/f1' }, call)).rejects.toMatchObject({ code: 'not_found' })
    await expect(fixture.service.deleteNamespace({ name: 'ns' }, call)).rejects.toMatchObject({ code: 'not_found' })
    await fixture.create()
    expect((await fixture.service.count({ path: '/ns' }, call)).files).toBe(30)
  })
})

describe('SecretSealing', () => {
  it('opens only what was sealed for this place with this key', async () => {
    const sealing = await SecretSealing.open(join(fixture.home, 'a', 'key'))
    const sealed = sealing.seal('n1', 'field', new Secret(canary))
    expect((await SecretSealing.open(join(fixture.home, 'a', 'key'))).unseal('n1', 'field', sealed).reveal()).toBe(
      canary,
    )
    expect(() => sealing.unseal('n2', 'field', sealed)).toThrow(SkeinError)
    expect(() => sealing.unseal('n1', 'other', sealed)).toThrow(SkeinError)
    const flipped = Uint8Array.from(sealed)
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1
    expect(() => sealing.unseal('n1', 'field', flipped)).toThrow(SkeinError)
    const other = await SecretSealing.open(join(fixture.home, 'b', 'key'))
    expect(() => other.unseal('n1', 'field', sealed)).toThrow('secret.key')
    expect(sealing.seal('n1', 'field', new Secret(canary))).not.toEqual(sealed)
  })

  it('a master whose key is missing or another one does not start, and changes nothing', async () => {
    const path = join(fixture.home, 'master', 'secret.key')
    const key = await readFile(path)
    await fixture.create('plain')
    await fixture.service.createNamespace(definition(), call)
    await fixture.master.close()
    await rm(path)
    await expect(fixture.start()).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringMatching(/secret\.key is missing.*put the right file back/),
    })
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' })
    await writeFile(path, Buffer.alloc(32, 7), { mode: 0o600 })
    await expect(fixture.start()).rejects.toThrow(/secret\.key is another key/)
    await writeFile(path, key)
    await fixture.start()
    expect((await fixture.service.listNamespaces({}, call)).namespaces).toHaveLength(2)
  })

  it('refuses a key file that others may read, or that is no key', async () => {
    const path = join(fixture.home, 'loose')
    await writeFile(path, Buffer.alloc(32))
    await chmod(path, 0o644)
    await expect(SecretSealing.open(path)).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringContaining('chmod 600'),
    })
    await chmod(path, 0o600)
    await writeFile(path, 'short')
    await expect(SecretSealing.open(path)).rejects.toMatchObject({ code: 'failed_precondition' })
  })
})
