// Why: method, path, query and one header say which operation of S3 a request is; what is not
// supported must be refused by name, never taken for another one. How: a table of operations with
// the query fields that each takes. A field that stands nowhere is refused. Source: Amazon S3 API
// Reference.
import { notImplemented, s3Error } from '../answer/error-table.ts'
import type { HeaderFields } from './header-fields.ts'
import type { ObjectAddress } from './object-address.ts'
import type { QueryFields } from './query-fields.ts'

type Place = 'service' | 'bucket' | 'object'

interface Route {
  readonly method: string
  readonly place: Place
  /** The query field that makes it this operation. */
  readonly field?: string
  /** The header that makes it this operation. */
  readonly header?: string
  /** Further query fields. */
  readonly takes?: readonly string[]
  /** Whether it only reads. */
  readonly reads?: true
}

const listing = ['prefix', 'delimiter', 'encoding-type', 'max-keys']
const overrides = [
  ...['response-content-type', 'response-content-language', 'response-expires', 'response-cache-control'],
  ...['response-content-disposition', 'response-content-encoding'],
]
const part = ['partNumber']
const copySource = 'x-amz-copy-source'

/** More specific routes come first. */
const routes = {
  ListBuckets: {
    ...{ method: 'GET', place: 'service', reads: true },
    takes: ['prefix', 'max-buckets', 'continuation-token', 'bucket-region'],
  },
  GetBucketLocation: { method: 'GET', place: 'bucket', field: 'location', reads: true },
  GetBucketVersioning: { method: 'GET', place: 'bucket', field: 'versioning', reads: true },
  GetBucketTagging: { method: 'GET', place: 'bucket', field: 'tagging', reads: true },
  DeleteBucketTagging: { method: 'DELETE', place: 'bucket', field: 'tagging' },
  ListMultipartUploads: {
    ...{ method: 'GET', place: 'bucket', field: 'uploads', reads: true },
    takes: ['prefix', 'delimiter', 'encoding-type', 'max-uploads', 'key-marker', 'upload-id-marker'],
  },
  ListObjectsV2: {
    ...{ method: 'GET', place: 'bucket', field: 'list-type', reads: true },
    takes: [...listing, 'continuation-token', 'start-after', 'fetch-owner'],
  },
  ListObjects: { method: 'GET', place: 'bucket', takes: [...listing, 'marker'], reads: true },
  HeadBucket: { method: 'HEAD', place: 'bucket', reads: true },
  CreateBucket: { method: 'PUT', place: 'bucket' },
  DeleteBucket: { method: 'DELETE', place: 'bucket' },
  DeleteObjects: { method: 'POST', place: 'bucket', field: 'delete' },
  GetObjectTagging: { method: 'GET', place: 'object', field: 'tagging', takes: ['versionId'], reads: true },
  PutObjectTagging: { method: 'PUT', place: 'object', field: 'tagging', takes: ['versionId'] },
  DeleteObjectTagging: { method: 'DELETE', place: 'object', field: 'tagging', takes: ['versionId'] },
  ListParts: {
    ...{ method: 'GET', place: 'object', field: 'uploadId', reads: true },
    takes: ['max-parts', 'part-number-marker', 'encoding-type'],
  },
  UploadPartCopy: { method: 'PUT', place: 'object', field: 'uploadId', header: copySource, takes: part },
  UploadPart: { method: 'PUT', place: 'object', field: 'uploadId', takes: part },
  CreateMultipartUpload: { method: 'POST', place: 'object', field: 'uploads' },
  CompleteMultipartUpload: { method: 'POST', place: 'object', field: 'uploadId' },
  AbortMultipartUpload: { method: 'DELETE', place: 'object', field: 'uploadId' },
  GetObjectAttributes: { method: 'GET', place: 'object', field: 'attributes', takes: ['versionId'], reads: true },
  GetObject: { method: 'GET', place: 'object', takes: ['versionId', ...part, ...overrides], reads: true },
  HeadObject: { method: 'HEAD', place: 'object', takes: ['versionId', ...part, ...overrides], reads: true },
  CopyObject: { method: 'PUT', place: 'object', header: copySource },
  PutObject: { method: 'PUT', place: 'object' },
  DeleteObject: { method: 'DELETE', place: 'object', takes: ['versionId'] },
} as const satisfies Readonly<Record<string, Route>>

export type Operation = keyof typeof routes
const table: readonly (readonly [Operation, Route])[] = Object.entries(routes) as [Operation, Route][]

/** Fields that say nothing about the operation: the SDKs' name of it, and presigned signatures. */
const neutral = /^(?:x-id|x-amz-.*)$/i
const selecting: ReadonlySet<string> = new Set(table.flatMap(([, { field }]) => (field === undefined ? [] : [field])))

export interface Routed {
  readonly operation: Operation
  readonly reads: boolean
}

/** @throws S3 NotImplemented, which names the field, and MethodNotAllowed */
export function operationOf(
  method: string,
  address: ObjectAddress,
  query: QueryFields,
  headers: Pick<HeaderFields, 'has'>,
): Routed {
  const place: Place = address.bucket === '' ? 'service' : address.key === '' ? 'bucket' : 'object'
  const names = query.pairs.map(([name]) => name).filter((name) => !neutral.test(name))
  const found = table.find(
    ([, route]) =>
      route.method === method &&
      route.place === place &&
      (route.field === undefined ? !names.some((name) => selecting.has(name)) : names.includes(route.field)) &&
      (route.header === undefined || headers.has(route.header)),
  )
  const [operation, route] = found ?? []
  const known = [...(route?.takes ?? []), ...(route?.field === undefined ? [] : [route.field])]
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) throw notImplemented(`${method} with the query field ${shown(unknown)}`)
  if (operation === undefined || route === undefined) throw unsupported(method, place)
  if (headers.has(copySource) && route.header === undefined) throw notImplemented(`${operation} with ${copySource}`)
  return { operation, reads: route.reads === true }
}

function unsupported(method: string, place: Place): Error {
  if (method === 'OPTIONS') return notImplemented('CORS (OPTIONS)')
  if (method === 'POST' && place !== 'service') return notImplemented('A POST of a form (PostObject)')
  return s3Error('MethodNotAllowed', `The method ${shown(method)} is not allowed for a ${place}.`)
}

function shown(text: string): string {
  return text.slice(0, 100)
}
