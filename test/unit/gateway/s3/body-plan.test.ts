import { describe, expect, it } from 'vitest'
import { hash } from 'node:crypto'
import { bodyForm, type BodyPlan, withChecksum } from '../../../../src/gateway/s3/body/body-plan.ts'
import { CheckedContent, type ContentDigests } from '../../../../src/gateway/s3/body/checked-content.ts'
import { checksumAlgorithms, checksumTable } from '../../../../src/gateway/s3/body/checksum-algorithms.ts'
import { HeaderFields } from '../../../../src/gateway/s3/request/header-fields.ts'
import { codeOf } from './support/signed.ts'

const bodyPlan = (headers: HeaderFields, claim: Parameters<typeof bodyForm>[1]): BodyPlan =>
  withChecksum(bodyForm(headers, claim), headers)

type Headers = Readonly<Record<string, string>>
const fields = (headers: Headers): HeaderFields => new HeaderFields(Object.entries(headers).flat())
const text = 'hello world'
const length = { 'content-length': String(text.length) }
const trailing = {
  'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
  'x-amz-decoded-content-length': String(text.length),
}

async function sent(headers: Headers, body = text): Promise<ContentDigests | string> {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(body.slice(0, 5))
    yield Buffer.from(body.slice(5))
  }
  try {
    const content = new CheckedContent(chunks(), bodyPlan(fields(headers), undefined), undefined)
    for await (const _chunk of content) continue
    return content.digests
  } catch (thrown) {
    return (thrown as { readonly reason?: string }).reason ?? String(thrown)
  }
}

describe('checksums', () => {
  // From `printf 'hello world' | rhash` and the tables of the algorithms.
  const values = {
    crc32: 'DUoRhQ==',
    crc32c: 'yZRlqg==',
    crc64nvme: 'jSnVw/bqjr4=',
    sha1: 'Kq5sNclPz7QV2+lfQIuc6R7oRu0=',
    sha256: 'uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=',
  } as const

  it.each(checksumAlgorithms)('%s is compared, in a header and in a trailer', async (algorithm) => {
    const header = `x-amz-checksum-${algorithm}`
    const value = values[algorithm]
    const expected = { bytes: 11, md5: hash('md5', text), checksum: { algorithm, value: Buffer.from(value, 'base64') } }
    expect(await sent({ ...length, [header]: value })).toEqual(expected)
    const body = `b\r\n${text}\r\n0\r\n${header}:${value}\r\n\r\n`
    expect(await sent({ ...trailing, 'x-amz-trailer': header }, body)).toEqual(expected)
    const other = Buffer.alloc(checksumTable[algorithm].bytes, 1).toString('base64')
    expect(await sent({ ...length, [header]: other })).toBe('BadDigest')
    expect(await sent({ ...trailing, 'x-amz-trailer': header }, body.replace(value, other))).toBe('BadDigest')
    expect(await sent({ ...length, [header]: 'AAA=' })).toBe('BadDigest')
  })

  it('MD5 and SHA-256 are compared', async () => {
    const md5 = hash('md5', text, 'base64')
    expect(await sent({ ...length, 'content-md5': md5 })).toMatchObject({ bytes: 11, checksum: undefined })
    expect(await sent({ ...length, 'content-md5': hash('md5', 'other', 'base64') })).toBe('BadDigest')
    expect(await sent({ ...length, 'content-md5': 'abc' })).toBe('InvalidDigest')
    expect(await sent({ ...length, 'x-amz-content-sha256': hash('sha256', text) })).toMatchObject({ bytes: 11 })
    expect(await sent({ ...length, 'x-amz-content-sha256': hash('sha256', 'b') })).toBe('XAmzContentSHA256Mismatch')
  })

  it('lengths are compared', async () => {
    expect(await sent({ 'content-length': '12' })).toBe('IncompleteBody')
    expect(await sent({ 'content-length': '10' })).toBe('InvalidRequest')
    const header = 'x-amz-checksum-crc32'
    const body = `b\r\n${text}\r\n0\r\n${header}:${values.crc32}\r\n\r\n`
    const headers = { ...trailing, 'x-amz-trailer': header }
    expect(await sent({ ...headers, 'x-amz-decoded-content-length': '12' }, body)).toBe('IncompleteBody')
    expect(await sent({ ...headers, 'x-amz-decoded-content-length': '10' }, body)).toBe('InvalidRequest')
  })

  it('a trailer must be the announced one, and be there', async () => {
    const announced = { ...trailing, 'x-amz-trailer': 'x-amz-checksum-crc32' }
    expect(await sent(announced, `b\r\n${text}\r\n0\r\n\r\n`)).toBe('InvalidRequest')
    const other = `b\r\n${text}\r\n0\r\nx-amz-checksum-crc32:${values.crc32}\r\nx-amz-meta-a:b\r\n\r\n`
    expect(await sent(announced, other)).toBe('InvalidRequest')
    expect(await sent(trailing, `b\r\n${text}\r\n0\r\nx-amz-checksum-crc32:${values.crc32}\r\n\r\n`)).toBe(
      'InvalidRequest',
    )
  })
})

describe('what a body must have', () => {
  it.each<[Headers, string]>([
    [{ 'x-amz-content-sha256': 'abc' }, 'InvalidArgument'],
    [{ 'x-amz-content-sha256': 'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD' }, 'NotImplemented'],
    [{ 'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' }, 'MissingContentLength'],
    [{ 'content-length': '1e3' }, 'InvalidArgument'],
    [{ ...trailing, 'x-amz-trailer': 'x-amz-meta-a' }, 'InvalidRequest'],
    [{ ...trailing, 'x-amz-trailer': 'x-amz-checksum-crc32,x-amz-checksum-sha1' }, 'InvalidRequest'],
    [{ 'x-amz-trailer': 'x-amz-checksum-crc32' }, 'InvalidRequest'],
    [{ 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-checksum-crc32c': 'AAAAAA==' }, 'InvalidRequest'],
    [{ 'x-amz-sdk-checksum-algorithm': 'CRC32' }, 'InvalidRequest'],
    [{ 'x-amz-sdk-checksum-algorithm': 'MD5' }, 'InvalidRequest'],
  ])('%o is refused', (headers, code) => {
    expect(codeOf(() => bodyPlan(fields(headers), undefined))).toBe(code)
  })

  it('a signature in headers covers the body', () => {
    expect(codeOf(() => bodyPlan(fields({}), { kind: 'header' }))).toBe('InvalidRequest')
    expect(bodyPlan(fields({}), { kind: 'query' })).toMatchObject({
      payloadHash: 'UNSIGNED-PAYLOAD',
      sha256: undefined,
    })
    expect(bodyPlan(fields({ 'transfer-encoding': 'chunked' }), undefined)).toMatchObject({
      contentBytes: undefined,
    })
  })
})
