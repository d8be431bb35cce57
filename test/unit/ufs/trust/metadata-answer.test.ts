// Why: what a store says beside the bytes is taken where it is understood and fits, and is never an
// error. How: headers as stores send them.
import { expect, it } from 'vitest'
import { metadataIn } from '../../../../src/ufs/trust/metadata-answer.ts'

const read = (headers: Record<string, string>) => metadataIn(new Map(Object.entries(headers)))

it.each<[string, Record<string, string>, object]>([
  ['nothing', { etag: '"x"', 'x-amz-request-id': '1' }, {}],
  ['the default type of S3', { 'content-type': 'binary/octet-stream' }, {}],
  ['the default type of others', { 'content-type': 'Application/Octet-Stream' }, {}],
  ['a type', { 'content-type': 'text/plain; charset=utf-8' }, { contentType: 'text/plain; charset=utf-8' }],
  ['a type that is too long', { 'content-type': 'x'.repeat(256) }, {}],
  ['a type that is not ASCII', { 'content-type': 'text/pl\u00e4in' }, {}],
  ['user metadata', { 'x-amz-meta-a': '1', 'x-amz-meta-b-c': '' }, { userMetadata: { a: '1', 'b-c': '' } }],
  ['user metadata of COS', { 'x-cos-meta-a': '1' }, { userMetadata: { a: '1' } }],
  [
    'names and values that are not understood beside one that is',
    {
      ...{ 'x-amz-meta-': '1', 'x-amz-meta-__proto__': '1', 'x-amz-meta-ok': 'yes', 'x-amz-meta-u': '\u00fc' },
      ...{ 'x-amz-missing-meta': '1', 'x-amz-mp-parts-count': '3' },
    },
    { userMetadata: { ok: 'yes' } },
  ],
  ['as much as fits', { 'x-amz-meta-a': 'v'.repeat(2047) }, { userMetadata: { a: 'v'.repeat(2047) } }],
  ['more than fits', { 'x-amz-meta-a': 'v'.repeat(1500), 'x-amz-meta-b': 'v'.repeat(600) }, {}],
])('%s', (_what, headers, metadata) => {
  expect(read(headers)).toEqual(metadata)
})
