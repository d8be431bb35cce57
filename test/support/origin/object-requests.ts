// Why: what the origin answers to requests for one object: GET and HEAD with Range and If-Match,
// DELETE with If-Match, and the faults; writes are in write-requests.ts.
import type { OriginObject } from './bucket.ts'
import { type Exchange, sendError } from './exchange.ts'
import type { Fault } from './faults.ts'
import { answerWrite } from './write-requests.ts'

const archiveClasses: ReadonlySet<string> = new Set(['GLACIER', 'DEEP_ARCHIVE', 'ARCHIVE'])

/** Answers a request for an object, after the signature was found good. */
export function answerObject(exchange: Exchange): void {
  const { bucket, key, kind } = exchange
  const fault = exchange.faults.take(kind, key)
  if (fault !== undefined && refusal(exchange, fault)) return
  if (fault?.kind === 'overwrite' && bucket.get(key) !== undefined) bucket.overwrite(key)
  if (fault?.kind === 'delay') setTimeout(() => carryOn(exchange, undefined), fault.delayMs ?? 100)
  else carryOn(exchange, fault)
}

function carryOn(exchange: Exchange, fault: Fault | undefined): void {
  const { request, response, kind } = exchange
  if (kind === 'get' || kind === 'head') proceed(exchange, fault)
  else if (kind !== 'delete' && kind !== 'other' && kind !== 'list') answerWrite(exchange, fault)
  else if (kind === 'delete') remove(exchange, fault)
  else if (request.method === 'HEAD') response.writeHead(200, { 'content-length': 0 }).end()
  else sendError(response, request, 'MethodNotAllowed')
}

function remove({ request, response, bucket, key }: Exchange, fault: Fault | undefined): void {
  const match = request.headers['if-match']?.replaceAll('"', '')
  const etag = bucket.get(key)?.etag
  if (fault?.kind === 'cut') request.socket.resetAndDestroy()
  else if (match !== undefined && fault?.kind === 'unconditional') sendError(response, request, 'NotImplemented')
  else if (match !== undefined && etag === undefined) sendError(response, request, 'NoSuchKey')
  else if (match !== undefined && match !== etag) sendError(response, request, 'PreconditionFailed')
  else {
    bucket.delete(key)
    if (fault?.kind === 'lost_answer') request.socket.resetAndDestroy()
    else response.writeHead(204).end()
  }
}

/** Faults that are an answer of their own. */
function refusal({ request, response }: Exchange, fault: Fault): boolean {
  switch (fault.kind) {
    case 'slow_down':
      sendError(response, request, fault.status === 429 ? 'TooManyRequests' : 'SlowDown', fault.status ?? 503)
      return true
    case 'internal':
      sendError(response, request, 'InternalError')
      return true
    case 'archived':
      sendError(response, request, 'InvalidObjectState')
      return true
    case 'missing':
      sendError(response, request, 'NoSuchKey')
      return true
    case 'denied':
      sendError(response, request, 'AccessDenied')
      return true
    case 'error_document':
      sendError(response, request, 'InternalError', 200)
      return true
    case 'silent':
      return true
    case 'cut':
    case 'delay':
    case 'lost_answer':
    case 'overwrite':
    case 'misread':
    case 'short':
    case 'stale_etag':
    case 'stall':
    case 'unconditional':
    case 'wrong_range':
      return false
  }
}

function proceed(exchange: Exchange, fault: Fault | undefined): void {
  const { request, response, bucket, key, kind, cos } = exchange
  const object = bucket.get(key)
  if (object === undefined) {
    sendError(response, request, 'NoSuchKey')
    return
  }
  const match = request.headers['if-match']
  if (match !== undefined && match !== '*' && match.replaceAll('"', '') !== object.etag) {
    sendError(response, request, 'PreconditionFailed')
    return
  }
  if (kind === 'get' && archiveClasses.has(object.storageClass) && object.restored !== true) {
    sendError(response, request, 'InvalidObjectState')
    return
  }
  const range = readRange(request.headers.range, object.size)
  if (range === 'invalid') {
    sendError(response, request, 'InvalidRange')
    return
  }
  let [from, to] = range ?? [0, object.size]
  if (fault?.kind === 'wrong_range' && from > 0) [from, to] = [from - 1, to - 1]
  if (fault?.kind === 'short') to -= 1
  const headers: (string | number)[] = [
    ...Object.entries({ 'content-type': 'binary/octet-stream', ...object.metadata }).flat(),
    'accept-ranges',
    'bytes',
    'content-length',
    to - from,
  ]
  headers.push(
    'etag',
    `"${fault?.kind === 'stale_etag' ? 'stale' : object.etag}"`,
    'last-modified',
    new Date(object.modifiedMs).toUTCString(),
  )
  if (object.storageClass !== 'STANDARD') headers.push('x-amz-storage-class', object.storageClass)
  if (object.restored === true)
    headers.push('x-amz-restore', 'ongoing-request="false", expiry-date="Sat, 01 Jan 2050 00:00:00 GMT"')
  if (range !== undefined) headers.push('content-range', `bytes ${from}-${to - 1}/${object.size}`)
  const checksum = cos ? bucket.crc64Of(object) : undefined
  if (checksum !== undefined) headers.push('x-cos-hash-crc64ecma', checksum)
  response.writeHead(range === undefined ? 200 : 206, headers.map(String))
  if (kind === 'head') response.end()
  else send(exchange, object, from, to, fault)
}

function send(
  { response, bucket, key, counters }: Exchange,
  object: OriginObject,
  from: number,
  to: number,
  fault: Fault | undefined,
): void {
  const broken = fault?.kind === 'cut' || fault?.kind === 'stall'
  const end = broken ? Math.min(to, from + (fault.afterBytes ?? 0)) : to
  counters.objectBytes += end - from
  counters.onObjectBytes?.(key, end - from)
  if (!broken) {
    for (const slice of bucket.slices(object, from, end - from)) response.write(slice)
    response.end()
    return
  }
  response.flushHeaders()
  for (const slice of bucket.slices(object, from, end - from)) response.write(slice)
  // The bytes before the cut must be out before the reset, or it would take them along.
  if (fault.kind === 'cut') setTimeout(() => response.socket?.resetAndDestroy(), 200)
}

/** [from, to) of a Range header; undefined without one. */
function readRange(header: string | undefined, size: number): readonly [number, number] | 'invalid' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  if (match === null || (match[1] === '' && match[2] === '')) return undefined
  if (match[1] === '') return size === 0 ? 'invalid' : [Math.max(0, size - Number(match[2])), size]
  const from = Number(match[1])
  const to = match[2] === '' ? size : Math.min(size, Number(match[2]) + 1)
  return from >= size || to <= from ? 'invalid' : [from, to]
}
