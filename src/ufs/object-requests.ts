// Why: looking at objects and writing them is a handful of requests, and a general client reads far more of their answers than
// is needed, and fails by it. How: each request as the Amazon S3 API Reference has it, sent by store-requests.ts; of its answer
// only what trust/object-answers.ts knows. Whole bodies only, with a length and a Content-MD5 (COS takes no trailing checksums).
import { hash } from 'node:crypto'
import type { StoreDocument } from './document-get.ts'
import { answerError, errorCodeOf, plainToTlsError, requestName, type StoreAddress } from './s3-errors.ts'
import { encodeKey, unsignedPayload } from './sigv4.ts'
import type { S3Options } from './store-options.ts'
import type { DocumentRequest, StoreRequests } from './store-requests.ts'
import { notUnderstoodError } from './trust/answer-error.ts'
import { elementText, headAnswer, type HeadAnswer, type ListedUpload, sizeOfFirstByte, uploadsOf } from './trust/object-answers.ts'
import { bareEtag } from './trust/range-answer.ts'

/** What must hold for a write to be carried out. */
export interface WriteCondition {
  /** Nothing is at the key. */
  readonly isNew?: boolean
}

export interface Body {
  readonly bytes: Buffer
  readonly md5: Buffer
}

export interface ObjectRequests {
  head(key: string, signal: AbortSignal): Promise<HeadAnswer>
  /** The object's size, by a range; undefined when the answer does not tell. */
  size(key: string, signal: AbortSignal): Promise<number | undefined>
  /** The ETag that the answer names, if it does. */
  put(key: string, body: Body, condition: WriteCondition, signal: AbortSignal): Promise<string | undefined>
  /** The id of the upload. @throws SkeinError answer_not_understood when the answer does not name it */
  beginUpload(key: string, signal: AbortSignal): Promise<string>
  putPart(key: string, uploadId: string, number: number, body: Body, signal: AbortSignal): Promise<string | undefined>
  completeUpload(
    key: string,
    uploadId: string,
    etags: readonly string[],
    condition: WriteCondition,
    signal: AbortSignal,
  ): Promise<string | undefined>
  abortUpload(key: string, uploadId: string, signal: AbortSignal): Promise<void>
  uploads(key: string, signal: AbortSignal): Promise<readonly ListedUpload[]>
  /** What the store's clock says now, as far as is known. */
  storeNowMs(): number
  copy(
    source: { readonly key: string; readonly etag: string },
    to: string,
    condition: WriteCondition,
    signal: AbortSignal,
  ): Promise<string | undefined>
  /** `etag`: only this version. */
  delete(key: string, etag: string | undefined, signal: AbortSignal): Promise<void>
}

type Headers = readonly (readonly [string, string])[]

/** Each throws SkeinErrors for what the store refuses, and what StoreRequests.document throws. Keys are the namespace's. */
export function objectRequests(options: S3Options, address: StoreAddress, requests: StoreRequests): ObjectRequests {
  const isSecure = options.endpoint.startsWith('https:')
  const bodyHash = (bytes: Uint8Array): string => (isSecure ? unsignedPayload : hash('sha256', bytes))
  // COS has a header of its own for it (PUT Object, Initiate and Complete Multipart Upload).
  const isNewHeader = options.kind === 'cosn' ? (['x-cos-forbid-overwrite', 'true'] as const) : (['if-none-match', '*'] as const)
  const conditionOf = ({ isNew }: WriteCondition): Headers => (isNew === true ? [isNewHeader] : [])
  const send = async (request: DocumentRequest, signal: AbortSignal): Promise<StoreDocument> =>
    checked(address, request.what, await requests.document({ ...request, key: options.prefix + request.key }, signal))
  const bodied = ({ bytes, md5 }: Body): Pick<DocumentRequest, 'body' | 'payloadHash'> & { readonly headers: Headers } => ({
    body: bytes,
    payloadHash: bodyHash(bytes),
    headers: [
      ['content-md5', md5.toString('base64')],
      ['content-type', 'application/octet-stream'],
    ],
  })
  return {
    head: async (key, signal) => {
      const what = requestName('HEAD', key)
      return headAnswer((await send({ what, method: 'HEAD', key }, signal)).headers)
    },
    size: async (key, signal) => {
      const what = requestName('GET', key)
      const range = [['range', 'bytes=0-0']] as const
      const answer = await requests.document({ what, method: 'GET', key: options.prefix + key, headers: range }, signal)
      return sizeOfFirstByte(answer.status, answer.headers)
    },
    put: async (key, body, condition, signal) => {
      const { headers, ...rest } = bodied(body)
      const request = {
        what: requestName('PUT', key),
        method: 'PUT' as const,
        key,
        headers: [...headers, ...conditionOf(condition)],
        ...rest,
      }
      return etagOf(await send(request, signal))
    },
    beginUpload: async (key, signal) => {
      const what = requestName('CREATE UPLOAD', key)
      const headers: Headers = [['content-type', 'application/octet-stream']]
      const answer = await send({ what, method: 'POST', key, query: { uploads: '' }, headers }, signal)
      const uploadId = elementText(answer.text, 'UploadId')
      if (uploadId !== undefined) return uploadId
      const value = answer.text === '' ? undefined : answer.text
      throw notUnderstoodError({ address, what }, { field: 'UploadId', value, expected: 'the id of the upload that was begun' })
    },
    putPart: async (key, uploadId, number, body, signal) => {
      const query = { partNumber: String(number), uploadId }
      return etagOf(await send({ what: requestName(`PART ${number}`, key), method: 'PUT', key, query, ...bodied(body) }, signal))
    },
    completeUpload: async (key, uploadId, etags, condition, signal) => {
      const parts = etags.map(
        (etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>&quot;${escaped(etag)}&quot;</ETag></Part>`,
      )
      const xmlns = 'http://s3.amazonaws.com/doc/2006-03-01/'
      const body = Buffer.from(`<CompleteMultipartUpload xmlns="${xmlns}">${parts.join('')}</CompleteMultipartUpload>`)
      const headers: Headers = [['content-type', 'application/xml'], ...conditionOf(condition)]
      const what = requestName('COMPLETE UPLOAD', key)
      const answer = await send({ what, method: 'POST', key, query: { uploadId }, headers, body, payloadHash: bodyHash(body) }, signal)
      return bareText(elementText(answer.text, 'ETag'))
    },
    abortUpload: async (key, uploadId, signal) => {
      await send({ what: requestName('ABORT UPLOAD', key), method: 'DELETE', key, query: { uploadId } }, signal)
    },
    uploads: async (key, signal) => {
      const what = requestName('LIST UPLOADS', key)
      const query = { uploads: '', prefix: options.prefix + key, 'encoding-type': 'url' }
      const answer = checked(address, what, await requests.document({ what, method: 'GET', key: '', query }, signal))
      return uploadsOf(answer.text, options.prefix + key)
    },
    storeNowMs: () => requests.storeNowMs(),
    copy: async ({ key, etag }, to, condition, signal) => {
      const source = encodeKey(`${options.bucket}/${options.prefix}${key}`)
      const headers: Headers = [['x-amz-copy-source', source], ['x-amz-copy-source-if-match', `"${etag}"`], ...conditionOf(condition)]
      const answer = await send({ what: requestName('COPY', key), method: 'PUT', key: to, headers }, signal)
      return bareText(elementText(answer.text, 'ETag'))
    },
    delete: async (key, etag, signal) => {
      const headers: Headers = etag === undefined ? [] : [['if-match', `"${etag}"`]]
      await send({ what: requestName('DELETE', key), method: 'DELETE', key, headers }, signal)
    },
  }
}

/** The answer, where it is a good one. S3 also tells of failures under status 200, in a document. */
function checked(address: StoreAddress, what: string, answer: StoreDocument): StoreDocument {
  const { status, text } = answer
  const code = errorCodeOf(text)
  const isError = /^\s*(?:<\?xml[^>]*>\s*)?<Error[\s>]/.test(text)
  if (status >= 200 && status < 300 && status !== 206 && !isError) return answer
  throw plainToTlsError(address, what, status, text) ?? answerError(address, what, status, code)
}

function etagOf(answer: StoreDocument): string | undefined {
  return bareText(answer.headers.get('etag'))
}

function bareText(text: string | undefined): string | undefined {
  const bare = bareEtag(text ?? '')
  return bare === '' ? undefined : bare
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
