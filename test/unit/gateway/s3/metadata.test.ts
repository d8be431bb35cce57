import { describe, expect, it } from 'vitest'
import { SkeinError } from '../../../../src/base/errors.ts'
import { escapedXml } from '../../../../src/base/xml/xml-write.ts'
import { errorDocument, s3AnswerOf } from '../../../../src/gateway/s3/answer/error-mapping.ts'
import { s3Error } from '../../../../src/gateway/s3/answer/error-table.ts'
import { HeaderFields } from '../../../../src/gateway/s3/request/header-fields.ts'
import { givenMetadata } from '../../../../src/gateway/s3/request/given-metadata.ts'
import { tagsOf, tagText } from '../../../../src/gateway/s3/request/tag-sets.ts'
import { codeOf } from './support/signed.ts'

const fields = (headers: Readonly<Record<string, string>>): HeaderFields =>
  new HeaderFields(Object.entries(headers).flat())

describe('metadata of a request', () => {
  it('is sorted by what keeps it', () => {
    const headers = {
      'X-Amz-Meta-Color': ' red ',
      'content-type': 'text/plain',
      'cache-control': 'no-cache',
      'x-amz-acl': 'private',
    }
    expect(givenMetadata(fields({ ...headers, 'content-encoding': 'aws-chunked,gzip, br' }))).toEqual({
      contentType: 'text/plain',
      userMetadata: { color: 'red' },
      contentHeaders: { 'cache-control': 'no-cache', 'content-encoding': 'gzip, br' },
    })
    expect(givenMetadata(fields({ 'content-encoding': 'aws-chunked' })).contentHeaders).toEqual({})
  })

  it('has a limit, and other letters than ASCII are encoded', () => {
    expect(codeOf(() => givenMetadata(fields({ 'x-amz-meta-a': 'x'.repeat(2048) })))).toBe('MetadataTooLarge')
    const utf8 = Buffer.from('caf\u00e9').toString('latin1')
    expect(givenMetadata(fields({ 'x-amz-meta-a': utf8 })).userMetadata['a']).toBe('=?UTF-8?B?Y2Fmw6k=?=')
    expect(givenMetadata(fields({ 'x-amz-meta-a': 'caf\u00e9' })).userMetadata['a']).toBe('=?ISO-8859-1?B?Y2Fm6Q==?=')
    expect(codeOf(() => givenMetadata(fields({ 'content-disposition': utf8 })))).toBe('InvalidArgument')
    expect(codeOf(() => givenMetadata(fields({ 'x-amz-meta-__proto__': 'a' })))).toBe('InvalidArgument')
  })
})

describe('tags', () => {
  it('come back as they were', () => {
    const tags = [
      { key: 'a&b=', value: '' },
      { key: '\u00e9 +', value: '%' },
    ]
    expect(tagsOf(tagText(tags))).toEqual(tags)
    expect(tagsOf('a=b+c&d')).toEqual([
      { key: 'a', value: 'b c' },
      { key: 'd', value: '' },
    ])
    expect(tagText([])).toBe('')
  })

  it.each([
    Array.from({ length: 11 }, (_, index) => ({ key: String(index), value: '' })),
    [
      { key: 'a', value: '' },
      { key: 'a', value: 'b' },
    ],
    [{ key: '', value: '' }],
    [{ key: 'k'.repeat(129), value: '' }],
    [{ key: 'k', value: 'v'.repeat(257) }],
  ])('have the limits of S3 (%#)', (...tags) => {
    expect(codeOf(() => tagText(tags))).toBe('InvalidTag')
  })
})

describe('errors', () => {
  it.each<[SkeinError, string, number]>([
    [s3Error('NoSuchUpload'), 'NoSuchUpload', 404],
    [new SkeinError('not_found', 'x'), 'NoSuchKey', 404],
    [new SkeinError('failed_precondition', 'x', { reason: 'read_only' }), 'AccessDenied', 403],
    [new SkeinError('failed_precondition', 'x'), 'InvalidRequest', 400],
    [new SkeinError('resource_exhausted', 'x', { reason: 'no_capacity' }), 'ServiceUnavailable', 503],
    [new SkeinError('resource_exhausted', 'x', { retryable: true }), 'SlowDown', 503],
    [new SkeinError('aborted', 'x', { reason: 'file_changed' }), 'PreconditionFailed', 412],
    [new SkeinError('unimplemented', 'x'), 'NotImplemented', 501],
    [new SkeinError('unavailable', 'x'), 'ServiceUnavailable', 503],
    [new SkeinError('internal', 'a secret'), 'InternalError', 500],
    // A word of the file system that only looks like a field of the table.
    [new SkeinError('unavailable', 'x', { reason: 'toString' }), 'ServiceUnavailable', 503],
  ])('%o', (error, code, status) => {
    const answer = s3AnswerOf(error)
    expect(answer).toMatchObject({ code, status })
    expect(errorDocument(answer, '/a', 'id')).not.toContain('secret')
  })

  it('are well-formed XML, whatever the path is', () => {
    expect(errorDocument({ code: 'NoSuchKey', status: 404, message: 'a<b' }, '/b/&\u0001\ud800', 'R')).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>a&lt;b</Message>' +
        '<Resource>/b/&amp;&#x1;\ufffd</Resource><RequestId>R</RequestId></Error>',
    )
  })
})

describe('text in XML', () => {
  it('is escaped', () => {
    expect(escapedXml('a&b<c>"d"\'e\'')).toBe("a&amp;b&lt;c&gt;&quot;d&quot;'e'")
    expect(escapedXml('\t\r\n\u0000\u007f\uffff\u{1f600}')).toBe('&#x9;&#xD;&#xA;&#x0;&#x7F;&#xFFFF;\u{1f600}')
  })
})
