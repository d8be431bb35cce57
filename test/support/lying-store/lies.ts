// Why: whoever trusts a store must survive each lie that its protocol has room for. How: a lie is a
// name and what it does to a listing, to a HEAD or to a GET, taken from a seeded generator. None of
// them is beyond telling: a listing that leaves out an object that nobody has heard of, or wrong
// bytes of the right length under the right version, are not in the set.
import { gzipSync } from 'node:zlib'
import { escapeXml } from '../origin/listing.ts'

export interface Truth {
  readonly key: string
  readonly bytes: Buffer
  readonly etag: string
}

/** A listing before it is written. */
export interface Page {
  entries: { key: string; fields: Record<string, string | undefined> }[]
  prefixes: string[]
  truncated: string | undefined
  token: string | undefined
  more: string
  /** The whole document; undefined: written from the above. */
  body: string | undefined
  status: number
}

export interface Asked {
  readonly prefix: string
  readonly limit: number
  readonly after: string
  readonly token: string | undefined
}

/** An answer to HEAD or GET. */
export interface ObjectAnswer {
  status: number
  headers: Record<string, string>
  body: Buffer
  cutAfter?: number | undefined
}

export interface Lie {
  readonly name: string
  /** Changes the order in which the store lists its keys. */
  readonly order?: (a: string, b: string) => number
  readonly list?: (page: Page, asked: Asked, random: () => number) => void
  readonly head?: (answer: ObjectAnswer, object: Truth) => void
  readonly get?: (answer: ObjectAnswer, object: Truth, random: () => number) => void
  /** The store does not look at If-Match. */
  readonly ignoresMatch?: boolean
  /** An object is replaced while it is read. */
  readonly replaces?: boolean
  /** Names that no object has are listed: they may go again. */
  readonly invents?: boolean
  /** Only in listings of what is known already: what it leaves out. */
  readonly omits?: boolean
}

const backwards = (text: string): string => Array.from(text).toReversed().join('')
const pick = (random: () => number, count: number): number => Math.floor(random() * count)
const field = (name: string, name2: string, value: string | undefined): Lie => ({
  name,
  list: (page, _asked, random) => {
    const entry = page.entries[pick(random, page.entries.length)]
    if (entry !== undefined) entry.fields[name2] = value
  },
})
const every = (name: string, fieldName: string, value: (now: string) => string | undefined): Lie => ({
  name,
  list: (page) => {
    for (const { fields } of page.entries) fields[fieldName] = value(fields[fieldName] ?? '')
  },
})

const encode = (key: string): string => key.split('/').map(encodeURIComponent).join('/')
const asEncoded = '<EncodingType>url</EncodingType>'
const misnames = (name: string, spell: (key: string) => string, more = ''): Lie => ({
  name,
  invents: true,
  list: (page) => {
    page.more += more
    for (const { key, fields } of page.entries) fields['Key'] &&= spell(key)
  },
})

const listings: readonly Lie[] = [
  {
    name: 'keys in the order of directories',
    order: (a, b) => a.split('/').length - b.split('/').length || (a < b ? -1 : 1),
  },
  { name: 'keys in descending order', order: (a, b) => (a < b ? 1 : -1) },
  { name: 'keys in the order of their ends', order: (a, b) => (backwards(a) < backwards(b) ? -1 : 1) },
  { name: 'keys without regard to case', order: (a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1) },
  { name: 'a page out of order', list: (page) => void (page.entries = page.entries.toReversed()) },
  { name: 'an object twice', list: (page) => void page.entries.push(...page.entries.slice(-1)) },
  {
    name: 'an object twice, in two versions',
    list: (page) =>
      void page.entries.push(
        ...page.entries.slice(-1).map((one) => ({ ...one, fields: { ...one.fields, ETag: '"other"', Size: '1' } })),
      ),
  },
  { name: 'always the same token', list: (page) => void (page.token = page.token === undefined ? undefined : 'same') },
  { name: 'more, and no token', list: (page) => void (page.token = undefined) },
  { name: 'always more', list: (page) => void (page.truncated = 'true') },
  { name: 'no word on more', list: (page) => void (page.truncated = undefined) },
  { name: 'a token, and no more', list: (page) => void (page.truncated = 'false') },
  { name: 'an odd word on more', list: (page) => void (page.truncated = 'perhaps') },
  {
    name: 'the last key is folded',
    list: (page) => {
      const last = page.entries.at(-1)
      if (last === undefined || page.entries.length === 1 || !/.\//s.test(last.key)) return
      page.entries.pop()
      page.prefixes.push(last.key.replace(/\/.*/s, '/'))
    },
  },
  {
    name: 'fewer entries than it says',
    list: (page) => {
      page.more = `<KeyCount>${page.entries.length}</KeyCount>`
      page.entries.pop()
    },
  },
  { name: 'the listing of another prefix', list: (page) => void (page.more = '<Prefix>other/</Prefix>') },
  { name: 'an unknown encoding', list: (page) => void (page.more = '<EncodingType>rot13</EncodingType>') },
  { name: 'a document that is cut', list: (page, _asked, random) => void (page.status = random() < 0.5 ? -1 : 200) },
  {
    name: 'a page of a proxy',
    list: (page, _asked, random) => void (random() < 0.5 && (page.body = '<html><body>log in</body></html>')),
  },
  {
    name: 'an error with a good status',
    list: (page, _asked, random) => void (random() < 0.5 && (page.body = '<Error><Code>InternalError</Code></Error>')),
  },
  { name: 'an error now and then', list: (page, _asked, random) => void (random() < 0.4 && (page.status = 500)) },
  {
    name: 'an empty page first',
    list: (page, asked) => {
      if (asked.after !== '' || asked.token !== undefined) return
      page.entries = []
      page.truncated = 'true'
      page.token = 'k'
    },
  },
  field('no key', 'Key', undefined),
  misnames('keys that are encoded twice', (key) => encode(encode(key)), asEncoded),
  misnames('keys that are encoded, and no word of it', encode),
  misnames('keys that are encoded as in forms, and no word of it', (key) => encode(key).replaceAll('%20', '+')),
  misnames('keys that are said to be encoded', (key) => key, asEncoded),
  misnames('keys that are escaped twice', escapeXml),
  misnames('keys in one normal form', (key) => key.normalize()),
  misnames('keys in another normal form', (key) => key.normalize(key === key.normalize('NFC') ? 'NFD' : 'NFC')),
  {
    name: 'an object that is not there',
    invents: true,
    list: (page) => {
      const last = page.entries.at(-1)
      if (last === undefined || page.truncated === 'true') return
      const key = `${last.key}.gone`
      page.entries.push({ key, fields: { ...last.fields, Key: key, Size: '5', ETag: '"gone"' } })
    },
  },
  every('a Size of 0', 'Size', () => '0'),
  field('one Size of 0', 'Size', '0'),
  every('a Size that is too small', 'Size', (size) => String(Math.floor(Number(size) / 2))),
  field('a Size that is one byte short', 'Size', '1'),
  every('a Size that is too large', 'Size', (size) => String(Number(size) + 10)),
  field('a negative Size', 'Size', '-1'),
  field('a broken Size', 'Size', '1.5'),
  field('a huge Size', 'Size', '99999999999999999999'),
  every('no Size', 'Size', () => undefined),
  every('no ETag', 'ETag', () => undefined),
  field('another ETag', 'ETag', '"another"'),
  every('ETags without quotes', 'ETag', (etag) => etag.replaceAll('"', '')),
  every('times as in headers', 'LastModified', () => 'Thu, 20 Apr 2023 15:31:00 GMT'),
  every('times without a zone', 'LastModified', () => '2023-04-20T15:31:00'),
  field('a time that is none', 'LastModified', 'yesterday'),
  every('no time', 'LastModified', () => undefined),
  every('an unknown class', 'StorageClass', () => 'FROZEN-IN-TIME'),
  { name: 'known objects are left out', omits: true },
]

const objects: readonly Lie[] = [
  {
    name: 'HEAD says half of the length',
    head: (answer, { bytes }) => void (answer.headers['content-length'] = String(bytes.length >> 1)),
  },
  { name: 'HEAD has no ETag', head: (answer) => void delete answer.headers['etag'] },
  { name: 'HEAD has another ETag', head: (answer) => void (answer.headers['etag'] = '"head"') },
  { name: 'GET has no ETag', get: (answer) => void delete answer.headers['etag'] },
  { name: 'GET has another ETag', get: (answer) => void (answer.headers['etag'] = '"get"') },
  {
    name: 'objects are replaced, and GET does not say so',
    replaces: true,
    ignoresMatch: true,
    get: (answer) => void delete answer.headers['etag'],
  },
  { name: 'objects are replaced', replaces: true },
  { name: 'objects are replaced, and If-Match is ignored', replaces: true, ignoresMatch: true },
  {
    name: 'the range beside it',
    get: (answer, object) => {
      const match = /bytes (\d+)-(\d+)\//.exec(answer.headers['content-range'] ?? '')
      if (match === null || Number(match[1]) === 0) return
      const [from, to] = [Number(match[1]) - 1, Number(match[2]) - 1]
      answer.body = object.bytes.subarray(from, to + 1)
      answer.headers['content-range'] = `bytes ${from}-${to}/${object.bytes.length}`
    },
  },
  { name: 'no Content-Range', get: (answer) => void delete answer.headers['content-range'] },
  {
    name: 'a body that is short',
    get: (answer) => {
      answer.body = answer.body.subarray(0, Math.max(0, answer.body.length - 1))
      answer.headers['content-length'] = String(answer.body.length)
    },
  },
  {
    name: 'a body that is short, and no length',
    get: (answer) => {
      answer.body = answer.body.subarray(0, Math.max(0, answer.body.length - 1))
      delete answer.headers['content-length']
    },
  },
  {
    name: 'a body that is long',
    get: (answer) => {
      // Longer also than what two other lies have cut: bytes that are wrong, and as many as they
      // should be, no client can tell without a checksum.
      answer.body = Buffer.concat([answer.body, Buffer.from('!!!')])
      answer.headers['content-length'] = String(answer.body.length)
    },
  },
  {
    name: 'a body that is cut',
    get: (answer, _object, random) => void (random() < 0.3 && (answer.cutAfter = answer.body.length >> 1)),
  },
  {
    name: 'whole objects instead of ranges',
    get: (answer, object) => {
      answer.status = 200
      answer.body = object.bytes
      answer.headers['content-length'] = String(object.bytes.length)
      delete answer.headers['content-range']
    },
  },
  {
    name: 'compressed bodies',
    get: (answer) => {
      answer.body = gzipSync(answer.body)
      answer.headers['content-length'] = String(answer.body.length)
      answer.headers['content-encoding'] = 'gzip'
    },
  },
  {
    name: 'a weak ETag',
    get: (answer) => void (answer.headers['etag'] &&= `W/${answer.headers['etag']}`),
  },
  ...[206, 307, 404, 412, 416, 500, 503].map((status): Lie => ({
    name: `GET answers ${status} now and then`,
    get: (answer, _object, random) => {
      if (random() >= 0.4) return
      answer.status = status
      answer.body = Buffer.from('<Error></Error>')
      answer.headers = { 'content-length': String(answer.body.length) }
    },
  })),
]

/**
 * Every lie; 404 of an object that is there is the one that no client can tell from the truth, when
 * it comes twice.
 */
export const lies: readonly Lie[] = [...listings, ...objects.filter(({ name }) => !name.includes('404'))]
