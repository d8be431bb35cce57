import { Readable } from 'node:stream'
import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import {
  array,
  assert,
  asyncProperty,
  boolean,
  constantFrom,
  integer,
  option,
  property,
  record,
  string,
} from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { canonicalQuery } from '../../../src/ufs/s3/request/sigv4.ts'
import { type RawListing, scanListing } from '../../../src/ufs/trust/listing-scan.ts'
import { timeOf } from '../../../src/ufs/trust/field-values.ts'

interface Listing {
  IsTruncated: boolean | undefined
  EncodingType: string | undefined
  NextContinuationToken: string | undefined
  Contents: { Key: string | undefined }[] | undefined
  CommonPrefixes: { readonly Prefix: string | undefined }[] | undefined
}

let document = ''
const sdk = new S3Client({
  region: 'r',
  endpoint: 'http://store.invalid',
  credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
  maxAttempts: 1,
  requestHandler: {
    handle: () =>
      Promise.resolve({ response: { statusCode: 200, headers: {}, body: Readable.from([Buffer.from(document)]) } }),
  },
})
afterAll(() => sdk.destroy())

/** What the SDK makes of a document, with the fields that matter. */
async function bySdk(text: string): Promise<Listing> {
  document = text
  const { IsTruncated, EncodingType, NextContinuationToken, Contents, CommonPrefixes } = await sdk.send(
    new ListObjectsV2Command({ Bucket: 'b' }),
  )
  return {
    IsTruncated,
    EncodingType,
    NextContinuationToken,
    Contents: Contents?.map(({ Key, ETag, Size, LastModified, StorageClass }) => ({
      Key,
      ETag,
      Size,
      LastModified,
      StorageClass,
    })),
    CommonPrefixes: CommonPrefixes?.map(({ Prefix }) => ({ Prefix })),
  }
}

/** White space with a line break in it is nothing to the SDK: it takes it for indentation. */
const worded = (text: string | undefined): string | undefined =>
  text?.trim() === '' && text.includes('\n') ? '' : text

/** What the scan found, in the SDK's words. */
function inWords(raw: RawListing): Listing {
  const { IsTruncated, EncodingType, NextContinuationToken, contents, commonPrefixes } = raw
  return {
    IsTruncated: IsTruncated === undefined ? undefined : IsTruncated === 'true',
    EncodingType: worded(EncodingType),
    NextContinuationToken: worded(NextContinuationToken),
    Contents:
      contents.length === 0
        ? undefined
        : contents.map(({ Key, ETag, Size, LastModified, StorageClass }) => ({
            Key: worded(Key),
            ETag: worded(ETag),
            Size: Size === undefined ? undefined : Number(Size),
            LastModified: LastModified === undefined ? undefined : new Date(timeOf(LastModified) ?? Number.NaN),
            StorageClass: worded(StorageClass),
          })),
    CommonPrefixes:
      commonPrefixes.length === 0 ? undefined : commonPrefixes.map((Prefix) => ({ Prefix: worded(Prefix) })),
  }
}

function scanned(text: string): RawListing | undefined {
  const raw = scanListing(text)
  return 'kind' in raw ? undefined : raw
}

const named: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' }
/** As servers do it: by name, by number, or not at all where it is not needed. */
const escaped = (text: string, how: number): string =>
  text.replace(/[&<>"'\u0080-\u{10ffff}]/gu, (c) => {
    if (how === 0 && /[>"']|[^\0-\x7f]/u.test(c)) return c
    if (how === 1 || c.length > 1) return named[c] ?? c
    return how === 2 ? `&#x${(c.codePointAt(0) ?? 0).toString(16)};` : `&#${c.codePointAt(0) ?? 0};`
  })
const text = string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
  .map((s) => s.replace(/[\p{Cc}\ufffe\uffff]/gu, '_'))
  .filter((s) => s.trim() !== '')
const object = record({
  key: text,
  etag: option(text),
  size: option(integer({ min: 0, max: 2 ** 45 })),
  ms: option(integer({ min: 0, max: 4_000_000_000_000 })),
  storageClass: option(constantFrom('STANDARD', 'GLACIER')),
  owner: boolean(),
  fraction: boolean(),
  how: integer({ min: 0, max: 3 }),
})
const page = record({
  objects: array(object, { maxLength: 6 }),
  prefixes: array(text, { maxLength: 4 }),
  token: option(text),
  truncated: boolean(),
  url: boolean(),
  pretty: boolean(),
  xmlns: boolean(),
})
type Generic<T> = T extends { generate: (...args: never[]) => { value: infer V } } ? V : never
type Page = Generic<typeof page>

function write(model: Page): string {
  const newline = model.pretty ? '\n  ' : ''
  const element = (name: string, inner: string | number | null): string =>
    inner === null ? '' : `${newline}<${name}>${inner}</${name}>`
  const contents = model.objects.map(({ key, etag, size, ms, storageClass, owner, fraction, how }) =>
    element(
      'Contents',
      [
        element('Key', escaped(key, how)),
        element(
          'LastModified',
          ms === null
            ? null
            : new Date(fraction ? ms : ms - (ms % 1000)).toISOString().replace(fraction ? '\n' : '.000Z', 'Z'),
        ),
        element('ETag', etag === null ? null : escaped(`"${etag}"`, how)),
        element('Size', size),
        owner ? element('Owner', `${element('ID', 'x')}${element('DisplayName', 'a b')}`) : '',
        element('StorageClass', storageClass),
        newline,
      ].join(''),
    ),
  )
  const prefixes = model.prefixes.map((prefix) => element('CommonPrefixes', element('Prefix', escaped(prefix, 1))))
  const inner = [
    element('Name', 'bucket'),
    element('MaxKeys', 1000),
    element('KeyCount', model.objects.length),
    model.url ? element('EncodingType', 'url') : '',
    element('IsTruncated', String(model.truncated)),
    element('NextContinuationToken', model.token === null ? null : escaped(model.token, 1)),
    ...contents,
    ...prefixes,
  ].join('')
  const xmlns = model.xmlns ? ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"' : ''
  return `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult${xmlns}>${inner}${newline}</ListBucketResult>`
}

/** The SDK cuts these to 16 bits; they come about where damage joins the digits of two. */
function hasLargeReference(wire: string): boolean {
  const codes = [...wire.matchAll(/&#(?:x([\da-f]+)|(\d+));/gi)].map(([, hex, decimal = '']) =>
    hex === undefined ? Number(decimal) : Number.parseInt(hex, 16),
  )
  return codes.some((code) => code > 0xffff)
}

describe('the scan of a listing', () => {
  it('reads references to characters beyond 16 bits', () => {
    const model = {
      ...{ prefixes: [], token: null, truncated: false, url: false, pretty: false, xmlns: true },
      objects: [],
    }
    const contents = '<Contents><Key>&#785012;&#x1F4B5;</Key><Size>1</Size></Contents></ListBucketResult>'
    const raw = scanned(write(model).replace('</ListBucketResult>', contents))
    expect(raw === undefined ? undefined : inWords(raw).Contents?.[0]?.Key).toBe('\u{BFA74}\u{1F4B5}')
  })

  it('reads what servers write exactly as the SDK does', async () => {
    await assert(
      asyncProperty(page, async (model) => {
        const wire = write(model)
        const raw = scanned(wire)
        expect(raw).toBeDefined()
        if (raw !== undefined) expect(inWords(raw)).toEqual(await bySdk(wire))
      }),
      { numRuns: 300, endOnFailure: true },
    )
  })

  it('reads a damaged document as the SDK does where both read it', async () => {
    const damage = record({
      at: integer({ min: 0, max: 100_000 }),
      length: integer({ min: 0, max: 12 }),
      by: constantFrom('', '<', '>', '&', '&amp', '</Key>', '<Key>', '<!-- x -->', '<![CDATA[x]]>', '\r\n', ' ', '"'),
    })
    let read = 0
    await assert(
      asyncProperty(page, damage, async (model, { at, length, by }) => {
        const wire = write(model)
        const start = at % wire.length
        // Through bytes, as it would come: half a character is none.
        const damaged = Buffer.from(wire.slice(0, start) + by + wire.slice(start + length)).toString()
        const raw = scanned(damaged)
        if (raw === undefined || hasLargeReference(damaged)) return
        const reference = await bySdk(damaged).catch(() => undefined)
        // The SDK takes what it does not like for nothing: blanks without a line break, for one.
        if (reference?.Contents?.some(({ Key }) => Key === undefined) !== false) return
        if (reference.CommonPrefixes?.some(({ Prefix }) => Prefix === undefined) === true) return
        read += 1
        expect(inWords(raw)).toEqual(reference)
      }),
      { numRuns: 1500, endOnFailure: true },
    )
    expect(read).toBeGreaterThan(0)
  })

  it.each([
    '',
    '  \n',
    '<?xml version="1.0"',
    '<ListBucketResult',
    '<ListBucketResult><Name>a</Name>',
    '<ListBucketResult><Contents><Key>a',
  ])('knows that %j ends in the middle', (wire) => {
    expect(scanListing(wire)).toEqual({ kind: 'cut' })
  })

  it.each([
    ['<Error><Code>InternalError</Code></Error>', 'the document'],
    ['<html><body>log in</body></html>', 'the document'],
    ['{"objects":[]}', 'the document'],
    ['<ListBucketResult><Prefix>a</Prefix><Prefix>b</Prefix></ListBucketResult>', 'Prefix'],
    ['<ListBucketResult><Prefix>&bad;</Prefix></ListBucketResult>', 'Prefix'],
    ['<ListBucketResult><Prefix>&#0;</Prefix></ListBucketResult>', 'Prefix'],
    ['<ListBucketResult><Prefix>&#xd800;</Prefix></ListBucketResult>', 'Prefix'],
    ['<ListBucketResult><Prefix>a<b></b></Prefix></ListBucketResult>', 'Prefix'],
    ['<ListBucketResult>loose text<Prefix>a</Prefix></ListBucketResult>', 'ListBucketResult'],
    ['<ListBucketResult></ListBucketResult><x></x>', 'the document'],
    ['<ListBucketResult><Name>a</Wrong></ListBucketResult>', 'the document'],
    ['<!DOCTYPE x [<!ENTITY a "b">]><ListBucketResult></ListBucketResult>', 'the document'],
    [`<ListBucketResult>${'<a>'.repeat(50)}${'</a>'.repeat(50)}</ListBucketResult>`, 'a'],
  ])('refuses %j and names the field', (wire, field) => {
    expect(scanListing(wire)).toMatchObject({ kind: 'field', problem: { field } })
  })

  it.each([
    '<ListBucketResult><Contents><Key>a&amp;&#x1f9f6;</Key></Contents></ListBucketResult>',
    '\ufeff<?xml version="1.0"?><!-- x --><ListBucketResult xmlns="x" a=\'b\'><Contents><Key>' +
      '<![CDATA[a&]]>&#129526;</Key></Contents></ListBucketResult>\n<!-- y -->',
    (
      '<s3:ListBucketResult xmlns:s3="x">\r\n <s3:Contents ><!-- x --><s3:Owner><ID>&amp;</ID><DisplayName/>' +
      '</s3:Owner><s3:Key>a&<!-- x -->&#x1f9f6;</s3:Key></s3:Contents ></s3:ListBucketResult>'
    ).replace('a&<', 'a&amp;<'),
  ])('reads all of XML that a listing may be written in: %j', (wire) => {
    expect(scanned(wire)?.contents.map(({ Key }) => Key)).toEqual(['a&\u{1f9f6}'])
  })

  it('gives fields as they came, empty and odd ones too', () => {
    const wire =
      '<ListBucketResult><Prefix/><NextContinuationToken></NextContinuationToken><Contents><Key> a </Key>' +
      '<Size>-1</Size></Contents></ListBucketResult>'
    expect(scanned(wire)).toMatchObject({
      Prefix: '',
      NextContinuationToken: '',
      contents: [{ Key: ' a ', Size: '-1', ETag: undefined }],
    })
  })
})

describe('the query of a listing', () => {
  it('is sorted, leaves out what is undefined, and says the same as it was given', () => {
    assert(
      property(string({ unit: 'grapheme' }), string({ unit: 'grapheme' }), (prefix, token) => {
        const query = canonicalQuery({ prefix, 'list-type': '2', none: undefined, 'continuation-token': token })
        expect(query).toMatch(/^continuation-token=[\w.~%-]*&list-type=2&prefix=[\w.~%-]*$/)
        expect(Object.fromEntries(new URLSearchParams(query))).toEqual({
          prefix,
          'list-type': '2',
          'continuation-token': token,
        })
      }),
    )
  })
})
