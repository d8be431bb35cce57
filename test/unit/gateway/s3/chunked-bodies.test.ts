// Source of the examples: "Signature calculations for the Authorization header: Transferring
// payload in multiple chunks", with and without trailing headers, Amazon S3 API Reference.
import { array, asyncProperty, assert, boolean, integer, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bodyForm, type BodyPlan, withChecksum } from '../../../../src/gateway/s3/body/body-plan.ts'
import { CheckedContent } from '../../../../src/gateway/s3/body/checked-content.ts'
import { ChunkDecoder } from '../../../../src/gateway/s3/body/chunk-decoder.ts'
import type { HeaderFields } from '../../../../src/gateway/s3/request/header-fields.ts'
import { claimOf } from '../../../../src/gateway/s3/signature/signature-claim.ts'
import { ChunkSignatures } from '../../../../src/gateway/s3/signature/chunk-signatures.ts'
import { SigningKeys } from '../../../../src/gateway/s3/signature/signing-keys.ts'
import { verified } from '../../../../src/gateway/s3/signature/verification.ts'
import { codeOf, exampleCallers, exampleMs, requestParts } from './support/signed.ts'

const bodyPlan = (headers: HeaderFields, claim: Parameters<typeof bodyForm>[1]): BodyPlan =>
  withChecksum(bodyForm(headers, claim), headers)

const content = Buffer.alloc(66_560, 'a')

interface Example {
  readonly payload: string
  readonly headers: Readonly<Record<string, string>>
  readonly signed: string
  readonly seed: string
  readonly chunks: readonly [string, string, string]
  readonly trailer: string
}

const signedExample: Example = {
  payload: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
  headers: { 'content-length': '66824' },
  signed:
    'content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;' +
    'x-amz-storage-class',
  seed: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
  chunks: [
    'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
    '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
    'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
  ],
  trailer: '',
}
const trailerExample: Example = {
  payload: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
  headers: { 'x-amz-trailer': 'x-amz-checksum-crc32c' },
  signed:
    'content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;' +
    'x-amz-trailer',
  seed: '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
  chunks: [
    'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2',
    '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7',
    '2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992',
  ],
  trailer:
    'x-amz-checksum-crc32c:sOO8/Q==\r\n' +
    'x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n',
}

function headersOf({ payload, headers, signed, seed }: Example): HeaderFields {
  return requestParts('PUT', '/', {
    ...{ host: 's3.amazonaws.com', 'x-amz-date': '20130524T000000Z', 'content-encoding': 'aws-chunked' },
    ...{ 'x-amz-storage-class': 'REDUCED_REDUNDANCY', 'x-amz-decoded-content-length': '66560', ...headers },
    'x-amz-content-sha256': payload,
    authorization:
      'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, ' +
      `SignedHeaders=${signed}, Signature=${seed}`,
  }).headers
}

function bodyOf({ chunks: [first, second, last], trailer }: Example, bytes = content): Buffer {
  return Buffer.concat([
    ...[Buffer.from(`10000;chunk-signature=${first}\r\n`), bytes.subarray(0, 65_536), Buffer.from('\r\n')],
    ...[Buffer.from(`400;chunk-signature=${second}\r\n`), bytes.subarray(65_536), Buffer.from('\r\n')],
    Buffer.from(`0;chunk-signature=${last}\r\n${trailer}\r\n`),
  ])
}

function checkedContent(example: Example, body: Buffer, pieceBytes: number): CheckedContent {
  const headers = headersOf(example)
  const parts = { ...requestParts('PUT', '/examplebucket/chunkObject.txt', {}), headers, payloadHash: example.payload }
  const claim = claimOf(headers, parts.query)!
  const { seed } = verified(claim, parts, exampleCallers, new SigningKeys(), exampleMs)
  return new CheckedContent(pieces(body, pieceBytes), bodyPlan(headers, claim), new ChunkSignatures(seed))
}

async function* pieces(body: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.length; at += pieceBytes) yield body.subarray(at, at + pieceBytes)
}

async function all(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts)
}

const failure = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no error',
    (thrown: { readonly reason?: string }) => thrown.reason ?? 'no reason',
  )

describe('bodies that are signed in chunks', () => {
  it.each([
    ['without trailer', signedExample],
    ['with a trailer', trailerExample],
  ])("AWS's example: %s", async (_what, example) => {
    for (const pieceBytes of [1, 7, 1000, 100_000]) {
      const checked = checkedContent(example, bodyOf(example), pieceBytes)
      expect((await all(checked)).equals(content)).toBe(true)
      expect(checked.digests).toMatchObject({ bytes: 66_560 })
    }
  })

  it('takes the trailers of SDKs that end them with LF CRLF', async () => {
    const trailer = trailerExample.trailer.replace('==\r\n', '==\n\r\n')
    const checked = checkedContent(trailerExample, bodyOf({ ...trailerExample, trailer }), 50)
    expect((await all(checked)).length).toBe(66_560)
  })

  it.each<[string, Example, Buffer, string]>([
    ['other bytes', signedExample, bodyOf(signedExample, Buffer.alloc(66_560, 'b')), 'SignatureDoesNotMatch'],
    [
      'another signature of the last chunk',
      signedExample,
      bodyOf({ ...signedExample, chunks: [signedExample.chunks[0], signedExample.chunks[1], '0'.repeat(64)] }),
      'SignatureDoesNotMatch',
    ],
    [
      'another trailer',
      trailerExample,
      bodyOf({ ...trailerExample, trailer: trailerExample.trailer.replace('sOO8', 'sOO9') }),
      'SignatureDoesNotMatch',
    ],
    [
      'a trailer without signature',
      trailerExample,
      bodyOf({ ...trailerExample, trailer: 'x-amz-checksum-crc32c:sOO8/Q==\r\n' }),
      'InvalidRequest',
    ],
    ['a body that ends early', signedExample, bodyOf(signedExample).subarray(0, 66_000), 'IncompleteBody'],
    ['a body without its last chunk', signedExample, bodyOf(signedExample).subarray(0, 66_735), 'IncompleteBody'],
  ])('%s is refused', async (_what, example, body, code) => {
    expect(await failure(all(checkedContent(example, body, 1000)))).toBe(code)
  })
})

describe('the decoder of aws-chunked', () => {
  const decode = (text: string, form: Partial<ConstructorParameters<typeof ChunkDecoder>[0]> = {}): string => {
    const decoder = new ChunkDecoder({ isSigned: false, hasTrailer: true, checks: undefined, ...form })
    const data = [...decoder.push(Buffer.from(text))]
    decoder.end()
    return Buffer.concat(data).toString() + JSON.stringify([...decoder.trailers])
  }

  it.each([
    ['3\r\nabc\r\n0\r\n\r\n', 'abc[]'],
    ['3\r\nabc\r\n2\r\nde\r\n0\r\na: b \r\n\r\n', 'abcde[["a","b"]]'],
    ['0\r\n\r\n', '[]'],
    ['0\r\n', '[]'],
    ['0\r\nX-Amz-Checksum-CRC32:AAAAAA==\n\r\n', '[["x-amz-checksum-crc32","AAAAAA=="]]'],
  ])('%j', (text, expected) => {
    expect(decode(text)).toBe(expected)
  })

  it.each([
    ['', 'IncompleteBody'],
    ['3\r\nab', 'IncompleteBody'],
    ['3\r\nabc\r\n', 'IncompleteBody'],
    ['3\r\nabcd\r\n0\r\n\r\n', 'InvalidRequest'],
    ['x\r\n', 'InvalidRequest'],
    ['-1\r\n', 'InvalidRequest'],
    ['ffffffffffffff\r\n', 'InvalidRequest'],
    ['3;other=1\r\nabc\r\n0\r\n\r\n', 'InvalidRequest'],
    ['0\r\nno colon\r\n\r\n', 'InvalidRequest'],
    ['0\r\na:1\r\na:2\r\n\r\n', 'InvalidRequest'],
    ['0\r\n\r\nmore\r\n', 'InvalidRequest'],
    ['0'.repeat(2000), 'InvalidRequest'],
    [`0\r\n${Array.from({ length: 20 }, (_, index) => `a${index}:1\r\n`).join('')}\r\n`, 'InvalidRequest'],
  ])('refuses %j', (text, code) => {
    expect(codeOf(() => decode(text))).toBe(code)
  })

  it('refuses chunks without signature, and trailers, where they are not announced', () => {
    expect(codeOf(() => decode('3\r\nabc\r\n0\r\n\r\n', { isSigned: true }))).toBe('InvalidRequest')
    expect(codeOf(() => decode('0\r\na:1\r\n\r\n', { hasTrailer: false }))).toBe('InvalidRequest')
  })

  it('gives the same content however it is cut', async () => {
    await assert(
      asyncProperty(
        array(uint8Array({ minLength: 1, maxLength: 50 })),
        integer({ min: 1, max: 20 }),
        boolean(),
        async (chunks, cut, upper) => {
          const size = (bytes: Uint8Array): string =>
            upper ? bytes.length.toString(16).toUpperCase() : `0${bytes.length.toString(16)}`
          const parts = chunks.flatMap((chunk) => [Buffer.from(`${size(chunk)}\r\n`), chunk, Buffer.from('\r\n')])
          const body = Buffer.concat([...parts, Buffer.from('0\r\n\r\n')])
          const decoder = new ChunkDecoder({ isSigned: false, hasTrailer: false, checks: undefined })
          const data: Uint8Array[] = []
          for await (const piece of pieces(body, cut)) data.push(...decoder.push(piece))
          decoder.end()
          expect(Buffer.concat(data).equals(Buffer.concat(chunks))).toBe(true)
        },
      ),
      { numRuns: 200 },
    )
  })
})
