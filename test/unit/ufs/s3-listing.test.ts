import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { compareKeys } from '../../../src/ufs/key-order.ts'
import type { ListPage, ListRequest, UnderFileSystem } from '../../../src/ufs/under-file-system.ts'
import { openS3, plainDefaults, testCredential } from '../../support/origin/stores.ts'
import {
  type ListedEntry,
  type ListedPage,
  listingOf,
  type ScriptedStore,
  startScriptedStore,
} from '../../support/scripted-store.ts'

const signal = new AbortController().signal
let origin: ScriptedStore
let store: UnderFileSystem

beforeEach(async () => {
  origin = await startScriptedStore(() => listingOf({}))
  store = await openS3(origin.url, 's3://data', testCredential, plainDefaults)
})
afterEach(async () => {
  await store.close()
  await origin.close()
})

async function listAll(
  request: Partial<ListRequest> = {},
): Promise<{ keys: string[]; prefixes: string[]; pages: ListPage[] }> {
  const found = { keys: [] as string[], prefixes: [] as string[], pages: [] as ListPage[] }
  let after = request.after
  do {
    const page = await store.list({ prefix: '', delimiter: undefined, limit: 1000, ...request, after }, signal)
    found.keys.push(...page.objects.map(({ key }) => key))
    found.prefixes.push(...page.prefixes)
    found.pages.push(page)
    after = page.next
  } while (after !== undefined)
  return found
}

/** Pages by the continuation token: `p1` names the second page. */
const paged = (pages: readonly ListedPage[]): void =>
  origin.answer(({ query }) => {
    const at = Number((query.get('continuation-token') ?? 'p0').slice(1))
    return listingOf(pages[at] ?? {})
  })

/** Honest: in the order of the keys, behind `start-after`, three a page. */
const honest = (keys: readonly string[], page: (more: ListedPage) => ListedPage = (same) => same): void =>
  origin.answer(({ query }) => {
    const after = query.get('start-after') ?? query.get('continuation-token') ?? ''
    const rest = keys.filter((key) => compareKeys(key, after) > 0)
    const entries = rest.slice(0, 3)
    const isTruncated = rest.length > 3
    return listingOf(page({ entries, truncated: isTruncated, ...(isTruncated && { token: entries[2] ?? '' }) }))
  })

const order = { code: 'failed_precondition', reason: 'listing_order', retryable: false }
const stuck = { code: 'failed_precondition', reason: 'listing_stuck', retryable: false }
const odd = { code: 'failed_precondition', reason: 'answer_not_understood', retryable: false }

describe('the order of a listing', () => {
  it('is checked from page to page: a listing in the order of directories is refused by name', async () => {
    paged([{ entries: ['d/m', 'd/z'], truncated: true, token: 'p1' }, { entries: ['d/a/1', 'd/b/2'] }])
    await expect(listAll()).rejects.toMatchObject({
      ...order,
      message: expect.stringContaining('not in the order of the keys: "d/a/1" comes after "d/z"'),
    })
    expect(origin.requests.length).toBeLessThan(6)
  })

  it('is checked within a page', async () => {
    paged([{ entries: ['a', 'c', 'b'] }])
    await expect(listAll()).rejects.toMatchObject({ ...order, message: expect.stringContaining('"b" comes after "c"') })
  })

  it('is checked for folded prefixes', async () => {
    paged([{ prefixes: ['b/', 'a/'] }])
    await expect(listAll({ delimiter: '/' })).rejects.toMatchObject(order)
    paged([{ entries: ['x'], prefixes: ['b/'], truncated: true, token: 'p1' }, { prefixes: ['a/'] }])
    await expect(listAll({ delimiter: '/' })).rejects.toMatchObject(order)
  })

  it('is that of the UTF-8 bytes, not that of UTF-16 units', async () => {
    paged([{ entries: ['\uff5e', '\u{1f9f6}'] }])
    expect((await listAll()).keys).toEqual(['\uff5e', '\u{1f9f6}'])
    paged([{ entries: ['\u{1f9f6}', '\uff5e'] }])
    await expect(listAll()).rejects.toMatchObject(order)
  })

  it('may begin with the last key again, and may say an object twice, but not in two versions', async () => {
    paged([{ entries: ['a', 'b', 'b'], truncated: true, token: 'p1' }, { entries: ['b', 'c'] }])
    expect((await listAll()).keys).toEqual(['a', 'b', 'c'])
    paged([{ entries: ['a', { key: 'a', size: 11 }] }])
    await expect(listAll()).rejects.toMatchObject({ ...order, message: expect.stringContaining('"a" is listed twice') })
  })

  it.each([
    ['in another version', [{ key: 'b', size: 11 }, 'c']],
    ['without a version', [{ key: 'b', etag: undefined }, 'c']],
    ['on a page of its own', [{ key: 'b', size: 11 }]],
  ])('may not begin with the last key %s: two names may be one', async (_name, entries) => {
    const twice = { ...order, message: expect.stringContaining('"b" is listed twice') }
    paged([{ entries: ['a', 'b'], truncated: true, token: 'p1' }, { entries }])
    await expect(listAll()).rejects.toMatchObject(twice)
    // The version is known after a page without entries too.
    paged([
      { entries: ['a', 'b'], truncated: true, token: 'p1' },
      { entries: [], truncated: true, token: 'p2' },
      { entries },
    ])
    await expect(listAll()).rejects.toMatchObject(twice)
  })

  it('goes on by the key where the store has forgotten its token and begins again', async () => {
    const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
    honest(keys, (page) => ({ ...page, ...(page.token !== undefined && { token: ' ' }) }))
    expect((await listAll()).keys).toEqual(keys)
  })
})

describe('a listing that does not advance', () => {
  it.each([
    ['the same page under one token', { entries: ['a', 'b'], truncated: true, token: 't' }],
    ['the same page without a token', { entries: ['a', 'b'], truncated: true }],
    ['no key, and the same token', { truncated: true, token: 't' }],
    ['no key, and no token', { truncated: true }],
    ['folded prefixes', { prefixes: ['a/'], truncated: true, token: 't' }],
  ] as const)('ends by itself: %s', async (_name, page) => {
    origin.answer(() => listingOf(page))
    await expect(listAll({ delimiter: 'prefixes' in page ? '/' : undefined })).rejects.toMatchObject({
      ...stuck,
      message: expect.stringContaining('the listing does not advance'),
    })
    expect(origin.requests.length).toBeLessThan(20)
  })

  it('ends by itself when every page is empty and has another token', async () => {
    origin.answer(() => listingOf({ truncated: true, token: `t${origin.requests.length}` }))
    await expect(listAll()).rejects.toMatchObject(stuck)
    expect(origin.requests.length).toBeLessThan(20)
  })

  it('goes through pages that are empty and say that there is more', async () => {
    paged([
      { entries: ['a'], truncated: true, token: 'p1' },
      { truncated: true, token: 'p2' },
      { truncated: true, token: 'p3' },
      { entries: ['b'] },
    ])
    expect((await listAll()).keys).toEqual(['a', 'b'])
  })

  it('is told apart from one that only ignores the token', async () => {
    const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
    origin.answer(({ query }) => {
      const rest = keys.filter((key) => key > (query.get('start-after') ?? ''))
      return listingOf({ entries: rest.slice(0, 2), truncated: rest.length > 2, token: 'always' })
    })
    expect((await listAll()).keys).toEqual(keys)
  })

  it('is refused where the store goes on by another order, and its tokens are lost', async () => {
    // Each page ascends, and so do the last key of one and the first key that is greater.
    const keys = ['d', 'n', 'a', 'b', 'z']
    origin.answer(({ query }) => {
      const after = query.get('start-after') ?? ''
      const from = keys.findIndex((key) => key > after)
      const rest = keys.slice(from).filter((key) => key.startsWith(query.get('prefix') ?? ''))
      return listingOf({ entries: rest.slice(0, 2), truncated: rest.length > 2, token: 'lost' })
    })
    await expect(listAll()).rejects.toMatchObject({ code: 'failed_precondition', reason: 'listing_order' })
    origin.answer(({ query }) => {
      const after = query.get('start-after') ?? ''
      const isFirst = after === ''
      const asked = query.get('prefix') ?? ''
      if (asked !== '') return listingOf({ entries: [asked], truncated: false })
      return listingOf({ entries: isFirst ? ['d', 'n'] : ['z'], truncated: isFirst })
    })
    await expect(listAll()).rejects.toMatchObject({
      reason: 'listing_stuck',
      message: expect.stringContaining('the store starts at "z", and still has "n"'),
    })
  })

  it('goes on where the last key was deleted meanwhile, and counts no key twice', async () => {
    const keys = ['a', 'b', 'c\u{10ffff}', 'd\u0001', 'e\ue000', 'f']
    let there: readonly string[] = keys
    origin.answer(({ query }) => {
      const after = query.get('start-after') ?? ''
      if (after === 'a\u{10fffd}') there = there.filter((key) => key !== 'b')
      const rest = there
        .filter((key) => compareKeys(key, after) > 0)
        .filter((key) => key.startsWith(query.get('prefix') ?? ''))
      const size = Number(query.get('max-keys'))
      return listingOf({ entries: rest.slice(0, size), truncated: rest.length > size })
    })
    expect((await listAll({ limit: 1 })).keys).toEqual(keys)
    expect(there).not.toContain('b')
    expect((await listAll({ limit: 2 })).keys).toEqual(there)
  })

  it('goes on by the marker at a store that knows the first version only', async () => {
    const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
    origin.answer(({ query }) => {
      const marker = query.get('marker') ?? ''
      const rest = keys.filter((key) => key > marker)
      const more = `<Marker>${marker}</Marker>${rest.length > 3 ? `<NextMarker>${rest[2] ?? ''}</NextMarker>` : ''}`
      return listingOf({ entries: rest.slice(0, 3), truncated: rest.length > 3, more })
    })
    expect((await listAll()).keys).toEqual(keys)
  })

  it('steps over a folded prefix by its key', async () => {
    const keys = ['a/1', 'a/2', 'b/1', 'c']
    origin.answer(({ query }) => {
      const rest = keys.filter((key) => key > (query.get('start-after') ?? ''))
      const folded = [...new Set(rest.map((key) => key.replace(/\/.*/, '/')))]
      const [first = ''] = folded
      return first.endsWith('/')
        ? listingOf({ prefixes: [first], truncated: folded.length > 1 })
        : listingOf({ entries: [first], truncated: folded.length > 1 })
    })
    expect(await listAll({ delimiter: '/', limit: 1 })).toMatchObject({ keys: ['c'], prefixes: ['a/', 'b/'] })
  })
})

describe('the end of a listing', () => {
  it('is no end where the first page is empty, and a token says that there is more', async () => {
    paged([{ truncated: false, token: 'p1' }, { entries: ['a', 'b'] }])
    expect((await listAll()).keys).toEqual(['a', 'b'])
    // Of a store that sends a token with every page.
    paged([
      { truncated: false, token: 'p1' },
      { truncated: false, token: 'p1' },
    ])
    expect((await listAll()).keys).toEqual([])
    expect(origin.requests.length).toBeLessThan(7)
  })

  it('is no end where a token says that there is more', async () => {
    const keys = ['a', 'b', 'c', 'd', 'e']
    honest(keys, (page) => ({ ...page, truncated: false }))
    expect((await listAll()).keys).toEqual(keys)
  })

  it('is found behind the last key where IsTruncated is missing', async () => {
    const keys = ['a', 'b', 'c', 'd', 'e']
    honest(keys, ({ entries = [] }) => ({ entries, truncated: undefined }))
    expect((await listAll()).keys).toEqual(keys)
  })

  it('is asked for by the key where there is more and no token', async () => {
    const keys = ['a', 'b', 'c', 'd', 'e']
    honest(keys, ({ entries = [], truncated }) => ({ entries, truncated }))
    expect((await listAll()).keys).toEqual(keys)
  })

  it('is refused where IsTruncated is no answer', async () => {
    origin.answer(() => listingOf({ entries: ['a'], truncated: 'maybe' }))
    await expect(listAll()).rejects.toMatchObject({
      ...odd,
      message: expect.stringContaining('IsTruncated is "maybe": expected true or false'),
    })
  })
})

describe('a page of a listing', () => {
  it('is cut where it is longer than was asked for', async () => {
    const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
    honest(keys)
    const { pages, keys: found } = await listAll({ limit: 2 })
    expect(found).toEqual(keys)
    expect(Math.max(...pages.map(({ objects }) => objects.length))).toBe(2)
  })

  it.each([
    ['a key that is missing', { entries: [{ size: 1 }] }, 'Key is missing'],
    ['a key that is empty', { entries: [''] }, 'Key is ""'],
    ['a key of another prefix', { entries: ['b/x'] }, 'Key is "b/x": expected a key that begins with "a/"'],
    ['prefixes that nobody asked for', { entries: ['a/x'], prefixes: ['a/d/'] }, 'CommonPrefixes is "a/d/"'],
    ['another Prefix', { entries: ['a/x'], more: '<Prefix>b/</Prefix>' }, 'Prefix is "b/": expected "a/"'],
    ['another Delimiter', { entries: ['a/x'], more: '<Delimiter>/</Delimiter>' }, 'Delimiter is "/"'],
    [
      'an unknown encoding',
      { entries: ['a/x'], more: '<EncodingType>base64</EncodingType>' },
      'EncodingType is "base64"',
    ],
    ['fewer entries than it says', { entries: ['a/x'], more: '<KeyCount>2</KeyCount>' }, 'KeyCount is "2"'],
    ['a time that is none', { entries: [{ key: 'a/x', modified: 'soon' }] }, 'LastModified of "a/x" is "soon"'],
  ] as const)('is refused with %s', async (_name, page, message) => {
    origin.answer(() => listingOf(page))
    await expect(listAll({ prefix: 'a/' })).rejects.toMatchObject({ ...odd, message: expect.stringContaining(message) })
    expect(origin.requests.length).toBe(1)
  })

  it.each([
    ['none', { prefixes: [''] }],
    ['not below what was asked for', { prefixes: ['b/d/'] }],
    ['not to the next /', { prefixes: ['a/d/e/'] }],
    ['without its /', { prefixes: ['a/d'] }],
  ] as const)('is refused where a folded prefix is %s', async (_name, page) => {
    origin.answer(() => listingOf(page))
    await expect(listAll({ prefix: 'a/', delimiter: '/' })).rejects.toMatchObject({
      ...odd,
      message: expect.stringContaining('CommonPrefixes'),
    })
  })

  const encoded = '<EncodingType>url</EncodingType>'
  it.each([
    ['a slash', ['b/c%2Fd'], '"/"'],
    ['a blank', ['a%20b', 'a+c'], '" "'],
    ['a blank that is not encoded', ['a b', 'a%20c'], '" "'],
    ['a letter', ['%41'], '"A"'],
    ['letters that are not ASCII', ['%C3%A9', 'ï'], 'a non-ASCII character'],
    ['hex digits', ['b/c%2Fd', 'b/c%2fd'], '"/"'],
  ])('is refused where it says that it is encoded, and writes %s in two ways', async (_name, keys, character) => {
    origin.answer(() => listingOf({ entries: keys, more: encoded }))
    await expect(listAll()).rejects.toMatchObject({ ...odd, message: expect.stringContaining(character) })
    // From page to page, too.
    paged(keys.map((key, at) => ({ entries: [key], more: encoded, truncated: at < 1, token: `p${at + 1}` })))
    await expect(listAll()).rejects.toMatchObject({ reason: odd.reason })
    // And then begins anew: the store may have been mended.
    origin.answer(() => listingOf({ entries: ['a%20b', 'b%2Fc'], more: encoded }))
    expect((await listAll()).keys).toEqual(['a b', 'b/c'])
  })

  it('may write keys and folded prefixes in two ways', async () => {
    origin.answer(() => listingOf({ entries: ['a%2Fb'], prefixes: ['a/c/'], more: encoded }))
    expect(await listAll({ prefix: 'a/', delimiter: '/' })).toMatchObject({ keys: ['a/b'], prefixes: ['a/c/'] })
  })

  it.each([
    ['without a version', { etag: undefined }],
    ['of another time', { modified: '2023-04-20T17:31:00Z' }],
  ])('is refused where a key is there twice %s: two names may be one', async (_name, other) => {
    origin.answer(() =>
      listingOf({
        entries: [
          { key: 'a', ...other },
          { key: 'a', ...('etag' in other ? other : {}) },
        ],
      }),
    )
    await expect(listAll()).rejects.toMatchObject({ ...order, message: expect.stringContaining('"a" is listed twice') })
  })

  it('is folded here where the store does not know the delimiter', async () => {
    origin.answer(() => listingOf({ entries: ['a/b/1', 'a/b/2', 'a/c', 'a/d/1'] }))
    expect(await listAll({ prefix: 'a/', delimiter: '/' })).toMatchObject({ keys: ['a/c'], prefixes: ['a/b/', 'a/d/'] })
  })

  it('may echo the request encoded, and under another bucket name', async () => {
    const more = '<Name>alias</Name><Prefix>a%2F</Prefix><Delimiter>%2F</Delimiter><EncodingType>url</EncodingType>'
    origin.answer(() => listingOf({ entries: ['a/x%20y'], more }))
    expect((await listAll({ prefix: 'a/', delimiter: '/' })).keys).toEqual(['a/x y'])
  })

  it.each(['Thu, 20 Apr 2023 15:31:00 GMT', '2023-04-20T15:31:00', '2023-04-20T17:31:00.000+02:00'])(
    'understands the time %s',
    async (modified) => {
      origin.answer(() => listingOf({ entries: [{ key: 'a', modified }] }))
      expect((await listAll()).pages[0]?.objects[0]?.modifiedMs).toBe(Date.UTC(2023, 3, 20, 15, 31))
    },
  )

  it('names a key that is not UTF-8, and goes on', async () => {
    const more = '<EncodingType>url</EncodingType>'
    origin.answer(() => listingOf({ entries: ['cafe', 'caf%E9', 'caff'], more }))
    const { objects = [] } = (await listAll()).pages[0] ?? {}
    expect(objects.map(({ key, problem }) => [key, problem])).toEqual([
      ['caf%E9', expect.stringContaining('not UTF-8')],
      ['cafe', undefined],
      ['caff', undefined],
    ])
  })

  const entries: readonly (readonly [string, ListedEntry, string | undefined])[] = [
    ['a negative Size', { size: '-1' }, 'Size is "-1": expected a whole number of bytes'],
    ['a huge Size', { size: '99999999999999999999' }, 'Size is "99999999999999999999"'],
    ['a broken Size', { size: '1.5' }, 'Size is "1.5"'],
    ['no Size', { size: undefined }, 'Size is missing'],
    ['a Size of 0', { size: 0 }, 'listed with size 0'],
    ['a name of a directory with bytes', { key: 'd/', size: 7 }, 'it has the name of a directory and a size above 0'],
    ['no ETag', { etag: undefined }, 'ETag is missing'],
    ['an ETag that no header can carry', { etag: '"a\nb"' }, 'ETag is'],
    ['a Size with blanks', { size: ' 10 ' }, undefined],
    ['a directory marker of no bytes', { key: 'd/', size: 0, etag: '"d41d8cd98f00b204e9800998ecf8427e"' }, undefined],
    [
      'a directory marker of another version than that of no bytes',
      { key: 'd/', size: 0, etag: '"x"' },
      'listed with size 0',
    ],
  ]
  it.each(entries)('gives %s a doubt, not a guess', async (_name, entry, doubt) => {
    origin.answer(() => listingOf({ entries: [{ key: 'a', ...entry }] }))
    const [object] = (await listAll()).pages[0]?.objects ?? []
    if (doubt === undefined) expect(object?.doubt).toBeUndefined()
    else expect(object?.doubt).toContain(doubt)
  })

  it('is none where the answer is a page of a proxy, and is asked for again where it ends in the middle', async () => {
    origin.answer(() => ({ body: '<html>please log in</html>' }))
    await expect(listAll()).rejects.toMatchObject({
      ...odd,
      message: expect.stringContaining('expected a ListBucketResult document'),
    })
    expect(origin.requests.length).toBe(1)
    origin.answer(() =>
      origin.requests.length === 2 ? { body: '<ListBucketResult><Contents><Key>a' } : listingOf({ entries: ['a'] }),
    )
    expect((await listAll()).keys).toEqual(['a'])
    origin.answer(() => ({ body: '<Error><Code>AccessDenied</Code></Error>' }))
    await expect(listAll()).rejects.toMatchObject({ code: 'permission_denied' })
  })
})
