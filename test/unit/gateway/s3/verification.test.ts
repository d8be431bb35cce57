// Source of the examples: "Signature Calculations for the Authorization Header" and
// "Authenticating Requests: Using Query Parameters", Amazon S3 API Reference.
import { describe, expect, it } from 'vitest'
import { claimOf } from '../../../../src/gateway/s3/signature/signature-claim.ts'
import { SigningKeys } from '../../../../src/gateway/s3/signature/signing-keys.ts'
import { type Verified, verified } from '../../../../src/gateway/s3/signature/verification.ts'
import { codeOf, exampleCallers, exampleKey, exampleMs, requestParts } from './support/signed.ts'

const emptyHash = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
const host = 'examplebucket.s3.amazonaws.com'
const minute = 60_000

function authorization(signedHeaders: string, signature: string, key = exampleKey): string {
  return (
    `AWS4-HMAC-SHA256 Credential=${key}/20130524/us-east-1/s3/aws4_request,` +
    `SignedHeaders=${signedHeaders},Signature=${signature}`
  )
}

interface Example {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly signed?: string
  readonly signature?: string
  readonly payload?: string
}

function check({ method, url, headers, signed, signature, payload = emptyHash }: Example, nowMs = exampleMs): Verified {
  const own = signed === undefined ? {} : { authorization: authorization(signed, signature ?? '') }
  const parts = requestParts(method, url, { host, ...headers, ...own })
  const claim = claimOf(parts.headers, parts.query)
  if (claim === undefined) throw new Error('not signed')
  return verified(claim, { ...parts, payloadHash: payload }, exampleCallers, new SigningKeys(), nowMs)
}

const plain = { 'x-amz-content-sha256': emptyHash, 'x-amz-date': '20130524T000000Z' }
const getObject: Example = {
  ...{ method: 'GET', url: '/test.txt', headers: { range: 'bytes=0-9', ...plain } },
  signed: 'host;range;x-amz-content-sha256;x-amz-date',
  signature: 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
}
const putHash = '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072'
const putObject: Example = {
  ...{ method: 'PUT', url: '/test$file.text', payload: putHash },
  headers: {
    date: 'Fri, 24 May 2013 00:00:00 GMT',
    ...{ 'x-amz-content-sha256': putHash, 'x-amz-date': '20130524T000000Z' },
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
  },
  signed: 'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
  signature: '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
}
const listed = { method: 'GET', headers: plain, signed: 'host;x-amz-content-sha256;x-amz-date' }
const examples: Readonly<Record<string, Example>> = {
  getObject,
  putObject,
  'the same, encoded by the client': { ...putObject, url: '/test%24file.text' },
  lifecycle: {
    ...{ ...listed, url: '/?lifecycle' },
    signature: 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  },
  listObjects: {
    ...{ ...listed, url: '/?max-keys=2&prefix=J' },
    signature: '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  },
  'the same, in another order': {
    ...{ ...listed, url: '/?prefix=%4a&max-keys=2' },
    signature: '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  },
}

const presigned: Example = {
  ...{ method: 'GET', headers: {}, payload: 'UNSIGNED-PAYLOAD' },
  url:
    '/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256' +
    '&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request' +
    '&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host' +
    '&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
}

describe('SigV4 of requests', () => {
  it.each(Object.keys(examples))("AWS's example: %s", (name) => {
    const example = examples[name]!
    expect(check(example)).toMatchObject({ caller: { id: exampleKey }, seed: { signature: example.signature } })
  })

  it('a day of presigned requests', () => {
    const day = 86_400_000
    expect(check(presigned, exampleMs + day).caller.id).toBe(exampleKey)
    expect(codeOf(() => check(presigned, exampleMs + day + 1))).toBe('AccessDenied')
    expect(codeOf(() => check(presigned, exampleMs - 16 * minute))).toBe('AccessDenied')
    const before = { ...presigned, url: presigned.url.replace('Expires=86400', 'Expires=-1') }
    expect(codeOf(() => check(before))).toBe('AccessDenied')
  })

  it.each<[string, Example]>([
    ['another method', { ...getObject, method: 'HEAD' }],
    ['another path', { ...getObject, url: '/Test.txt' }],
    ['another query', { ...getObject, url: '/test.txt?a' }],
    ['another header', { ...getObject, headers: { ...getObject.headers, range: 'bytes=0-8' } }],
    ['another host', { ...getObject, headers: { ...getObject.headers, host: 'other' } }],
    ['another body', { ...getObject, payload: putHash }],
    ['another signature', { ...getObject, signature: `0${getObject.signature!.slice(1)}` }],
    ['another field of a presigned query', { ...presigned, url: `${presigned.url}&partNumber=1` }],
    ['a longer life', { ...presigned, url: presigned.url.replace('86400', '86401') }],
  ])('%s is not what was signed', (_what, example) => {
    expect(codeOf(() => check(example))).toBe('SignatureDoesNotMatch')
  })

  it('refuses a header of S3 that was added on the way', () => {
    const added = { ...getObject, headers: { ...getObject.headers, 'x-amz-acl': 'public-read' } }
    expect(codeOf(() => check(added))).toBe('AccessDenied')
    expect(codeOf(() => check({ ...presigned, headers: { 'x-amz-meta-a': 'b' } }))).toBe('AccessDenied')
  })

  it('refuses clocks that differ by more than 15 minutes', () => {
    expect(check(getObject, exampleMs + 15 * minute).caller.id).toBe(exampleKey)
    expect(check(getObject, exampleMs - 15 * minute).caller.id).toBe(exampleKey)
    expect(codeOf(() => check(getObject, exampleMs + 15 * minute + 1))).toBe('RequestTimeTooSkewed')
    expect(codeOf(() => check(getObject, exampleMs - 15 * minute - 1))).toBe('RequestTimeTooSkewed')
  })

  it('joins repeated headers and blanks in values, as clients sign them', () => {
    const parts = requestParts('GET', '/', { a: '  one   two ', A: 'three' })
    expect(parts.headers.canonical('a')).toBe('one two,three')
  })

  it.each<[string, string]>([
    ['UTF-8', Buffer.from('caf\u00e9').toString('latin1')],
    ['Latin-1 and signs UTF-8, as botocore does', 'caf\u00e9'],
  ])('takes metadata of a client that sends %s', (_what, value) => {
    const example: Example = {
      ...{ method: 'PUT', url: '/a', headers: { 'x-amz-meta-a': value, ...plain } },
      signed: 'host;x-amz-content-sha256;x-amz-date;x-amz-meta-a',
      signature: 'e5a9895326b849fbbce96220aac6f57ab6360b96b25db0612ae45b85eaa1bbf6',
    }
    expect(check(example).caller.id).toBe(exampleKey)
    const other = { ...example, headers: { ...plain, 'x-amz-meta-a': 'caf\u00e8' } }
    expect(codeOf(() => check(other))).toBe('SignatureDoesNotMatch')
  })

  it.each<[string, string, string]>([
    ['another scheme', 'AWS AKIAIOSFODNN7EXAMPLE:abc', 'InvalidRequest'],
    [
      'a service that is not s3',
      authorization('host', '0'.repeat(64)).replace('/s3/', '/ec2/'),
      'AuthorizationHeaderMalformed',
    ],
    ['no host', authorization('range', '0'.repeat(64)), 'AuthorizationHeaderMalformed'],
    ['a short signature', authorization('host', '0'), 'AuthorizationHeaderMalformed'],
    [
      'no signature',
      'AWS4-HMAC-SHA256 Credential=a/20130524/r/s3/aws4_request, SignedHeaders=host',
      'AuthorizationHeaderMalformed',
    ],
    [
      'another day',
      authorization('host', '0'.repeat(64)).replace('20130524', '20130523'),
      'AuthorizationHeaderMalformed',
    ],
    [
      'an unknown key',
      authorization('host;x-amz-content-sha256;x-amz-date', '0'.repeat(64), 'OTHER'),
      'InvalidAccessKeyId',
    ],
  ])('%s is refused', (_what, text, code) => {
    expect(
      codeOf(() => check({ ...getObject, headers: { ...plain, authorization: text }, signed: undefined as never })),
    ).toBe(code)
  })

  it('refuses a signature in both places, an old one, and fields that are malformed', () => {
    const both = { ...presigned, headers: { authorization: authorization('host', '0'.repeat(64)) } }
    expect(codeOf(() => check(both))).toBe('InvalidArgument')
    expect(codeOf(() => check({ ...presigned, url: '/a?AWSAccessKeyId=a&Signature=b&Expires=1' }))).toBe(
      'InvalidRequest',
    )
    for (const [from, to] of [
      ['86400', '604801'],
      ['86400', '0'],
      ['SHA256', 'SHA512'],
      ['=host', '=range'],
    ] as const)
      expect(codeOf(() => check({ ...presigned, url: presigned.url.replace(from, to) }))).toBe(
        'AuthorizationQueryParametersError',
      )
    const { url } = presigned
    expect(codeOf(() => check({ ...presigned, url: `${url}&X-Amz-Date=20130524T000000Z` }))).toBe('InvalidArgument')
  })
})
