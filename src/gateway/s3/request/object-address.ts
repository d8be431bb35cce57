// Why: clients name the bucket in the path or in the host. How: a host that is a bucket's name
// below one of the door's domains is virtual-hosted style, every other one is path style ("Virtual
// hosting of general purpose buckets", Amazon S3 User Guide). Keys keep their spelling.
import { checkNamespaceName, internalKeyPrefix, isHiddenKey, keyBytesMax, keyProblem } from '../../../base/paths.ts'
import { s3Error } from '../answer/error-table.ts'

export interface ObjectAddress {
  /** Empty: the service. */
  readonly bucket: string
  /** Empty: the bucket. */
  readonly key: string
}

export interface RequestTarget extends ObjectAddress {
  /** The path as received, without the query. */
  readonly path: string
  /** Without `?`. */
  readonly query: string
}

/**
 * @param url the request target of HTTP, origin or absolute form
 * @param domains in lower case
 * @throws S3 InvalidURI, InvalidBucketName, KeyTooLongError, InvalidArgument, AccessDenied
 */
export function targetOf(url: string, host: string | undefined, domains: readonly string[]): RequestTarget {
  const target = url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/?]*/i, '')
  const mark = target.indexOf('?')
  const path = mark < 0 ? target : target.slice(0, mark)
  const query = mark < 0 ? '' : target.slice(mark + 1)
  if (!path.startsWith('/')) throw s3Error('InvalidURI')
  const named = bucketOfHost(host ?? '', domains)
  const slash = path.indexOf('/', 1)
  const rawBucket = slash < 0 ? path.slice(1) : path.slice(1, slash)
  const rawKey = slash < 0 ? '' : path.slice(slash + 1)
  const address =
    named === undefined ? checkedAddress(decodedPath(rawBucket), decodedPath(rawKey)) : hosted(named, path)
  return { ...address, path, query }
}

/** `/bucket/key` or `bucket/key`, decoded, as in `x-amz-copy-source`. @throws see targetOf */
export function addressOf(text: string): ObjectAddress {
  const path = text.startsWith('/') ? text.slice(1) : text
  const slash = path.indexOf('/')
  if (slash <= 0 || slash === path.length - 1)
    throw s3Error('InvalidArgument', 'The copy source must be a bucket, a slash and a key.')
  return checkedAddress(path.slice(0, slash), path.slice(slash + 1))
}

function hosted(bucket: string, path: string): ObjectAddress {
  return checkedAddress(bucket, decodedPath(path.slice(1)))
}

/** @throws see targetOf */
export function checkedAddress(bucket: string, key: string): ObjectAddress {
  if (bucket === '') {
    if (key !== '') throw s3Error('InvalidBucketName')
    return { bucket, key }
  }
  try {
    checkNamespaceName(bucket)
  } catch {
    throw s3Error('InvalidBucketName')
  }
  if (Buffer.byteLength(key) > keyBytesMax) throw s3Error('KeyTooLongError')
  const problem = keyProblem(key)
  if (problem !== undefined) throw s3Error('InvalidArgument', `The key cannot be used: ${problem}.`)
  if (isHiddenKey(key)) throw s3Error('AccessDenied', `Keys that begin with ${internalKeyPrefix} are reserved.`)
  return { bucket, key }
}

/** Undefined: path style. */
function bucketOfHost(host: string, domains: readonly string[]): string | undefined {
  const name = host.replace(/:\d*$/, '')
  const lower = name.toLowerCase()
  const domain = domains.find((one) => lower.endsWith(`.${one}`))
  return domain === undefined ? undefined : name.slice(0, -domain.length - 1)
}

function decodedPath(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw s3Error('InvalidURI', 'The path is not percent-encoded UTF-8.')
  }
}
