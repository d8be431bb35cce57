// Why: what the origin answers to writes: PUT with Content-MD5 and conditions, copies, and
// multipart uploads. How: the body is gathered, checked as a real store checks it, and then carried
// out; nothing happens for a body that did not come whole.
import { createHash, hash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { type Exchange, sendError } from './exchange.ts'
import type { Fault } from './faults.ts'

const putBytesMax = 256 * 1024 * 1024

/** Answers a PUT, a part, or a POST or DELETE of an upload. */
export function answerWrite(exchange: Exchange, fault: Fault | undefined): void {
  const { request, response } = exchange
  const wantedHash = String(request.headers['x-amz-content-sha256'])
  const bodyless =
    exchange.kind === 'abort_upload' ||
    exchange.kind === 'create_upload' ||
    request.headers['x-amz-copy-source'] !== undefined
  const chunked = request.headers['content-length'] === undefined && !bodyless
  if (wantedHash.startsWith('STREAMING-') || chunked) {
    sendError(response, request, 'NotImplemented')
    return
  }
  if (fault?.kind === 'misread' && request.headers['if-match'] !== undefined) {
    sendError(response, request, 'PreconditionFailed')
    return
  }
  if (fault?.kind === 'unconditional' && request.headers['if-none-match'] !== undefined) {
    sendError(response, request, 'NotImplemented')
    return
  }
  const chunks: Buffer[] = []
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (fault?.kind === 'cut' && bytes >= (fault.afterBytes ?? 0)) request.socket.resetAndDestroy()
    else if (bytes > putBytesMax) request.destroy()
    else chunks.push(chunk)
  })
  request.on('end', () => {
    const body = Buffer.concat(chunks)
    const md5 = request.headers['content-md5']
    if (wantedHash !== 'UNSIGNED-PAYLOAD' && hash('sha256', body) !== wantedHash)
      sendError(response, request, 'BadDigest')
    else if (md5 !== undefined && createHash('md5').update(body).digest('base64') !== md5)
      sendError(response, request, 'BadDigest')
    else if (fault?.kind === 'lost_answer') {
      carryOut(exchange, body)
      request.socket.resetAndDestroy()
    } else {
      const answer = carryOut(exchange, body)
      if (typeof answer === 'string') sendError(response, request, answer)
      else {
        const text = answer.text ?? ''
        response
          .writeHead(answer.status ?? 200, { ...answer.headers, 'content-length': Buffer.byteLength(text) })
          .end(text)
      }
    }
  })
}

interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly text?: string
}

/** What is answered, or an error code. */
function carryOut(exchange: Exchange, body: Buffer): Answer | string {
  const { request, bucket, key, kind, query, cos } = exchange
  const exists = bucket.get(key) !== undefined
  if (exists && request.headers['if-none-match'] === '*') return 'PreconditionFailed'
  const version = request.headers['if-match']
  // COS documents no condition on a version for writes.
  if (version !== undefined && kind !== 'delete' && !cos) {
    if (!exists) return 'NoSuchKey'
    if (version.replaceAll('"', '') !== bucket.get(key)?.etag) return 'PreconditionFailed'
  }
  if (exists && cos && request.headers['x-cos-forbid-overwrite'] === 'true') return 'FileAlreadyExists'
  const uploadId = query.get('uploadId') ?? ''
  if (uploadId !== '' && !bucket.uploads.has(uploadId, key)) return 'NoSuchUpload'
  if (kind === 'create_upload') {
    const id = bucket.uploads.create(key, Date.now(), metadataOf(request.headers))
    return { text: `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>` }
  }
  if (kind === 'part')
    return { headers: { etag: `"${bucket.uploads.addPart(uploadId, Number(query.get('partNumber')), body)}"` } }
  if (kind === 'abort_upload') {
    bucket.uploads.remove(uploadId)
    return { status: 204 }
  }
  if (kind === 'complete_upload') {
    const done = bucket.uploads.complete(uploadId, partsOf(body.toString()))
    if (typeof done === 'string') return done
    bucket.put(key, done.body, { etag: done.etag, metadata: done.metadata })
    return { text: `<CompleteMultipartUploadResult><ETag>"${done.etag}"</ETag></CompleteMultipartUploadResult>` }
  }
  return request.headers['x-amz-copy-source'] === undefined ? put(exchange, body) : copy(exchange)
}

function put({ request, bucket, key }: Exchange, body: Buffer): Answer {
  const storageClass = request.headers['x-amz-storage-class']
  const options = {
    etag: hash('md5', body),
    metadata: metadataOf(request.headers),
    ...(storageClass === undefined ? {} : { storageClass: String(storageClass) }),
  }
  return { headers: { etag: `"${bucket.put(key, body, options).etag}"` } }
}

function copy({ request, bucket, key }: Exchange): Answer | string {
  const [, from = ''] = /^\/?[^/]+\/(.+)$/.exec(decodeURIComponent(String(request.headers['x-amz-copy-source']))) ?? []
  const source = bucket.get(from)
  if (source === undefined) return 'NoSuchKey'
  const match = request.headers['x-amz-copy-source-if-match']
  if (match !== undefined && String(match).replaceAll('"', '') !== source.etag) return 'PreconditionFailed'
  const { etag } = bucket.put(key, bucket.bytesOf(from), { etag: source.etag, metadata: source.metadata })
  return { text: `<CopyObjectResult><ETag>"${etag}"</ETag></CopyObjectResult>` }
}

/** What is stored with an object. */
function metadataOf(headers: IncomingHttpHeaders): Record<string, string> {
  const isStored = (name: string): boolean => name === 'content-type' || name.startsWith('x-amz-meta-')
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (isStored(name) ? [[name, String(value)]] : [])),
  )
}

function partsOf(xml: string): { number: number; etag: string }[] {
  return [...xml.matchAll(/<Part>.*?<\/Part>/gs)].map(([part]) => ({
    number: Number(/<PartNumber>(\d+)</.exec(part)?.[1]),
    etag: (/<ETag>([^<]*)</.exec(part)?.[1] ?? '').replaceAll('&quot;', '').replaceAll('"', ''),
  }))
}
