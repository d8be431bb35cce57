// Why: a namespace that is changed or deleted must not lose what is in it. How: the master's
// service over a fake store.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { NamespaceInfo, UpdateNamespaceRequest } from '../../../src/wire/generated/master.ts'
import type { FakeStore } from './support/fakes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let store: FakeStore

beforeEach(async () => {
  fixture = await MasterFixture.open()
  await fixture.service.createNamespace(
    {
      name: 'ns',
      uri: 's3://bucket',
      secrets: { 's3.accessKeyId': 'id-1', 's3.secretAccessKey': 'key-1' },
      attributes: { 's3.region': 'a', 'fs.cosn.block.size': '4' },
    },
    call,
  )
  store = fixture.store('s3://bucket')
})
afterEach(() => fixture.close())

const update = (change: Partial<UpdateNamespaceRequest>): Promise<NamespaceInfo> =>
  fixture.service.updateNamespace(
    { name: 'ns', secrets: {}, attributes: {}, removedAttributes: [], ttlAction: '', ...change },
    call,
  )
const get = (): Promise<NamespaceInfo> => fixture.service.getNamespace({ name: '/ns' }, call)

describe('an update of a namespace', () => {
  it('changes what is given, keeps the rest and the files, and lasts', async () => {
    store.put('f')
    const { fileId } = await fixture.stat('/ns/f')
    const { namespaceId } = await get()
    await update({
      secrets: { 's3.secretAccessKey': 'key-2' },
      attributes: { writePolicy: 'THROUGH', 'fs.cosn.block.size': '8' },
      removedAttributes: ['s3.region'],
    })
    await fixture.restart()
    expect(await get()).toMatchObject({
      namespaceId,
      attributes: { writePolicy: 'THROUGH', 'fs.cosn.block.size': '8' },
      secretNames: ['s3.accessKeyId', 's3.secretAccessKey'],
    })
    const access = await fixture.service.getNamespaceAccess({ namespaceId }, call)
    expect(access).toMatchObject({ version: 2, secrets: { 's3.accessKeyId': 'id-1', 's3.secretAccessKey': 'key-2' } })
    expect((await fixture.stat('/ns/f')).fileId).toBe(fileId)
    // The store is opened with the new secrets from now on.
    store.put('g')
    await fixture.stat('/ns/g')
    expect(fixture.accesses.at(-1)?.secrets['s3.secretAccessKey']?.reveal()).toBe('key-2')
  })

  it('that names another store lets nothing count as known of the old one, whatever the sync interval', async () => {
    const names = async (recursive = false): Promise<string[]> => {
      const { files } = await fixture.service.listStatus({ path: '/ns', recursive, pageToken: '', limit: 0 }, call)
      return files.map(({ key, etag }) => `${key} ${etag}`.trim())
    }
    for (const key of ['d/f', 'd/old', 'gone/f', 'top']) store.put(key, { etag: 'old' })
    await names(true)
    const { lists, stats } = store
    fixture.clock.now += 1000
    await update({ attributes: { readPolicy: 'NO_CACHE' }, secrets: { 's3.secretAccessKey': 'key-2' } })
    expect(await names(true)).toEqual(['d/', 'd/f old', 'd/old old', 'gone/', 'gone/f old', 'top old'])
    await fixture.stat('/ns/top')
    expect([store.lists, store.stats]).toEqual([lists, stats])
    store.objects.clear()
    for (const key of ['d/f', 'd/new', 'top']) store.put(key, { etag: 'new' })
    await update({ attributes: { 's3.endpoint': 'https://new.example' } })
    await fixture.restart()
    fixture.clock.now += 1000
    expect(await fixture.stat('/ns/top')).toMatchObject({ etag: 'new' })
    await expect(fixture.stat('/ns/gone')).rejects.toMatchObject({ code: 'not_found' })
    await expect(fixture.stat('/ns/d/old')).rejects.toMatchObject({ code: 'not_found' })
    expect((await fixture.service.openFile({ path: '/ns/d/f' }, call)).file?.etag).toBe('new')
    expect(await names()).toEqual(['d/', 'top new'])
    expect(await names(true)).toEqual(['d/', 'd/f new', 'd/new new', 'top new'])
    const then = [store.lists, store.stats]
    await names(true)
    await fixture.stat('/ns/d/f')
    expect([store.lists, store.stats]).toEqual(then)
  })

  it('sets, changes and ends the TTL', async () => {
    store.put('f')
    await fixture.stat('/ns/f')
    expect(await update({ ttlMs: 5000, ttlAction: 'DELETE' })).toMatchObject({ ttlMs: 5000, ttlAction: 'DELETE' })
    expect(await fixture.stat('/ns/f')).toMatchObject({ ttlMs: 5000, ttlAction: 'DELETE' })
    expect(await update({ ttlMs: 7000 })).toMatchObject({ ttlMs: 7000, ttlAction: 'DELETE' })
    expect(await update({ ttlAction: 'FREE' })).toMatchObject({ ttlMs: 7000, ttlAction: 'FREE' })
    expect(await update({ ttlMs: 0 })).toMatchObject({ ttlMs: 0 })
    expect(await fixture.stat('/ns/f')).toMatchObject({ ttlMs: -1 })
  })

  it('that is wrong changes nothing', async () => {
    const before = await get()
    await expect(update({ removedAttributes: ['nope'] })).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(update({ attributes: { a: '1' }, removedAttributes: ['a'] })).rejects.toMatchObject({
      code: 'invalid_argument',
    })
    await expect(update({ attributes: { 's3.secretAccessKey': 'x' } })).rejects.toThrow(/give it with --secret/)
    await expect(update({ attributes: { writePolicy: 'LATER' } })).rejects.toThrow(/writePolicy/)
    await expect(update({ ttlAction: 'FREE' })).rejects.toThrow(/needs a TTL/)
    await expect(update({ ttlMs: 1, ttlAction: 'BURN' })).rejects.toThrow(/BURN/)
    await expect(update({ attributes: { readOnly: 'true' }, ttlMs: 1, ttlAction: 'DELETE' })).rejects.toThrow(
      /read-only/,
    )
    await expect(update({ name: 'other' })).rejects.toMatchObject({ code: 'not_found' })
    store.failure = new Error('refused')
    await expect(update({ secrets: { 's3.secretAccessKey': 'canary' } })).rejects.toThrow(/refused/)
    store.failure = undefined
    expect(await get()).toEqual(before)
  })

  it('to read-only is refused while a TTL deletes', async () => {
    await update({ ttlMs: 5000, ttlAction: 'DELETE' })
    await expect(update({ attributes: { readOnly: 'true' } })).rejects.toThrow(/read-only/)
    await update({ attributes: { readOnly: 'true' }, ttlAction: 'FREE' })
    expect(await get()).toMatchObject({ attributes: { readOnly: 'true' }, ttlAction: 'FREE' })
  })
})

describe('a new namespace with a TTL', () => {
  const create = (
    ttl: { ttlMs?: number; ttlAction?: string },
    attributes: Record<string, string> = {},
  ): Promise<NamespaceInfo> =>
    fixture.service.createNamespace({ name: 'new', uri: 's3://new', secrets: {}, attributes, ...ttl }, call)

  it('has it for every file, from the first one on, and creating it again is the same', async () => {
    const made = await create({ ttlMs: 2000, ttlAction: 'DELETE' })
    expect(made).toMatchObject({ ttlMs: 2000, ttlAction: 'DELETE' })
    expect(await create({ ttlMs: 2000, ttlAction: 'DELETE' })).toEqual(made)
    await expect(create({ ttlMs: 3000, ttlAction: 'DELETE' })).rejects.toMatchObject({ code: 'already_exists' })
    fixture.store('s3://new').put('f')
    expect(await fixture.stat('/new/f')).toMatchObject({ ttlMs: 2000, ttlAction: 'DELETE' })
    await fixture.restart()
    fixture.clock.now += 2000
    await fixture.until(() => fixture.store('s3://new').objects.size === 0)
  })

  it('is refused where the TTL cannot be', async () => {
    await expect(create({ ttlAction: 'FREE' })).rejects.toThrow(/needs a TTL/)
    await expect(create({ ttlMs: 1, ttlAction: 'DELETE' }, { readOnly: 'true' })).rejects.toThrow(/read-only/)
    await expect(fixture.stat('/new')).rejects.toMatchObject({ code: 'not_found' })
  })
})

describe('a namespace with files that the store has not', () => {
  it('is deleted only by force, and the files are counted', async () => {
    await fixture.write('/ns/a/f', 4)
    await fixture.write('/ns/g', 4)
    store.put('h')
    await fixture.stat('/ns/h')
    await expect(fixture.service.deleteNamespace({ name: 'ns' }, call)).rejects.toThrow(
      /holds 2 files that the store has not.*--force/,
    )
    await fixture.lifecycle.persist({ path: '/ns/g' }, call)
    await expect(fixture.service.deleteNamespace({ name: 'ns', force: false }, call)).rejects.toThrow(/holds 1 file /)
    await fixture.service.deleteNamespace({ name: 'ns', force: true }, call)
    await expect(get()).rejects.toMatchObject({ code: 'not_found' })
  })

  it('goes without force once they are persisted', async () => {
    await fixture.write('/ns/a/f', 4)
    await fixture.lifecycle.persist({ path: '/ns' }, call)
    await fixture.service.deleteNamespace({ name: 'ns' }, call)
    expect([...store.objects.keys()]).toEqual(['a/f'])
  })
})

describe('the replication of a directory', () => {
  const set = (path: string, min?: number, max?: number) =>
    fixture.lifecycle.setPathReplication(
      { path, recursive: true, ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) },
      call,
    )
  const levels = async (path: string): Promise<[number, number]> => {
    const { replicationMin, replicationMax } = await fixture.stat(path)
    return [replicationMin, replicationMax]
  }

  it('is of what is below it and of what comes into it, over a restart', async () => {
    store.put('d/e/old')
    await fixture.service.listStatus({ path: '/ns', recursive: true, pageToken: '', limit: 0 }, call)
    await set('/ns/d', 2, 3)
    await fixture.restart()
    for (const key of ['d/e/new', 'd/more/new', 'aside']) store.put(key)
    expect(await levels('/ns/d/e/old')).toEqual([2, 3])
    expect(await levels('/ns/d/e/new')).toEqual([2, 3])
    expect(await levels('/ns/d/more/new')).toEqual([2, 3])
    expect(await levels('/ns/d/more')).toEqual([2, 3])
    expect(await levels('/ns/aside')).toEqual([0, -1])
    await fixture.write('/ns/d/written', 4)
    expect(await levels('/ns/d/written')).toEqual([2, 3])
  })

  it('keeps what was set on a file, also when its object changes', async () => {
    store.put('d/f')
    await fixture.stat('/ns/d/f')
    await set('/ns/d', 2)
    await fixture.lifecycle.setPathReplication({ path: '/ns/d/f', recursive: false, min: 1, max: 1 }, call)
    store.put('d/f', { etag: 'v2' })
    await fixture.lifecycle.loadMetadata({ path: '/ns', recursive: true }, call)
    expect(await levels('/ns/d/f')).toEqual([1, 1])
  })

  it('is refused whole where min and max do not fit a directory below', async () => {
    store.put('d/e/f')
    await fixture.stat('/ns/d/e/f')
    await set('/ns/d/e', 2, 3)
    await expect(set('/ns/d', undefined, 1)).rejects.toMatchObject({ code: 'invalid_argument' })
    expect(await levels('/ns/d')).toEqual([0, -1])
  })
})

describe('a sync interval that the client names', () => {
  const list = async (syncIntervalMs?: number): Promise<string[]> => {
    const interval = syncIntervalMs === undefined ? {} : { syncIntervalMs }
    const { files } = await fixture.service.listStatus(
      { path: '/ns', recursive: false, pageToken: '', limit: 0, ...interval },
      call,
    )
    return files.map(({ key }) => key)
  }

  it('decides how old what is known may be', async () => {
    store.put('a')
    expect(await list()).toEqual(['a'])
    store.put('b')
    expect(await list()).toEqual(['a'])
    fixture.clock.now += 5000
    expect(await list(60_000)).toEqual(['a'])
    expect(await list(-1)).toEqual(['a'])
    expect(await list(0)).toEqual(['a', 'b'])
    store.put('a', { length: 5, etag: 'v2' })
    expect((await fixture.stat('/ns/a')).length).toBe(10)
    expect((await fixture.service.getStatus({ path: '/ns/a', syncIntervalMs: 0 }, call)).length).toBe(5)
    expect((await fixture.service.count({ path: '/ns' }, call)).files).toBe(2)
    store.objects.clear()
    expect((await fixture.service.count({ path: '/ns' }, call)).files).toBe(2)
    expect((await fixture.service.count({ path: '/ns', syncIntervalMs: 0 }, call)).files).toBe(0)
  })
})
