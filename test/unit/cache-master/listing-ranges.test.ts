// Listings of the master with a prefix and a start: what all entries, filtered and sorted, would
// be, and no more of the store than is shown.
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FileInfo, ListStatusRequest } from '../../../src/wire/generated/master.ts'
import type { FakeStore } from './support/fakes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let store: FakeStore

beforeEach(async () => {
  fixture = await MasterFixture.open()
  store = await fixture.create()
})
afterEach(() => fixture.close())

type Listing = Pick<ListStatusRequest, 'path'> & Partial<ListStatusRequest>

async function list(listing: Listing): Promise<FileInfo[]> {
  const files: FileInfo[] = []
  let pageToken = ''
  do {
    const page = await fixture.service.listStatus({ recursive: false, limit: 0, ...listing, pageToken }, call)
    if (listing.limit !== undefined) expect(page.files.length).toBeLessThanOrEqual(listing.limit)
    files.push(...page.files)
    pageToken = page.nextPageToken
  } while (pageToken !== '')
  return files
}

/** The path below the directory, with a `/` at the end of directories. */
function below(directory: string, { path, folder }: FileInfo): string {
  const text = path.slice(directory === '/' ? 1 : directory.length + 1)
  return folder && !text.endsWith('//') && text !== '/' ? `${text}/` : text
}
const compare = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

describe('a listing with a prefix and a start', () => {
  it('is the whole listing, filtered, in pages of any size, also of the root', async () => {
    await fixture.create('ns-2', 's3://bucket-2').then((other) => other.put('x/y'))
    await fixture.create('n', 's3://bucket-3').then((other) => other.put('file'))
    const keys = ['a', 'a/', 'a/b', 'a/b/c', 'a/b0', 'a-', 'a0', 'd//x', '/y', 'é/ü', '\uFFFD', '\u{1F600}', ' ', '%2F']
    for (const key of keys) store.put(key)
    store.put('marked/', { length: 0 })
    const whole = new Map<string, FileInfo[]>()
    for (const path of ['/', '/ns', '/ns/a/', '/ns/d'])
      for (const recursive of [true, false]) whole.set(`${path} ${recursive}`, await list({ path, recursive }))
    const names = (whole.get('/ true') ?? []).flatMap((file) => [below('/', file), below('/ns', file)])
    const part = fc.oneof(
      fc.constantFrom(...names),
      fc.tuple(fc.constantFrom(...names), fc.nat(8)).map(([name, end]) => Array.from(name).slice(0, end).join('')),
      fc.tuple(fc.constantFrom(...names), fc.constantFrom('\0', '!', '~', '/')).map(([name, end]) => name + end),
      fc.constantFrom('zz', '.', '..', 'a/../b', '\u0001'),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('/', '/ns', '/ns/a/', '/ns/d'),
        fc.boolean(),
        fc.option(part, { nil: undefined }),
        fc.option(part, { nil: undefined }),
        fc.integer({ min: 1, max: 4 }),
        async (path, recursive, prefix, startAfter, limit) => {
          const directory = path.replace(/(.)\/$/, '$1')
          const expected = (whole.get(`${path} ${recursive}`) ?? [])
            .filter((file) => below(directory, file).startsWith(prefix ?? ''))
            .filter((file) => (startAfter ?? '') === '' || compare(below(directory, file), startAfter ?? '') > 0)
          const found = await list({
            ...{ path, recursive, limit },
            ...(prefix !== undefined && { prefix }),
            ...(startAfter !== undefined && { startAfter }),
          })
          expect(found).toEqual(expected)
          const paths = found.map((file) => below(directory, file))
          expect(paths).toEqual(paths.toSorted(compare))
        },
      ),
      { numRuns: 500 },
    )
  })

  it('lists at the store only below the deepest directory that the prefix names', async () => {
    for (const key of ['big/1', 'big/2', 'small/a/x', 'small/a/y', 'small/b']) store.put(key)
    const asked: string[] = []
    const answer = store.list.bind(store)
    store.list = (request, signal) => {
      asked.push(request.prefix)
      return answer(request, signal)
    }
    const paths = async (prefix: string): Promise<string[]> =>
      (await list({ path: '/ns', recursive: true, prefix })).map(({ path }) => path)
    expect(await paths('small/a/x')).toEqual(['/ns/small/a/x'])
    expect(await paths('small/none/x')).toEqual([])
    expect(await paths('small/../b')).toEqual([])
    expect(asked.filter((prefix) => !prefix.startsWith('small/'))).toEqual([])
    expect(await paths('small/')).toEqual(['/ns/small', '/ns/small/a', '/ns/small/a/x', '/ns/small/a/y', '/ns/small/b'])
  })

  it('says which directories are there by themselves', async () => {
    store.put('marked/', { length: 0 })
    store.put('implied/file')
    await fixture.lifecycle.makeDirectory({ path: '/ns/made/deep' }, call)
    const explicit = async (path: string): Promise<Record<string, boolean | undefined>> =>
      Object.fromEntries((await list({ path, recursive: true })).map((file) => [file.path, file.explicit]))
    expect(await explicit('/ns')).toEqual({
      '/ns/implied': false,
      '/ns/implied/file': undefined,
      '/ns/made': true,
      '/ns/made/deep': true,
      '/ns/marked': true,
    })
    expect((await fixture.service.getStatus({ path: '/ns' }, call)).explicit).toBe(true)
    expect((await fixture.service.getStatus({ path: '/' }, call)).explicit).toBe(true)
  })

  it('has no more entries on a page than asked for where a path names a file and a directory', async () => {
    store.put('a')
    store.put('a/b')
    await list({ path: '/ns' })
    expect((await list({ path: '/ns/a', limit: 1 })).map(({ path }) => path)).toEqual(['/ns/a', '/ns/a/b'])
    expect((await list({ path: '/ns/a', limit: 1, prefix: 'c' })).map(({ path }) => path)).toEqual(['/ns/a'])
  })

  it('does not show what doors keep, except to those who list it', async () => {
    for (const key of ['.skein-not', '.a', 'b']) store.put(key)
    await fixture.write('/ns/.skein/uploads/1', 2)
    const paths = async (listing: Listing): Promise<string[]> => (await list(listing)).map(({ path }) => path)
    const shown = ['/ns/.a', '/ns/.skein-not', '/ns/b']
    for (const recursive of [true, false])
      for (const limit of [1, 2, 10]) expect(await paths({ path: '/ns', recursive, limit })).toEqual(shown)
    expect(await paths({ path: '/', recursive: true, limit: 1 })).toEqual(['/ns', ...shown])
    expect(await paths({ path: '/ns', recursive: true, prefix: '.skein' })).toEqual(['/ns/.skein-not'])
    expect(await paths({ path: '/ns/.skein', recursive: true })).toEqual(['/ns/.skein/uploads', '/ns/.skein/uploads/1'])
  })

  it('refuses texts that can be in no key', async () => {
    for (const odd of [{ prefix: 'x'.repeat(1025) }, { startAfter: '\uD800' }])
      await expect(list({ path: '/ns', ...odd })).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})
