// Why: GetObject and HeadObject answer alike, but for the bytes. How: the object is found or
// opened, the conditions decide, then the range or the part; only then is the first byte read.
import { assertNever } from '../../../base/assert.ts'
import { lentStream } from '../../sent-memory.ts'
import { s3Error } from '../answer/error-table.ts'
import { emptyReply, type S3Call, type S3Context, type S3Reply } from '../call/s3-call.ts'
import { rangeOf } from '../request/byte-ranges.ts'
import { evaluated, matches } from '../request/conditions.ts'
import { timeOfHeader } from '../request/http-time.ts'
import { checkVersion, conditionHeaders } from './call-fields.ts'
import { checksumHeaders, type StoredChecksum, storedChecksum } from './client-metadata.ts'
import { findObject, openObject } from './object-access.ts'
import { objectHeaders, validatorHeaders } from './object-headers.ts'
import type { ObjectView } from './object-view.ts'
import { partPlace } from './part-sizes.ts'

/** As many bytes are read before the head is sent, and sent with it. */
const wholeBytesMax = 128 * 1024

export async function getObject({ fileSystem, onSource, pieces }: S3Context, call: S3Call): Promise<S3Reply> {
  checkVersion(call)
  const object = await openObject(fileSystem, call, { signal: call.signal, onSource })
  try {
    const answer = readAnswer(call, object.view)
    if (answer.range === undefined) {
      await object.close()
      return emptyReply(answer.status, answer.headers)
    }
    const { range, status, headers } = answer
    if (range.length <= wholeBytesMax) {
      const body = await object.bytes(range)
      await object.close()
      return { status, headers, body }
    }
    const body = lentStream(pieces, range.length, {
      stream: (memory) => object.stream(range, memory),
      close: () => object.close(),
    })
    return { status, headers, body }
  } catch (thrown) {
    await object.close()
    throw thrown
  }
}

export async function headObject({ fileSystem }: S3Context, call: S3Call): Promise<S3Reply> {
  checkVersion(call)
  const { status, headers, range } = readAnswer(call, await findObject(fileSystem, call, call))
  return emptyReply(status, range === undefined ? headers : { ...headers, 'content-length': range.length })
}

interface ReadAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | number | undefined>>
  /** Undefined: no bytes are asked for. */
  readonly range: { readonly offset: number; readonly length: number } | undefined
}

/**
 * @throws S3 PreconditionFailed, InvalidRange, InvalidPart, InvalidRequest, InvalidArgument
 */
function readAnswer(call: S3Call, view: ObjectView): ReadAnswer {
  const verdict = evaluated(conditionHeaders(call.headers), view)
  switch (verdict) {
    case 'failed':
      throw s3Error('PreconditionFailed')
    case 'unchanged':
      return { status: 304, headers: validatorHeaders(view), range: undefined }
    case 'go':
      break
    default:
      assertNever(verdict)
  }
  const { range, partsCount, isPart, checksum } = rangeAsked(call, view)
  const wantsChecksum = call.headers.get('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED'
  const headers = objectHeaders(view, call.query, wantsChecksum && range === undefined)
  if (wantsChecksum) Object.assign(headers, checksumHeaders(checksum))
  if (partsCount !== undefined) headers['x-amz-mp-parts-count'] = partsCount
  if (range === undefined) return { status: isPart ? 206 : 200, headers, range: { offset: 0, length: view.size } }
  const contentRange = `bytes ${range.offset}-${range.offset + range.length - 1}/${view.size}`
  return { status: 206, headers: { ...headers, 'content-range': contentRange }, range }
}

interface AskedRange {
  /** Undefined: all bytes. */
  readonly range: { readonly offset: number; readonly length: number } | undefined
  readonly partsCount?: number
  readonly isPart: boolean
  /** That of the part, if it is known. */
  readonly checksum?: StoredChecksum | undefined
}

function rangeAsked({ headers, query }: S3Call, view: ObjectView): AskedRange {
  const range = headers.get('range')
  const partNumber = query.get('partNumber')
  if (partNumber === undefined) {
    const isCurrent = isUnchanged(headers.get('if-range'), view)
    return { range: isCurrent ? rangeOf(range, view.size) : undefined, isPart: false }
  }
  if (range !== undefined)
    throw s3Error('InvalidRequest', 'Cannot specify both Range header and partNumber query parameter')
  const number = /^\d{1,5}$/.test(partNumber) ? Number(partNumber) : 0
  if (number < 1 || number > 10_000)
    throw s3Error('InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive')
  const parts = view.clientMetadata['parts']
  if (parts === undefined) {
    // An object that was written in one part has that one.
    if (/-\d+$/.test(view.etag) && view.clientMetadata['etag'] !== undefined)
      throw s3Error('NotImplemented', 'The sizes of the parts of this object are not known.')
    if (number > 1) throw s3Error('InvalidPart', 'The requested part number is not satisfiable.')
    return { range: undefined, isPart: view.size > 0 }
  }
  const place = partPlace(parts, number)
  if (place === undefined) throw s3Error('InvalidPart', 'The requested part number is not satisfiable.')
  const whole = storedChecksum(view.clientMetadata)
  const text = view.clientMetadata['part-checksums']?.split(',')[number - 1]
  const checksum = whole === undefined || text === undefined ? undefined : { ...whole, text }
  return { range: place.length === 0 ? undefined : place, partsCount: place.count, isPart: true, checksum }
}

/** RFC 9110, 13.1.5: a range of another version is not wanted. */
function isUnchanged(ifRange: string | undefined, view: ObjectView): boolean {
  if (ifRange === undefined) return true
  const timeMs = timeOfHeader(ifRange)
  if (timeMs !== undefined) return Math.floor(view.modifiedMs / 1000) * 1000 === timeMs
  return matches(ifRange, view.etags, 'strong')
}
