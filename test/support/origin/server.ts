// Why: a store to load from on a machine without any, strict where a real one is (signatures,
// ranges, preconditions) and ill on demand where a real one cannot be asked to be. How: node:http,
// objects in memory or generated, path style (`/bucket/key`) and virtual-hosted
// (`bucket.<domain>`), header signatures verified.
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { seededRandom } from '../../../src/base/clock.ts'
import { OriginBucket } from './bucket.ts'
import { Noise } from './content.ts'
import { type Exchange, type OriginCounters, sendError } from './exchange.ts'
import { type Fault, Faults, type RequestKind } from './faults.ts'
import { listObjects } from './listing.ts'
import { answerObject } from './object-requests.ts'
import { type OriginCredential, SignatureCheck } from './signature-check.ts'

export interface OriginOptions {
  /** 0 (default) picks a free one. */
  readonly port?: number
  readonly host?: string
  /** Virtual-hosted names are `bucket.<domain>`; `localhost` unless said otherwise. */
  readonly domain?: string
  /** Everything is below this path, such as `/s3`, and is signed with it. */
  readonly basePath?: string
  readonly credentials: readonly OriginCredential[]
  /** Names of buckets that exist from the start. */
  readonly buckets?: readonly string[]
  /** Of the generated content and of the faults' chance. */
  readonly seed?: number
  /**
   * Plays COS: path style is 403 PathStyleDomainForbidden, and answers carry x-cos-hash-crc64ecma.
   */
  readonly cos?: boolean
}

export interface Origin {
  readonly port: number
  /** `http://127.0.0.1:port` */
  readonly url: string
  /** `domain:port`, what follows `bucket.` in a virtual-hosted name. */
  readonly endpointSuffix: string
  readonly counters: OriginCounters
  readonly faults: Faults
  /** The bucket of this name, made if there is none. */
  bucket(name: string): OriginBucket
  /** Connections that are open now. */
  connections(): Promise<number>
  close(): Promise<void>
}

export async function startOrigin(options: OriginOptions): Promise<Origin> {
  const noise = new Noise(options.seed ?? 1)
  const buckets = new Map<string, OriginBucket>()
  const bucket = (name: string): OriginBucket => {
    const known = buckets.get(name) ?? new OriginBucket(name, noise)
    buckets.set(name, known)
    return known
  }
  for (const name of options.buckets ?? []) bucket(name)
  const counters: OriginCounters = {
    requests: {
      list: 0,
      head: 0,
      get: 0,
      put: 0,
      delete: 0,
      other: 0,
      create_upload: 0,
      part: 0,
      complete_upload: 0,
      abort_upload: 0,
    },
    objectBytes: 0,
    statuses: {},
    trafficLimits: new Set(),
  }
  const faults = new Faults(seededRandom(options.seed ?? 1))
  const signatures = new SignatureCheck(options.credentials)
  const domain = options.domain ?? 'localhost'
  const server = createServer({ keepAliveTimeout: 120_000, noDelay: true }, (request, response) => {
    response.once('finish', () => {
      counters.statuses[response.statusCode] = (counters.statuses[response.statusCode] ?? 0) + 1
    })
    const place = locate(request, domain, options.basePath ?? '')
    if (place === undefined) {
      sendError(response, request, 'InvalidURI')
      return
    }
    const kind = kindOf(request.method ?? '', place.key, place.query)
    counters.requests[kind] += 1
    const limit = request.headers['x-cos-traffic-limit']
    if (limit !== undefined) counters.trafficLimits.add(String(limit))
    const problem = options.cos === true && place.pathStyle ? 'PathStyleDomainForbidden' : signatures.problem(request)
    if (problem !== undefined) {
      sendError(response, request, problem)
      return
    }
    const found = buckets.get(place.bucket)
    if (found === undefined) sendError(response, request, 'NoSuchBucket')
    else
      answer({
        request,
        response,
        bucket: found,
        key: place.key,
        kind,
        query: place.query,
        cos: options.cos === true,
        counters,
        faults,
      })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, options.host ?? '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    endpointSuffix: `${domain}:${port}`,
    counters,
    faults,
    bucket,
    connections: () => countConnections(server),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function answer(exchange: Exchange): void {
  const { request, response, kind, key, faults } = exchange
  if (kind !== 'list') {
    answerObject(exchange)
    return
  }
  const fault = faults.take(kind, key)
  if (fault?.kind === 'slow_down') sendError(response, request, 'SlowDown', fault.status)
  else if (fault?.kind === 'internal') sendError(response, request, 'InternalError')
  else if (fault?.kind === 'denied') sendError(response, request, 'AccessDenied')
  else if (fault?.kind === 'error_document') sendError(response, request, 'InternalError', 200)
  else if (fault?.kind === 'delay') setTimeout(() => answerListing(exchange, undefined), fault.delayMs ?? 100)
  else if (fault?.kind !== 'silent') answerListing(exchange, fault)
}

function answerListing({ request, response, bucket, query }: Exchange, fault: Fault | undefined): void {
  const page = query.has('uploads')
    ? { body: bucket.uploads.listing(query.get('prefix') ?? '') }
    : listObjects(bucket, query)
  if ('code' in page) {
    sendError(response, request, page.code)
    return
  }
  response.writeHead(200, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(page.body) })
  if (fault?.kind === 'stall') response.write(page.body.slice(0, fault.afterBytes ?? 10))
  else response.end(page.body)
}

function locate(
  request: IncomingMessage,
  domain: string,
  basePath: string,
): { bucket: string; key: string; pathStyle: boolean; query: URLSearchParams } | undefined {
  if (!request.url?.startsWith(`${basePath}/`)) return undefined
  const url = request.url.slice(basePath.length)
  const mark = url.indexOf('?')
  const rawPath = mark < 0 ? url : url.slice(0, mark)
  const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1))
  const host = (request.headers.host ?? '').replace(/:\d+$/, '')
  let path: string
  try {
    path = rawPath.includes('%') ? decodeURIComponent(rawPath) : rawPath
  } catch {
    return undefined
  }
  if (host.endsWith(`.${domain}`))
    return { bucket: host.slice(0, -domain.length - 1), key: path.slice(1), pathStyle: false, query }
  const slash = path.indexOf('/', 1)
  return {
    bucket: slash < 0 ? path.slice(1) : path.slice(1, slash),
    key: slash < 0 ? '' : path.slice(slash + 1),
    pathStyle: true,
    query,
  }
}

function kindOf(method: string, key: string, query: URLSearchParams): RequestKind {
  if (method === 'GET') return key === '' ? 'list' : 'get'
  if (key === '') return 'other'
  if (method === 'POST')
    return query.has('uploads') ? 'create_upload' : query.has('uploadId') ? 'complete_upload' : 'other'
  if (query.has('uploadId')) return method === 'PUT' ? 'part' : method === 'DELETE' ? 'abort_upload' : 'other'
  return method === 'HEAD' ? 'head' : method === 'PUT' ? 'put' : method === 'DELETE' ? 'delete' : 'other'
}

function countConnections(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
  })
}
