// Why: ListObjectsV2 as S3 answers it (Amazon S3 API Reference, ListObjectsV2). How: binary search
// in the sorted keys; a folded prefix is stepped over in one jump; the continuation token is the
// last key or prefix given out.
import type { OriginBucket, OriginObject } from './bucket.ts'

/** A page as XML, or the code of the error. */
export function listObjects(
  bucket: OriginBucket,
  query: URLSearchParams,
): { readonly body: string } | { readonly code: string } {
  const prefix = query.get('prefix') ?? ''
  const delimiter = query.get('delimiter') ?? ''
  const maxKeys = Math.min(1000, Number(query.get('max-keys') ?? 1000))
  if (!Number.isInteger(maxKeys) || maxKeys < 0) return { code: 'InvalidArgument' }
  const token = query.get('continuation-token')
  const after = token === null ? (query.get('start-after') ?? '') : readToken(token)
  if (after === undefined) return { code: 'InvalidArgument' }
  const encode = query.get('encoding-type') === 'url' ? urlEncode : escapeXml
  const keys = bucket.sortedKeys
  const foldedAfter =
    delimiter !== '' && after.startsWith(prefix) && after.endsWith(delimiter) && after.length > prefix.length
  let at = Math.max(
    firstIndex(keys, prefix, false),
    after === '' ? 0 : foldedAfter && token !== null ? firstBehind(keys, after) : firstIndex(keys, after, true),
  )
  let entries = ''
  let count = 0
  let last = ''
  let truncated = false
  for (; at < keys.length;) {
    const key = keys[at] ?? ''
    if (!key.startsWith(prefix)) break
    if (count >= maxKeys) {
      truncated = true
      break
    }
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    if (cut >= 0) {
      last = key.slice(0, cut + delimiter.length)
      entries += `<CommonPrefixes><Prefix>${encode(last)}</Prefix></CommonPrefixes>`
      at = firstBehind(keys, last)
    } else {
      last = key
      entries += contents(bucket.get(key), encode)
      at += 1
    }
    count += 1
  }
  const head =
    `<Name>${bucket.name}</Name><Prefix>${encode(prefix)}</Prefix><KeyCount>${count}</KeyCount>` +
    `<MaxKeys>${maxKeys}</MaxKeys><IsTruncated>${truncated}</IsTruncated>`
  const options =
    (delimiter === '' ? '' : `<Delimiter>${encode(delimiter)}</Delimiter>`) +
    (encode === urlEncode ? '<EncodingType>url</EncodingType>' : '')
  const next = truncated ? `<NextContinuationToken>${makeToken(last)}</NextContinuationToken>` : ''
  return {
    body:
      '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult ' +
      `xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${head}${options}${next}${entries}</ListBucketResult>`,
  }
}

function contents(object: OriginObject | undefined, encode: (text: string) => string): string {
  if (object === undefined) return ''
  return (
    `<Contents><Key>${encode(object.key)}</Key>` +
    `<LastModified>${new Date(object.modifiedMs).toISOString()}</LastModified>` +
    `<ETag>&quot;${object.etag}&quot;</ETag><Size>${object.size}</Size>` +
    `<StorageClass>${object.storageClass}</StorageClass></Contents>`
  )
}

/** Index of the first key >= `text`, or > `text`. */
function firstIndex(keys: readonly string[], text: string, exclusive: boolean): number {
  const wanted = Buffer.from(text)
  return bisect(keys, (key) => {
    const order = Buffer.compare(Buffer.from(key), wanted)
    return exclusive ? order > 0 : order >= 0
  })
}

/** Index of the first key that sorts behind all keys with this prefix. */
function firstBehind(keys: readonly string[], prefix: string): number {
  const wanted = Buffer.from(prefix)
  return bisect(keys, (key) => Buffer.compare(Buffer.from(key).subarray(0, wanted.length), wanted) > 0)
}

function bisect(keys: readonly string[], behind: (key: string) => boolean): number {
  let from = 0
  let to = keys.length
  while (from < to) {
    const middle = (from + to) >> 1
    if (behind(keys[middle] ?? '')) to = middle
    else from = middle + 1
  }
  return from
}

function makeToken(key: string): string {
  return `t${Buffer.from(key).toString('base64url')}`
}

function readToken(token: string): string | undefined {
  return /^t[A-Za-z0-9_-]*$/.test(token) ? Buffer.from(token.slice(1), 'base64url').toString() : undefined
}

/** As AWS writes it: everything but unreserved characters and `/`, a blank as `+`. */
function urlEncode(text: string): string {
  return encodeURIComponent(text).replaceAll('%2F', '/').replaceAll('%20', '+')
}

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
