// Why: the S3 SDK knows how each request that changes something is encoded and how its response is
// parsed. We send, sign and check the requests ourselves. How: one S3Client whose handler passes
// what the SDK encoded (key, query, the headers below, the body) to `send`. Of a successful
// response the SDK receives only the document and the ETag, because a date in an unusual header
// would make it throw. So the SDK never sees a refusal, a redirect, a secret, the endpoint, the
// bucket or the environment. If it cannot parse a document (a prefix, a stray `&`, a date),
// trust/object-answers.ts may: an upload that was created has an id.
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { hash } from 'node:crypto'
import type { StoredMetadata } from '../../../base/attributes/object-metadata.ts'
import { SkeinError } from '../../../base/errors.ts'
import type { StoreDocument } from './document-get.ts'
import type { Body, ObjectWrites, WriteCondition } from './write-requests.ts'
import { requestName, type StoreAddress } from '../../trust/s3-errors.ts'
import { encodeKey, unsignedPayload } from './sigv4.ts'
import type { S3Options } from '../../store-options.ts'
import type { DocumentRequest } from './store-requests.ts'
import { notUnderstoodError } from '../../trust/answer-error.ts'
import { elementText } from '../../trust/object-answers.ts'
import { bareEtag } from '../../trust/range-answer.ts'

type Handler = Extract<NonNullable<S3ClientConfig['requestHandler']>, { handle: unknown }>
type WrittenRequest = Parameters<Handler['handle']>[0]

/** One request through the SDK. */
interface Exchange {
  readonly abortSignal: AbortSignal
  readonly send: (written: WrittenRequest) => Promise<StoreDocument>
  answer?: StoreDocument
  failure?: { readonly thrown: unknown }
}

/** A placeholder for the bucket in the SDK's paths. s3-transport.ts sets the real one. */
const bucket = 'bucket'
const pathStart = `/${bucket}/`
const octets = 'application/octet-stream'

/**
 * The headers of the SDK that are sent. The others are for its own transport and for AWS
 * statistics.
 */
const sentHeaders = [
  'content-md5',
  'content-type',
  'if-match',
  'if-none-match',
  'x-amz-copy-source',
  'x-amz-copy-source-if-match',
]
const metadataPrefix = 'x-amz-meta-'

/** Sets everything that the SDK would otherwise look up in the environment or a home directory. */
const client = new S3Client({
  region: 'us-east-1',
  endpoint: 'http://store.invalid',
  forcePathStyle: true,
  credentials: { accessKeyId: 'unused', secretAccessKey: 'unused' },
  signer: { sign: (request) => Promise.resolve(request) },
  authSchemePreference: [],
  sigv4aSigningRegionSet: [],
  maxAttempts: 1,
  retryMode: 'standard',
  defaultsMode: 'standard',
  requestChecksumCalculation: 'WHEN_REQUIRED',
  responseChecksumValidation: 'WHEN_REQUIRED',
  disableS3ExpressSessionAuth: true,
  useArnRegion: false,
  useDualstackEndpoint: false,
  useFipsEndpoint: false,
  userAgentAppId: 'skein',
  defaultUserAgentProvider: () => Promise.resolve([]),
  requestHandler: { handle: (request: WrittenRequest, exchange?: object) => handle(request, exchange as Exchange) },
})

/** Sends what the SDK encoded. An error of the exchange is kept there for the caller. */
async function handle(
  request: WrittenRequest,
  exchange: Exchange,
): Promise<{ response: { statusCode: number; headers: Record<string, string>; body: Uint8Array } }> {
  try {
    exchange.answer = await exchange.send(request)
  } catch (thrown) {
    exchange.failure = { thrown }
    throw new Error('no response that can be read', { cause: thrown })
  }
  const { status, headers, text } = exchange.answer
  const etag = headers.get('etag')
  return { response: { statusCode: status, headers: etag === undefined ? {} : { etag }, body: Buffer.from(text) } }
}

/** `send` takes full keys and returns only successful responses. */
export function sdkWrites(
  options: S3Options,
  address: StoreAddress,
  send: (request: DocumentRequest, signal: AbortSignal) => Promise<StoreDocument>,
): ObjectWrites {
  const isSecure = options.endpoint.startsWith('https:')
  const place = (key: string): { readonly Bucket: string; readonly Key: string } => ({
    Bucket: bucket,
    Key: options.prefix + key,
  })
  /**
   * The response, and the SDK's parsed output; the output is undefined when the SDK cannot parse
   * it.
   */
  const asked = async <Output>(
    what: string,
    signal: AbortSignal,
    sending: (exchange: Exchange) => Promise<Output>,
  ): Promise<{ readonly output: Output | undefined; readonly text: string }> => {
    const exchange: Exchange = {
      abortSignal: signal,
      send: (written) => {
        const body = bodyOf(written.body)
        const payloadHash = body === undefined ? undefined : isSecure ? unsignedPayload : hash('sha256', body)
        return send({ what, ...requestOf(written, options.kind), body, payloadHash }, signal)
      },
    }
    const output = await sending(exchange).catch((thrown: unknown) => {
      if (exchange.failure !== undefined) throw exchange.failure.thrown
      if (exchange.answer !== undefined) return undefined
      throw new SkeinError('invalid_argument', `${what} cannot be encoded as a request`, { cause: thrown })
    })
    return { output, text: exchange.answer?.text ?? '' }
  }
  return {
    put: async (key, body, metadata, condition, signal) => {
      const what = { ...bodied(body), ...metadataOf(metadata), ...conditionOf(condition) }
      const command = new PutObjectCommand({ ...place(key), ...what })
      const { output } = await asked(requestName('PUT', key), signal, (exchange) => client.send(command, exchange))
      return etagOf(output?.ETag)
    },
    beginUpload: async (key, metadata, signal) => {
      const what = requestName('CREATE UPLOAD', key)
      const command = new CreateMultipartUploadCommand({ ...place(key), ...metadataOf(metadata) })
      const { output, text } = await asked(what, signal, (exchange) => client.send(command, exchange))
      const uploadId = output?.UploadId?.trim() ?? ''
      const found = uploadId === '' ? elementText(text, 'UploadId') : uploadId
      if (found !== undefined) return found
      const value = text === '' ? undefined : text
      throw notUnderstoodError({ address, what }, { field: 'UploadId', value, expected: 'the id of the new upload' })
    },
    putPart: async (key, uploadId, number, body, signal) => {
      const command = new UploadPartCommand({ ...place(key), UploadId: uploadId, PartNumber: number, ...bodied(body) })
      const { output } = await asked(requestName(`PART ${number}`, key), signal, (exchange) =>
        client.send(command, exchange),
      )
      return etagOf(output?.ETag)
    },
    completeUpload: async (key, uploadId, etags, condition, signal) => {
      const Parts = etags.map((etag, index) => ({ PartNumber: index + 1, ETag: `"${etag}"` }))
      const upload = { UploadId: uploadId, MultipartUpload: { Parts } }
      const command = new CompleteMultipartUploadCommand({ ...place(key), ...upload, ...conditionOf(condition) })
      const { output, text } = await asked(requestName('COMPLETE UPLOAD', key), signal, (exchange) =>
        client.send(command, exchange),
      )
      return etagOf(output?.ETag ?? elementText(text, 'ETag'))
    },
    abortUpload: async (key, uploadId, signal) => {
      const command = new AbortMultipartUploadCommand({ ...place(key), UploadId: uploadId })
      await asked(requestName('ABORT UPLOAD', key), signal, (exchange) => client.send(command, exchange))
    },
    copy: async ({ key, etag }, to, condition, signal) => {
      const CopySource = encodeKey(`${options.bucket}/${options.prefix}${key}`)
      const source = { CopySource, CopySourceIfMatch: `"${etag}"` }
      const command = new CopyObjectCommand({ ...place(to), ...source, ...conditionOf(condition) })
      const { output, text } = await asked(requestName('COPY', key), signal, (exchange) =>
        client.send(command, exchange),
      )
      return etagOf(output?.CopyObjectResult?.ETag ?? elementText(text, 'ETag'))
    },
    delete: async (key, etag, signal) => {
      const command = new DeleteObjectCommand({ ...place(key), ...(etag !== undefined && { IfMatch: `"${etag}"` }) })
      await asked(requestName('DELETE', key), signal, (exchange) => client.send(command, exchange))
    },
  }
}

/** The request that the SDK encoded, without the headers for its own use. */
function requestOf(
  { method, path, query, headers }: WrittenRequest,
  kind: S3Options['kind'],
): Omit<DocumentRequest, 'what'> {
  if ((method !== 'PUT' && method !== 'POST' && method !== 'DELETE') || !path.startsWith(pathStart))
    throw new SkeinError('internal', `the S3 SDK encoded ${method} ${path.slice(0, 100)}`)
  const values = Object.entries(query ?? {}).filter(([name]) => name !== 'x-id')
  return {
    method,
    key: decodeURIComponent(path.slice(pathStart.length)),
    query: Object.fromEntries(values.map(([name, value]) => [name, typeof value === 'string' ? value : ''])),
    headers: [...sentHeaders, ...Object.keys(headers).filter((name) => name.startsWith(metadataPrefix))].flatMap(
      (name) => {
        const value = headers[name]
        if (value === undefined) return []
        // COS uses its own header for this (PUT Object, Initiate and Complete Multipart Upload).
        return name === 'if-none-match' && kind === 'cosn'
          ? [['x-cos-forbid-overwrite', 'true'] as const]
          : [[name, value] as const]
      },
    ),
  }
}

function bodyOf(body: unknown): Uint8Array | undefined {
  if (body === undefined || body instanceof Uint8Array) return body
  if (typeof body === 'string') return Buffer.from(body)
  throw new SkeinError('internal', 'the S3 SDK encoded a body that is not bytes')
}

function bodied({ bytes, md5 }: Body): {
  Body: Buffer
  ContentLength: number
  ContentMD5: string
  ContentType: string
} {
  return { Body: bytes, ContentLength: bytes.length, ContentMD5: md5.toString('base64'), ContentType: octets }
}

function metadataOf({ contentType = octets, userMetadata = {} }: StoredMetadata): {
  readonly ContentType: string
  readonly Metadata?: Record<string, string>
} {
  const isGiven = Object.keys(userMetadata).length > 0
  return { ContentType: contentType, ...(isGiven ? { Metadata: { ...userMetadata } } : {}) }
}

function conditionOf({ isNew, replaces }: WriteCondition): {
  readonly IfNoneMatch?: string
  readonly IfMatch?: string
} {
  if (replaces !== undefined) return { IfMatch: `"${replaces}"` }
  return isNew === true ? { IfNoneMatch: '*' } : {}
}

function etagOf(text = ''): string | undefined {
  const bare = bareEtag(text.trim())
  return bare === '' ? undefined : bare
}
