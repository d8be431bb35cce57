// A store at `/`: what is in the root mount, what is a namespace's, and what namespaces hide.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { blockIdOf } from '../../../src/base/block-id.ts'
import { compareKeys } from '../../../src/meta/edge-order.ts'
import type { FakeStore } from './support/fakes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let root: FakeStore

beforeEach(async () => {
  fixture = await MasterFixture.open()
})
afterEach(() => fixture.close())

async function mountRoot(keys: readonly string[] = []): Promise<void> {
  root = await fixture.create('/', 's3://root')
  for (const key of keys) root.put(key)
}

const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (thrown: unknown) => `${(thrown as { code: string }).code}: ${(thrown as Error).message}`,
  )

async function list(path: string, request: object = {}): Promise<string[]> {
  const found: string[] = []
  let pageToken = ''
  do {
    const page = await fixture.service.listStatus({ path, recursive: false, pageToken, limit: 1000, ...request }, call)
    found.push(...page.files.map((file) => file.path + (file.folder ? '/' : '')))
    pageToken = page.nextPageToken
  } while (pageToken !== '')
  return found
}

const make = (path: string) => fixture.lifecycle.makeDirectory({ path }, call)
const move = (from: string, to: string, more: object = {}) =>
  fixture.lifecycle.rename({ from, to, waitMs: 0, ...more }, call)
const remove = (path: string) => fixture.lifecycle.delete({ path, recursive: true, cacheOnly: false, waitMs: 0 }, call)

describe('without a root mount', () => {
  test('/ is a list of namespaces, and nothing is directly below it', async () => {
    await fixture.create('ns', 's3://ns')
    expect(await fixture.stat('/')).toMatchObject({ fileId: 0, mountPoint: false, folder: true })
    expect(await list('/')).toEqual(['/ns/'])
    expect(await code(fixture.begin('/file', 4))).toMatch(/^invalid_argument: \/file cannot be written/)
    expect(await code(fixture.begin('/no/file', 4))).toMatch(/^not_found: namespace '\/no' does not exist/)
    expect(await code(make('/dir'))).toMatch(/^not_found: namespace '\/dir'/)
    expect(await code(fixture.stat('//a'))).toMatch(/^invalid_argument: '\/\/a' has an empty namespace name/)
    expect(await code(fixture.stat('/a b/c'))).toMatch(/^invalid_argument: 'a b' is not a namespace name/)
    expect(await code(move('/ns/a', '/b'))).toMatch(/^not_found/)
    const page = { path: '/', cursor: '', limit: 10 }
    expect(await code(fixture.service.syncPage(page, call))).toMatch(/^invalid_argument: name a namespace/)
    expect(await code(fixture.service.getNamespace({ name: '/' }, call))).toMatch(/^not_found: the root mount/)
  })
})

describe('a root mount', () => {
  test('has what no namespace has, in any spelling', async () => {
    await mountRoot(['top', 'dir/a', 'ns/hidden', 'ns', 'nsx/b', 'a b/c', '/odd', 'NS/d', '日/本'])
    const ns = await fixture.create('ns', 's3://ns')
    ns.put('own')
    const keyOf = async (path: string) => {
      const { key, namespaceId, path: shown } = await fixture.stat(path)
      const { name } = await fixture.service.getNamespace({ name: '', path }, call)
      return [key, shown, name, namespaceId.length]
    }
    for (const path of ['/top', '/dir/a', '/nsx/b', '/a b/c', '//odd', '/NS/d', '/日/本'])
      expect(await keyOf(path)).toEqual([path.slice(1), path, '', 36])
    expect(await keyOf('/ns/own')).toEqual(['own', '/ns/own', 'ns', 36])
    expect(await code(fixture.stat('/ns/hidden'))).toBe('not_found: /ns/hidden does not exist')
    expect(await fixture.stat('/ns')).toMatchObject({ folder: true, mountPoint: true, name: 'ns' })
    expect(await fixture.stat('/')).toMatchObject({ folder: true, mountPoint: true, name: '', path: '/' })
    expect(await list('/')).toEqual(['///', '/NS/', '/a b/', '/dir/', '/ns/', '/nsx/', '/top', '/日/'])
  })

  test('is written to, beside namespaces and never under their names', async () => {
    await mountRoot()
    await fixture.create('ns', 's3://ns')
    await fixture.write('/file', 5)
    await fixture.write('/new dir/file', 5)
    await make('/made/deep')
    expect(await list('/', { recursive: true })).toEqual([
      ...['/file', '/made/', '/made/deep/', '/new dir/', '/new dir/file', '/ns/'],
    ])
    expect(await code(fixture.begin('/ns', 5))).toMatch(/^invalid_argument: \/ns cannot be written/)
    expect(await code(fixture.begin('/', 5))).toMatch(/^invalid_argument: \/ cannot be written/)
    expect(await code(fixture.begin('/file/', 5))).toMatch(/remove the slash at the end/)
    await move('/file', '/made/moved')
    expect((await fixture.stat('/made/moved')).key).toBe('made/moved')
    await move('/made/moved', '/', { intoDirectory: true })
    expect((await fixture.stat('/moved')).key).toBe('moved')
    expect(await code(move('/moved', '/ns/moved'))).toMatch(
      /^invalid_argument: mv across namespaces .* \/moved -> \/ns\/moved/,
    )
    expect(await code(move('/ns', '/other'))).toMatch(/^invalid_argument/)
    expect(await code(move('/', '/other'))).toMatch(/^invalid_argument: \/ cannot be moved/)
    await fixture.write('/made/ns', 5)
    expect(await code(move('/made/ns', '/', { intoDirectory: true }))).toBe('already_exists: /ns exists already')
    expect(await code(remove('/'))).toMatch(/^invalid_argument/)
    expect(await code(remove('/ns'))).toMatch(/^invalid_argument/)
    await remove('/made')
    expect(await list('/')).toEqual(['/moved', '/new dir/', '/ns/'])
    expect(await code(fixture.begin('/a/../b', 1))).toMatch(/^invalid_argument/)
    expect(await code(fixture.begin('/\0', 1))).toMatch(/^invalid_argument/)
  })

  test('keeps what a namespace hides, under the same file ids, and its blocks', async () => {
    await mountRoot()
    const session = await fixture.worker('w')
    const fileId = await fixture.write('/data/a', 4)
    const kept = await fixture.stat('/data/a')
    expect(kept.cachedBytes).toBe(4)
    const created = await fixture.service.createNamespace(
      { name: 'data', uri: 's3://d', secrets: {}, attributes: {} },
      call,
    )
    expect(created.hides).toBe(true)
    fixture.store('s3://d').put('b')
    expect(await list('/', { recursive: true })).toEqual(['/data/', '/data/b'])
    await fixture.restart()
    await fixture.worker(`w-${fileId}`)
    expect(await fixture.report('w', await fixture.worker('w'), [])).toEqual([])
    expect(session).not.toBe('')
    expect(await code(fixture.stat('/data/a'))).toMatch(/^not_found/)
    await fixture.service.deleteNamespace({ name: 'data' }, call)
    expect(await fixture.stat('/data/a')).toMatchObject({ fileId, persistenceState: 'NOT_PERSISTED' })
    expect(await list('/', { recursive: true })).toEqual(['/data/', '/data/a'])
    const other = await fixture.service.createNamespace(
      { name: 'other', uri: 's3://o', secrets: {}, attributes: {} },
      call,
    )
    expect(other.hides).toBeUndefined()
  })

  test('is listed with the namespaces in the order of the keys, in pages of any size', async () => {
    await mountRoot(['a/1', 'b', 'b-x', 'b/hidden', 'b/hidden2/x', 'b0', 'c/d/e', 'zz', 'zz/last', '!', 'm/1'])
    const b = await fixture.create('b', 's3://b')
    for (const key of ['b1', 'b/2', 'c']) b.put(key)
    await fixture.create('m', 's3://m')
    ;(await fixture.create('x-y', 's3://x')).put('only')
    const flat = ['/!', '/a/', '/b-x', '/b/', '/b0', '/c/', '/m/', '/x-y/', '/zz', '/zz/']
    const all = [
      ...['/!', '/a/', '/a/1', '/b-x', '/b/', '/b/b/', '/b/b/2', '/b/b1', '/b/c', '/b0', '/c/', '/c/d/', '/c/d/e'],
      ...['/m/', '/x-y/', '/x-y/only', '/zz', '/zz/', '/zz/last'],
    ]
    for (const syncIntervalMs of [-1, 0]) {
      for (let limit = 1; limit <= all.length + 1; limit += 1) {
        const request = { limit, syncIntervalMs }
        expect(await list('/', request)).toEqual(flat)
        expect(await list('/', { ...request, recursive: true })).toEqual(all)
        for (const prefix of ['b', 'b/', 'b/b', 'z', 'c/d/', 'm/', 'no']) {
          const within = all.filter((path) => path.slice(1).startsWith(prefix))
          expect(await list('/', { ...request, recursive: true, prefix })).toEqual(within)
        }
        for (const startAfter of ['b', 'b/', 'b/c', 'b0', 'c/d', 'x-y/', '~']) {
          const behind = all.filter((path) => compareKeys(path.slice(1), startAfter) > 0)
          expect(await list('/', { ...request, recursive: true, startAfter })).toEqual(behind)
        }
      }
    }
    const { files, folders } = await fixture.service.count({ path: '/' }, call)
    expect({ files, folders }).toEqual({ files: 11, folders: 9 })
  })

  test('is asked of its store once for a listing of /, however many namespaces are among it', async () => {
    await mountRoot(Array.from({ length: 20 }, (_, index) => `k${index}`))
    for (let index = 0; index < 10; index += 1) await fixture.create(`k${index}-ns`, `s3://${index}`)
    for (const recursive of [false, true]) {
      const before = root.lists
      await list('/', { recursive, syncIntervalMs: 0 })
      expect(root.lists - before).toBe(1)
    }
  })

  test('is loaded without what namespaces hide, also one that comes while it is', async () => {
    await mountRoot(['a', 'ns/x', 'ns', 'd/1', 'd/2'])
    await fixture.create('ns', 's3://ns')
    const page = async (path: string, inRoot?: boolean) => {
      const answer = await fixture.service.syncPage(
        { path, cursor: '', limit: 100, ...(inRoot !== undefined && { inRoot }) },
        call,
      )
      return answer.files.map(({ key }) => key)
    }
    expect(await page('/')).toEqual(['a', 'd/1', 'd/2'])
    expect(await page('/d')).toEqual(['d/1', 'd/2'])
    expect(await page('/d', true)).toEqual(['d/1', 'd/2'])
    expect(await code(page('/d', false))).toMatch(/^not_found/)
    fixture.store('s3://d').put('own')
    await fixture.create('d', 's3://d')
    expect(await page('/d')).toEqual(['own'])
    expect(await page('/', true)).toEqual(['a'])
    expect(await code(page('/d', true))).toMatch(
      /^failed_precondition: \/d is not in the root mount but in the namespace \/d/,
    )
    const { namespaceId } = await fixture.service.getNamespace({ name: '/' }, call)
    expect(await code(fixture.service.refreshFile({ namespaceId, key: 'd/1' }, call))).toMatch(/^failed_precondition/)
  })

  test('what is done to / is done to all, or to the root mount alone, and hidden files are left', async () => {
    await mountRoot(['a', 'ns/x'])
    await list('/', { recursive: true })
    ;(await fixture.create('ns', 's3://ns')).put('own')
    await list('/ns', { recursive: true })
    const ids = await Promise.all(['/a', '/ns/own'].map(async (path) => (await fixture.stat(path)).fileId))
    await fixture.worker(
      'w',
      ids.map((id) => blockIdOf(id, 0)),
    )
    expect((await fixture.service.free({ path: '/', force: false }, call)).paths).toEqual(['/a', '/ns/own'])
    expect(await fixture.lifecycle.setPinned({ path: '/', pinned: true }, call)).toMatchObject({
      files: 1,
      paths: ['/a'],
    })
    root.put('a', { etag: 'v2' })
    root.put('ns/x', { etag: 'v2' })
    fixture.store('s3://ns').put('own', { etag: 'v2' })
    const checked = await fixture.lifecycle.checkConsistency({ path: '/', repair: false }, call)
    expect(checked.inconsistent).toEqual(['/a', '/ns/own'])
    await fixture.lifecycle.setTtl({ path: '/', ttlMs: 1000, action: 'FREE' }, call)
    expect((await fixture.service.getNamespace({ name: '/' }, call)).ttlMs).toBe(1000)
    expect((await fixture.service.getNamespace({ name: 'ns' }, call)).ttlMs).toBe(0)
  })

  test('is deleted by name, refused while what it has is nowhere else, hidden or not', async () => {
    await mountRoot(['stored'])
    await fixture.write('/data/a', 4)
    await fixture.create('data', 's3://d')
    expect(await code(fixture.service.deleteNamespace({ name: '' }, call))).toMatch(/^invalid_argument/)
    expect(await code(fixture.service.deleteNamespace({ name: '/' }, call))).toMatch(
      /^failed_precondition: \/ holds 1 file/,
    )
    await fixture.service.deleteNamespace({ name: '/', force: true }, call)
    expect(await list('/')).toEqual(['/data/'])
    expect(await fixture.stat('/')).toMatchObject({ mountPoint: false })
  })

  test('is read-only when it is told to be, and says which it is', async () => {
    root = await fixture.create('/', 's3://root', { readOnly: 'true' })
    root.put('a')
    expect(await code(fixture.begin('/b', 1))).toMatch(/^failed_precondition: \/ is read-only/)
    await fixture.service.updateNamespace(
      { name: '/', secrets: { accessKey: 'hush' }, attributes: {}, removedAttributes: ['readOnly'], ttlAction: '' },
      call,
    )
    await fixture.write('/b', 1)
    expect(JSON.stringify(await fixture.service.listNamespaces({}, call))).not.toContain('hush')
  })
})

describe('a root mount that is set by a key', () => {
  const wanted = { uri: 's3://root', isInHome: false }
  const uri = async () => (await fixture.service.getNamespace({ name: '/' }, call)).uri

  test('is made once, stays as it is, and is not replaced by another one', async () => {
    await fixture.master.mountRoot(wanted)
    const { namespaceId } = await fixture.service.getNamespace({ name: '/' }, call)
    await fixture.restart()
    await fixture.master.mountRoot({ ...wanted, uri: 's3://root/' })
    expect((await fixture.service.getNamespace({ name: '/' }, call)).namespaceId).toBe(namespaceId)
    const other = code(fixture.master.mountRoot({ ...wanted, uri: 's3://other' }))
    expect(await other).toMatch(
      /root\.ufs is s3:\/\/other, but the root mount is s3:\/\/root already: .*ns delete --root/,
    )
    await fixture.master.mountRoot({ uri: 'file:///h/root', isInHome: true })
    expect(await uri()).toBe('s3://root')
  })

  test('says what its store says, and refuses what is no URI', async () => {
    fixture.store('s3://root').failure = new Error('it is down')
    expect(await code(fixture.master.mountRoot(wanted))).toMatch(/root\.ufs: .*it is down/)
    expect(await code(fixture.master.mountRoot({ ...wanted, uri: 'ftp://x' }))).toMatch(
      /^invalid_argument: .*root\.ufs/,
    )
    fixture.store('file:///h/root').failure = new Error('no directory')
    await fixture.master.mountRoot({ uri: 'file:///h/root', isInHome: true })
    expect(await list('/')).toEqual([])
    expect(fixture.logs.join('')).toContain('there is no root mount')
  })

  test('in a home goes where the home goes, with the files that are only cached', async () => {
    await fixture.master.mountRoot({ uri: 'file:///old/r', isInHome: true })
    fixture.store('file:///old/r').put('a')
    const fileId = await fixture.write('/only', 4)
    await list('/')
    await fixture.restart()
    fixture.store('file:///new/r').put('a', { etag: 'v2' })
    await fixture.master.mountRoot({ uri: 'file:///new/r', isInHome: true })
    expect(await uri()).toBe('file:///new/r')
    expect(await fixture.stat('/a')).toMatchObject({ etag: 'v2', ufsPath: 'file:///new/r/a' })
    expect((await fixture.stat('/only')).fileId).toBe(fileId)
  })
})
