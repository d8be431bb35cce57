import { array, assert, asyncProperty, boolean, constantFrom, integer, option, stringMatching, tuple } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareKeys } from '../../../../src/meta/edge-order.ts'
import { placeOfToken, tokenOf, type ListPlace } from '../../../../src/gateway/s3/listing/continuation-token.ts'
import { listObjects, type ObjectPage } from '../../../../src/gateway/s3/listing/list-objects.ts'
import { encodedKey, listQuery } from '../../../../src/gateway/s3/listing/list-query.ts'
import { countOf } from '../../../../src/gateway/s3/request/query-fields.ts'
import { QueryFields } from '../../../../src/gateway/s3/request/query-fields.ts'
import { MemoryFileSystem } from '../../../support/memory-file-system.ts'
import { codeOf } from './support/signed.ts'

const { signal } = new AbortController()

/** Keys that end in `/` are directories that a user made. */
async function bucketWith(keys: readonly string[]): Promise<MemoryFileSystem> {
  const fileSystem = new MemoryFileSystem({ nowMs: () => 1000 }, ['b'])
  for (const key of keys.filter((one) => one.endsWith('/'))) await fileSystem.makeDirectory(`/b/${key}`)
  for (const key of keys.filter((one) => !one.endsWith('/')))
    fileSystem.plant(`/b/${key}`, { bytes: Buffer.alloc(1), etag: 'e' })
  return fileSystem
}

interface Listed {
  readonly prefix?: string
  readonly delimiter?: string
  readonly place?: ListPlace | undefined
}

function list(fileSystem: MemoryFileSystem, listed: Listed, maxKeys = 1000): Promise<ObjectPage> {
  const { prefix = '', delimiter = '', place } = listed
  return listObjects(fileSystem, { bucket: 'b', prefix, delimiter, place, signal }, maxKeys)
}

const names = ({ items }: ObjectPage): string[] =>
  items.map((item) => ('prefix' in item ? `${item.prefix}*` : item.key))

/** A listing as S3 defines it, from all keys. */
function expected(keys: readonly string[], { prefix = '', delimiter = '', place }: Listed): string[] {
  const found = new Set<string>()
  for (const key of [...new Set(keys)].toSorted(compareKeys)) {
    if (!key.startsWith(prefix)) continue
    const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    const common = end < 0 ? undefined : key.slice(0, end + delimiter.length)
    if (place !== undefined && compareKeys(key, place.after) <= 0) continue
    if (place?.isPrefix === true && common === place.after) continue
    found.add(common === undefined ? key : `${common}*`)
  }
  return [...found]
}

describe('listings', () => {
  it('with the delimiter / are the entries of a directory', async () => {
    const keys = ['a', 'a-b', 'a/', 'a/x', 'a/y/z', 'ab', 'b/c', '\u{10000}', '\u{ff5e}']
    const fileSystem = await bucketWith(keys)
    const byDirectory = { delimiter: '/' }
    expect(names(await list(fileSystem, byDirectory))).toEqual([
      'a',
      'a-b',
      'a/*',
      'ab',
      'b/*',
      '\u{ff5e}',
      '\u{10000}',
    ])
    expect(names(await list(fileSystem, { ...byDirectory, prefix: 'a/' }))).toEqual(['a/', 'a/x', 'a/y/*'])
    expect(names(await list(fileSystem, { ...byDirectory, prefix: 'a' }))).toEqual(['a', 'a-b', 'a/*', 'ab'])
    expect(names(await list(fileSystem, { ...byDirectory, prefix: 'c/' }))).toEqual([])
    expect(names(await list(fileSystem, { ...byDirectory, prefix: 'a/../b' }))).toEqual([])
    expect(names(await list(fileSystem, { ...byDirectory, prefix: 'x'.repeat(2000) }))).toEqual([])
    expect(names(await list(fileSystem, {}))).toEqual(keys.toSorted(compareKeys))
  })

  it('of a bucket that does not exist fail, of an empty one do not', async () => {
    const fileSystem = await bucketWith([])
    expect(names(await list(fileSystem, { prefix: 'a/' }))).toEqual([])
    fileSystem.removeNamespace('b')
    for (const prefix of ['', 'a/'])
      await expect(list(fileSystem, { prefix })).rejects.toMatchObject({ code: 'not_found' })
  })

  it('show an object `dir/` with bytes once, and it is behind its own key', async () => {
    const fileSystem = await bucketWith(['a/x'])
    fileSystem.plant('/b/a/', { bytes: Buffer.alloc(3), etag: 'e' })
    for (const delimiter of ['', '/', 'x']) {
      expect(names(await list(fileSystem, { prefix: 'a/', delimiter }))[0]).toBe('a/')
      const place = { after: 'a/', isPrefix: false }
      expect(names(await list(fileSystem, { prefix: 'a/', delimiter, place }))).toHaveLength(1)
    }
  })

  it('are those of S3 for any keys, prefix, delimiter and place, also page by page', async () => {
    const text = stringMatching(/^[ab/\-\u{ff5e}\u{1f600}]{0,5}$/u)
    const key = stringMatching(/^[ab\-\u{1f600}]{1,3}(?:\/{1,2}[ab\u{ff5e}]{1,2}){0,3}\/?$/u)
    const place = option(tuple(text, boolean()), { nil: undefined })
    await assert(
      asyncProperty(
        array(key, { maxLength: 15 }),
        text,
        constantFrom('', '/', 'a', 'b/', '-'),
        place,
        integer({ min: 1, max: 4 }),
        async (keys, prefix, delimiter, from, maxKeys) => {
          const fileSystem = await bucketWith(keys)
          const ends = from !== undefined && delimiter !== '' && from[0].endsWith(delimiter)
          const start = from === undefined || from[0] === '' ? undefined : { after: from[0], isPrefix: from[1] && ends }
          const listed = { prefix, delimiter, place: start }
          const wanted = expected(keys, listed)
          expect(names(await list(fileSystem, listed))).toEqual(wanted)
          const paged: string[] = []
          for (let next: ListPlace | undefined = start, goesOn = true; goesOn;) {
            const page = await list(fileSystem, { ...listed, place: next }, maxKeys)
            expect(page.items.length).toBeLessThanOrEqual(maxKeys)
            paged.push(...names(page))
            goesOn = page.next !== undefined
            next = page.next
          }
          expect(paged).toEqual(wanted)
        },
      ),
      { numRuns: 400 },
    )
  })

  it('jump over what a common prefix stands for', async () => {
    const fileSystem = await bucketWith([
      ...Array.from({ length: 3000 }, (_, index) => `a-${String(index).padStart(4, '0')}`),
      'b',
    ])
    let entries = 0
    const counted: Pick<MemoryFileSystem, 'list'> = {
      list: async function* (path, options) {
        for await (const page of MemoryFileSystem.prototype.list.call(fileSystem, path, options)) {
          entries += page.length
          yield page
        }
      },
    }
    const range = { bucket: 'b', prefix: '', delimiter: '-', place: undefined, signal }
    const page = await listObjects(
      { ...counted, stat: (path: string) => fileSystem.stat(path) } as MemoryFileSystem,
      range,
      10,
    )
    expect(names(page)).toEqual(['a-*', 'b'])
    expect(entries).toBeLessThan(100)
  })
})

describe('fields of a listing', () => {
  it('are parsed once', () => {
    expect(listQuery(new QueryFields('prefix=a%2Fb+c&delimiter=%2F&max-keys=5&encoding-type=url'))).toEqual({
      ...{ prefix: 'a/b c', delimiter: '/', maxKeys: 5, isEncoded: true },
    })
    expect(listQuery(new QueryFields(''))).toEqual({ prefix: '', delimiter: '', maxKeys: 1000, isEncoded: false })
    for (const text of ['max-keys=-1', 'max-keys=x', 'max-keys=3000000000', 'encoding-type=b', 'prefix=a%00'])
      expect(codeOf(() => listQuery(new QueryFields(text)))).toBe('InvalidArgument')
    expect(countOf('5000', 'max-keys')).toBe(1000)
    expect(encodedKey('quux ab/th+ud(\u00e9)~')).toBe('quux%20ab/th%2Bud%28%C3%A9%29~')
  })

  it('a token leads back to its place, in its own listing only', () => {
    const listing = ['b', 'a/', '/']
    for (const place of [
      { after: 'a/\u{1f600}', isPrefix: true },
      { after: '', isPrefix: false },
    ])
      expect(placeOfToken(tokenOf(place, listing), listing)).toEqual(place)
    const token = tokenOf({ after: 'a/x', isPrefix: false }, listing)
    expect(codeOf(() => placeOfToken(token, ['b', 'a/', '']))).toBe('InvalidArgument')
    for (const text of ['', 'abc', `${token}AAAA`, 'x'.repeat(10_000)])
      expect(codeOf(() => placeOfToken(text, listing))).toBe('InvalidArgument')
  })
})
