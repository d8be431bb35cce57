// Why: objects that a listing omits are removed from the cache, and the listed metadata decides
// which bytes are read. A page that is misread loses data. How: pure rules from the fields of one
// document (listing-scan.ts) to a page. Each rule is one function that interprets a field, or
// refuses the page and names the field. An irregularity of one object stays with it: as a doubt,
// which `stat` resolves, or as a problem, which fails that file only.
import { compareKeys } from '../key-order.ts'
import type { RawListing, RawObject } from './listing-scan.ts'
import type { ObjectInfo } from '../under-file-system.ts'
import { type AnswerContext, fieldProblemText, notUnderstoodError, shown } from './answer-error.ts'
import type { KeySpelling } from './key-spelling.ts'
import { once, orderError } from './listing-order.ts'
import { byteCountExpected, byteCountOf, etagOf, timeExpected, timeOf } from './field-values.ts'

/** The request of a listing. Keys are as in the store. */
export interface AskedListing {
  /** The prefix of the namespace, which is removed from the keys. */
  readonly storePrefix: string
  /** Includes the namespace's prefix. */
  readonly prefix: string
  readonly delimiter: '/' | undefined
  /** The request begins the listing. */
  readonly isFirst: boolean
  /**
   * Key of an object that was listed before and is asked for again, without the namespace's prefix.
   */
  readonly again: string | undefined
  /** How the earlier pages of this store were encoded. */
  readonly spellings: ListingSpellings
}

/** Stores may encode keys and folded prefixes by different rules (radosgw: `/` in prefixes). */
export interface ListingSpellings {
  readonly keys: KeySpelling
  readonly prefixes: KeySpelling
}

export interface TrustedPage {
  /**
   * In ascending order of the UTF-8 bytes of the keys, without the namespace's prefix. The same
   * holds for `prefixes`.
   */
  readonly objects: readonly ObjectInfo[]
  readonly prefixes: readonly string[]
  /**
   * Objects whose keys cannot be decoded, under the received text. They are not part of the order.
   */
  readonly unreadable: readonly ObjectInfo[]
  /** Whether there are more keys. */
  readonly truncated: boolean
  readonly token: string | undefined
  /** The store answered version 1 of the request: the listing continues after `marker`. */
  readonly byMarker: boolean
}

const tokenBytesMax = 16 * 1024
const storageClassPattern = /^[A-Za-z0-9_.-]{1,64}$/
const emptyMd5 = 'd41d8cd98f00b204e9800998ecf8427e'

/**
 * Parses a page. @throws SkeinError failed_precondition, which names the field or the wrong order
 */
export function trustedPage(
  raw: RawListing,
  asked: AskedListing,
  rules: ListingRules,
  context: AnswerContext,
): TrustedPage {
  const isEncoded = isUrlEncoded(raw, context)
  const decode = isEncoded ? decodeKey : plainKey
  if (isEncoded) rules.checkSpelling(raw, asked.spellings, context)
  checkEcho('Prefix', raw.Prefix, asked.prefix, decode, context)
  checkEcho('Delimiter', raw.Delimiter, asked.delimiter ?? '', decode, context)
  const objects: ObjectInfo[] = []
  const unreadable: ObjectInfo[] = []
  const folded = new Set<string>()
  for (const entry of raw.contents) {
    if (entry.Key === undefined || entry.Key === '')
      throw notUnderstoodError(context, { field: 'Key', value: entry.Key, expected: 'the key of an object' })
    const key = decode(entry.Key)
    if (key === undefined) {
      unreadable.push({
        ...rules.object(entry, entry.Key, context),
        problem: 'the key is not UTF-8: rename the object at the store',
      })
      continue
    }
    checkKey(key, asked, context)
    // The key that equals the namespace's prefix represents its root.
    if (key === asked.storePrefix && key !== '') continue
    const cut = asked.delimiter === undefined ? -1 : key.indexOf(asked.delimiter, asked.prefix.length)
    // A store that does not know the delimiter lists all keys. Fold them here.
    if (cut >= 0) folded.add(key.slice(asked.storePrefix.length, cut + 1))
    else objects.push(rules.object(entry, key.slice(asked.storePrefix.length), context))
  }
  const prefixes = prefixesOf(raw, asked, decode, unreadable, rules, context)
  rules.checkCount(raw, context)
  rules.checkOrder(
    objects.map(({ key }) => key),
    context,
  )
  rules.checkOrder(prefixes, context)
  const all = folded.size === 0 ? prefixes : [...new Set([...prefixes, ...folded])].sort(compareKeys)
  const entries = raw.contents.length + raw.commonPrefixes.length
  const isOnlyAgain = entries === 1 && objects.length === 1 && objects[0]?.key === asked.again
  const more = rules.more(raw, { isFirst: asked.isFirst, hasEntries: entries > 0 && !isOnlyAgain }, context)
  return { objects: once(objects, context), prefixes: unique(all), unreadable, ...more }
}

type More = Pick<TrustedPage, 'truncated' | 'token' | 'byMarker'>

/**
 * The rules for listings. Each one is a separate entry, so that a test can remove it and show what
 * would be lost.
 */
export interface ListingRules {
  /** The object of an entry. @throws SkeinError when a field makes the whole page invalid */
  readonly object: (entry: RawObject, key: string, context: AnswerContext) => ObjectInfo
  /** Refuses a document that declares an encoding but writes a character in two ways. */
  readonly checkSpelling: (raw: RawListing, spellings: ListingSpellings, context: AnswerContext) => void
  /** Refuses prefixes that were not requested, because the keys below them would be missing. */
  readonly checkFolding: (raw: RawListing, delimiter: string | undefined, context: AnswerContext) => void
  /** Refuses a document with fewer entries than it declares. */
  readonly checkCount: (raw: RawListing, context: AnswerContext) => void
  /** Refuses keys that do not ascend. `once` handles duplicates. */
  readonly checkOrder: (keys: readonly string[], context: AnswerContext) => void
  /** Whether there are more keys, and how to ask for them. */
  readonly more: (
    raw: RawListing,
    /** `hasEntries`: the page has entries that were not listed before. */
    page: { readonly isFirst: boolean; readonly hasEntries: boolean },
    context: AnswerContext,
  ) => More
  /** Whether the page begins before the key that it should follow; such a page is refused. */
  readonly goesBack: (page: TrustedPage, afterKey: string) => boolean
}

export const listingRules: ListingRules = {
  object(entry, key, context) {
    const length = entry.Size === undefined ? undefined : byteCountOf(entry.Size)
    const etag = entry.ETag === undefined ? undefined : etagOf(entry.ETag)
    const storageClass = entry.StorageClass?.trim() ?? ''
    const doubt = doubtOf(entry, key, length, etag)
    return {
      key,
      length: length ?? 0,
      etag: etag ?? '',
      modifiedMs: modifiedOf(entry, key, context),
      storageClass: storageClassPattern.test(storageClass) ? storageClass : 'STANDARD',
      ...(doubt !== '' && { doubt }),
    }
  },

  checkSpelling(raw, { keys, prefixes }, context) {
    for (const { Key } of raw.contents) checkOneWay('Key', Key, keys, context)
    for (const prefix of raw.commonPrefixes) checkOneWay('CommonPrefixes', prefix, prefixes, context)
  },

  checkFolding(raw, delimiter, context) {
    const [first] = raw.commonPrefixes
    if (delimiter !== undefined || raw.commonPrefixes.length === 0) return
    throw notUnderstoodError(context, {
      field: 'CommonPrefixes',
      value: first,
      expected: 'none, because no delimiter was requested: the keys below it would be missing',
    })
  },

  checkCount(raw, context) {
    const count = raw.contents.length + raw.commonPrefixes.length
    if (raw.KeyCount === undefined || raw.KeyCount.trim() === '') return
    const said = byteCountOf(raw.KeyCount)
    if (said !== undefined && said <= count) return
    throw notUnderstoodError(context, {
      field: 'KeyCount',
      value: raw.KeyCount,
      expected: `at most ${count}, the entries of the page`,
    })
  },

  checkOrder(keys, context) {
    for (let index = 1; index < keys.length; index += 1) {
      const [before = '', key = ''] = [keys[index - 1], keys[index]]
      if (compareKeys(before, key) > 0) throw orderError(context, key, before)
    }
  },

  more(raw, { isFirst, hasEntries }, context) {
    const text = raw.IsTruncated?.trim().toLowerCase() ?? ''
    if (text !== '' && text !== 'true' && text !== 'false')
      throw notUnderstoodError(context, { field: 'IsTruncated', value: raw.IsTruncated, expected: 'true or false' })
    const token = raw.NextContinuationToken === '' ? undefined : raw.NextContinuationToken
    if (token !== undefined && Buffer.byteLength(token) > tokenBytesMax)
      throw notUnderstoodError(context, {
        field: 'NextContinuationToken',
        value: token,
        expected: `at most ${tokenBytesMax} bytes`,
      })
    // A token only offers more keys, and a missing IsTruncated does not mean the end. An empty page
    // ends both, unless it is the first (some stores send a token with every page).
    const offersMore = token !== undefined && (hasEntries || isFirst)
    const truncated = text === 'true' || offersMore || (hasEntries && text === '')
    const byMarker = token === undefined && raw.Marker !== undefined && raw.KeyCount === undefined
    return { truncated, token: truncated ? token : undefined, byMarker }
  },

  goesBack(page, afterKey) {
    const first = [page.objects[0]?.key, page.prefixes[0]].filter((key) => key !== undefined)
    return first.some((key) => compareKeys(key, afterKey) < 0)
  },
}

/** The doubt that a `stat` of the object must resolve, or the empty string. */
function doubtOf(entry: RawObject, key: string, length: number | undefined, etag: string | undefined): string {
  const isMarker = length === 0 && (key === '' || key.endsWith('/'))
  const doubts: string[] = []
  if (length === undefined)
    doubts.push(fieldProblemText({ field: 'Size', value: entry.Size, expected: byteCountExpected }))
  // Composite objects (Swift's large objects) are listed with size 0 and the ETag of an empty
  // object.
  else if (length === 0 && !(isMarker && (etag === undefined || etag === emptyMd5)))
    doubts.push('it is listed with size 0')
  // Directory markers have 0 bytes. One with bytes could not be stored as a file.
  else if (length > 0 && key.endsWith('/')) doubts.push('it has the name of a directory and a size above 0')
  if (etag === undefined && !isMarker)
    doubts.push(fieldProblemText({ field: 'ETag', value: entry.ETag, expected: 'a version' }))
  return doubts.join('; ')
}

function modifiedOf(entry: RawObject, key: string, context: AnswerContext): number {
  if (entry.LastModified === undefined || entry.LastModified.trim() === '') return 0
  const ms = timeOf(entry.LastModified)
  if (ms === undefined)
    throw notUnderstoodError(context, { field: 'LastModified', value: entry.LastModified, expected: timeExpected, key })
  return ms
}

type Decode = (text: string) => string | undefined

function isUrlEncoded(raw: RawListing, context: AnswerContext): boolean {
  const encoding = raw.EncodingType?.trim().toLowerCase() ?? ''
  if (encoding === 'url' || encoding === '') return encoding === 'url'
  throw notUnderstoodError(context, { field: 'EncodingType', value: raw.EncodingType, expected: 'url, or none' })
}

function checkOneWay(field: string, text: string | undefined, spelling: KeySpelling, context: AnswerContext): void {
  const character = text === undefined ? undefined : spelling.contradiction(text)
  if (character === undefined) return
  spelling.forget()
  throw notUnderstoodError(context, {
    field,
    value: text,
    expected:
      `${shown(character)} as in the keys before, encoded or not ` +
      '(EncodingType is url: two keys could be decoded to one)',
  })
}

/** Bytes that are not UTF-8 were decoded to replacement characters. */
function plainKey(text: string): string | undefined {
  return text.includes('\ufffd') ? undefined : text
}

/**
 * Decodes `encoding-type=url`: percent-encoding, and `+` for a blank, as AWS writes it. Undefined:
 * the key is not UTF-8.
 */
function decodeKey(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

/**
 * Checks that the response belongs to this request: a cache on the way may return another one.
 * Echoed values may be encoded, unchanged or missing.
 */
function checkEcho(
  field: string,
  echo: string | undefined,
  asked: string,
  decode: Decode,
  context: AnswerContext,
): void {
  if (echo === undefined || echo === '' || echo === asked || decode(echo) === asked || decodeKey(echo) === asked) return
  throw notUnderstoodError(context, { field, value: echo, expected: `${shown(asked)}, as requested` })
}

function checkKey(key: string, asked: AskedListing, context: AnswerContext): void {
  if (key.startsWith(asked.prefix)) return
  throw notUnderstoodError(context, {
    field: 'Key',
    value: key,
    expected: `a key that begins with ${shown(asked.prefix)}`,
  })
}

function prefixesOf(
  raw: RawListing,
  asked: AskedListing,
  decode: Decode,
  unreadable: ObjectInfo[],
  rules: ListingRules,
  context: AnswerContext,
): string[] {
  rules.checkFolding(raw, asked.delimiter, context)
  const prefixes: string[] = []
  for (const text of asked.delimiter === undefined ? [] : raw.commonPrefixes) {
    const prefix = text === undefined || text === '' ? undefined : decode(text)
    if (prefix === undefined && text !== undefined && text !== '') {
      const none = { length: 0, etag: '', modifiedMs: 0, storageClass: 'STANDARD' }
      unreadable.push({ key: text, ...none, problem: 'the name of the directory is not UTF-8: rename it at the store' })
      continue
    }
    const isFolded =
      prefix !== undefined &&
      prefix.startsWith(asked.prefix) &&
      prefix.indexOf('/', asked.prefix.length) === prefix.length - 1
    if (!isFolded)
      throw notUnderstoodError(context, {
        field: 'CommonPrefixes',
        value: prefix,
        expected: `a prefix that begins with ${shown(asked.prefix)} and ends at the next /`,
      })
    prefixes.push(prefix.slice(asked.storePrefix.length))
  }
  return prefixes
}

function unique(sorted: readonly string[]): readonly string[] {
  return sorted.filter((text, index) => text !== sorted[index - 1])
}
