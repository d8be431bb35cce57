import { describe, expect, it } from 'vitest'
import { HeaderFields } from '../../../../src/gateway/s3/request/header-fields.ts'
import { checkHeaders } from '../../../../src/gateway/s3/request/header-rules.ts'
import { addressOf, targetOf } from '../../../../src/gateway/s3/request/object-address.ts'
import { type Operation, operationOf } from '../../../../src/gateway/s3/request/operations.ts'
import { QueryFields } from '../../../../src/gateway/s3/request/query-fields.ts'
import { codeOf } from './support/signed.ts'

const domains = ['s3.example.com', 'objects.test']

describe('bucket and key', () => {
  it.each<[string, string, string, string]>([
    ['/', 'localhost:9000', '', ''],
    ['/?prefix=a', 'localhost', '', ''],
    ['/bucket', 'localhost', 'bucket', ''],
    ['/bucket/', '127.0.0.1:9000', 'bucket', ''],
    ['/bucket/a%20b/c+d%2Be//', '127.0.0.1', 'bucket', 'a b/c+d+e//'],
    ['/bucket//a', '[::1]:9000', 'bucket', '/a'],
    ['/a/b', 's3.example.com', 'a', 'b'],
    ['/a/b?c', 'bucket.s3.example.com:9000', 'bucket', 'a/b'],
    ['/', 'My.Bucket.S3.Example.com', 'My.Bucket', ''],
    ['/%C3%A9', 'b.objects.test', 'b', '\u00e9'],
    ['/a/b', 'other.example.com', 'a', 'b'],
    ['http://any.host/a/b?c', 'localhost', 'a', 'b'],
  ])('%s at %s', (url, host, bucket, key) => {
    expect(targetOf(url, host, domains)).toMatchObject({ bucket, key })
  })

  it.each([
    ['//a', 'InvalidBucketName'],
    ['/-a/b', 'InvalidBucketName'],
    ['/a_b%00/b', 'InvalidBucketName'],
    ['/b/%FF', 'InvalidURI'],
    ['/b/%', 'InvalidURI'],
    ['*', 'InvalidURI'],
    ['/b/a/../c', 'InvalidArgument'],
    ['/b/%2E%2E', 'InvalidArgument'],
    ['/b/a%00', 'InvalidArgument'],
    [`/b/${'k'.repeat(1025)}`, 'KeyTooLongError'],
    ['/b/.skein/uploads/1', 'AccessDenied'],
  ])('%s is refused', (url, code) => {
    expect(codeOf(() => targetOf(url, 'localhost', domains))).toBe(code)
  })

  it('of a copy source, with or without a slash at its start', () => {
    expect(addressOf('/b/k/l')).toEqual({ bucket: 'b', key: 'k/l' })
    expect(addressOf('b/k')).toEqual({ bucket: 'b', key: 'k' })
    for (const text of ['', '/', 'b', '/b/', 'b/']) expect(codeOf(() => addressOf(text))).toBe('InvalidArgument')
  })
})

const [service, bucket, object] = [
  { bucket: '', key: '' },
  { bucket: 'b', key: '' },
  { bucket: 'b', key: 'k' },
]
const route = (method: string, address: typeof bucket, query = '', ...headers: readonly string[]): Operation =>
  operationOf(method, address, new QueryFields(query), new HeaderFields(headers.flatMap((name) => [name, 'x'])))
    .operation

describe('operations', () => {
  it.each<[string, typeof bucket, string, Operation]>([
    ['GET', service, '', 'ListBuckets'],
    ['GET', bucket, '', 'ListObjects'],
    ['GET', bucket, 'prefix=a&delimiter=%2F&marker=x&max-keys=2&encoding-type=url', 'ListObjects'],
    ['GET', bucket, 'list-type=2&prefix=&fetch-owner=true&start-after=a&continuation-token=x', 'ListObjectsV2'],
    ['GET', bucket, 'location', 'GetBucketLocation'],
    ['GET', bucket, 'location=', 'GetBucketLocation'],
    ['GET', bucket, 'versioning', 'GetBucketVersioning'],
    ['GET', bucket, 'tagging', 'GetBucketTagging'],
    ['DELETE', bucket, 'tagging', 'DeleteBucketTagging'],
    ['GET', bucket, 'uploads&prefix=a', 'ListMultipartUploads'],
    ['HEAD', bucket, '', 'HeadBucket'],
    ['PUT', bucket, '', 'CreateBucket'],
    ['DELETE', bucket, '', 'DeleteBucket'],
    ['POST', bucket, 'delete', 'DeleteObjects'],
    ['GET', object, 'x-id=GetObject', 'GetObject'],
    ['GET', object, 'X-Amz-Signature=1&response-content-type=a', 'GetObject'],
    ['HEAD', object, 'partNumber=1', 'HeadObject'],
    ['PUT', object, '', 'PutObject'],
    ['DELETE', object, '', 'DeleteObject'],
    ['GET', object, 'tagging', 'GetObjectTagging'],
    ['PUT', object, 'tagging', 'PutObjectTagging'],
    ['DELETE', object, 'tagging', 'DeleteObjectTagging'],
    ['POST', object, 'uploads', 'CreateMultipartUpload'],
    ['PUT', object, 'partNumber=1&uploadId=u', 'UploadPart'],
    ['GET', object, 'uploadId=u&max-parts=2', 'ListParts'],
    ['GET', object, 'attributes', 'GetObjectAttributes'],
    ['POST', object, 'uploadId=u', 'CompleteMultipartUpload'],
    ['DELETE', object, 'uploadId=u', 'AbortMultipartUpload'],
  ])('%s %o ?%s is %s', (method, address, query, operation) => {
    expect(route(method, address, query)).toBe(operation)
  })

  it('a copy is told by its header', () => {
    expect(route('PUT', object, '', 'x-amz-copy-source')).toBe('CopyObject')
    expect(route('PUT', object, 'uploadId=u&partNumber=1', 'X-Amz-Copy-Source')).toBe('UploadPartCopy')
    expect(codeOf(() => route('PUT', object, 'tagging', 'x-amz-copy-source'))).toBe('NotImplemented')
  })

  it.each<[string, typeof bucket, string, string]>([
    ...['acl', 'policy', 'cors', 'lifecycle', 'versions', 'website', 'encryption'].map(
      (name) => ['GET', bucket, name, name] as [string, typeof bucket, string, string],
    ),
    ['PUT', bucket, 'versioning', 'versioning'],
    ['PUT', bucket, 'tagging', 'tagging'],
    ['PUT', object, 'acl', 'acl'],
    ['GET', object, 'torrent', 'torrent'],
    ['POST', object, 'select&select-type=2', 'select'],
    ['POST', object, 'restore', 'restore'],
    ['PUT', object, 'append', 'append'],
    ['GET', object, 'unheard-of=1', 'unheard-of'],
    ['GET', bucket, 'list-type=2&metadata=true', 'metadata'],
    ['GET', service, 'Action=ListUsers', 'Action'],
  ])('%s %o ?%s is refused by name', (method, address, query, name) => {
    expect(codeOf(() => route(method, address, query))).toBe('NotImplemented')
    expect(() => route(method, address, query)).toThrow(`query field ${name} `)
  })

  it.each<[string, typeof bucket, string]>([
    ['POST', bucket, 'NotImplemented'],
    ['OPTIONS', object, 'NotImplemented'],
    ['PATCH', object, 'MethodNotAllowed'],
    ['PUT', service, 'MethodNotAllowed'],
  ])('%s %o is %s', (method, address, code) => {
    expect(codeOf(() => route(method, address))).toBe(code)
  })
})

describe('headers', () => {
  const check = (operation: Operation, reads: boolean, headers: Readonly<Record<string, string>>): string | undefined =>
    codeOf(() => checkHeaders(operation, reads, new HeaderFields(Object.entries(headers).flat())))

  it.each<[Operation, boolean, Readonly<Record<string, string>>]>([
    [
      'PutObject',
      false,
      { 'x-amz-meta-a': 'b', 'x-amz-acl': 'private', 'x-amz-storage-class': 'STANDARD', 'if-match': '"a"' },
    ],
    ['ListObjectsV2', true, { 'x-amz-optional-object-attributes': 'RestoreStatus', 'x-amz-api-version': '2006-03-01' }],
    ['PutObject', false, { 'x-amzn-trace-id': 'by a load balancer', 'x-forwarded-for': '1.2.3.4' }],
    ['CopyObject', false, { 'x-amz-copy-source': '/a/b', 'x-amz-metadata-directive': 'COPY', 'if-none-match': '*' }],
    [
      'GetObject',
      true,
      { 'x-amz-checksum-mode': 'ENABLED', 'if-none-match': '"a"', 'x-amz-request-payer': 'requester' },
    ],
    ['CompleteMultipartUpload', false, { 'x-amz-mp-object-size': '5', 'x-amz-checksum-type': 'COMPOSITE' }],
  ])('%s takes what it knows', (operation, reads, headers) => {
    expect(check(operation, reads, headers)).toBe('no error')
  })

  it.each<[Operation, Readonly<Record<string, string>>]>([
    ['PutObject', { 'x-amz-acl': 'public-read' }],
    ['PutObject', { 'x-amz-grant-read': 'id=1' }],
    ['PutObject', { 'x-amz-server-side-encryption': 'AES256' }],
    ['PutObject', { 'x-amz-storage-class': 'GLACIER' }],
    ['PutObject', { 'x-amz-object-lock-mode': 'GOVERNANCE' }],
    ['PutObject', { 'x-amz-website-redirect-location': '/' }],
    ['PutObject', { 'x-amz-write-offset-bytes': '0' }],
    ['GetObject', { 'x-amz-server-side-encryption-customer-key': 'a' }],
    ['ListObjectsV2', { 'x-amz-optional-object-attributes': 'Other' }],
    ['UploadPart', { 'x-amz-meta-a': 'b' }],
    ['DeleteObject', { 'if-match': '"a"' }],
    ['CreateMultipartUpload', { 'if-none-match': '*' }],
  ])('%s refuses %o by name', (operation, headers) => {
    expect(check(operation, operation.startsWith('Get'), headers)).toBe('NotImplemented')
  })

  it('in the query of a presigned request count, except those of the signature', () => {
    const query = new QueryFields('X-Amz-Date=1&X-Amz-Signature=2&x-amz-acl=public-read&X-Amz-Meta-A=b')
    const headers = new HeaderFields(['a', 'b']).withQuery(query)
    expect([...headers.names()]).toEqual(['a', 'x-amz-acl', 'x-amz-meta-a'])
  })
})
