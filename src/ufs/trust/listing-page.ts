// Why: what a listing leaves out is removed from the cache, and what it says of an object decides
// which bytes are read: a page that is read wrong loses data. How: pure rules from the fields of
// one document (listing-scan.ts) to a page; each rule is one function that understands, or refuses
// with the field. What is odd about one object alone is kept with it, as a doubt that a look at the
// object clears up, or as a problem that is this one file's failure.
import type { SkeinError } from '../../base/errors.ts'
import { compareKeys } from '../key-order.ts'
import type { RawListing, RawObject } from './listing-scan.ts'
import type { ObjectInfo } from '../under-file-system.ts'
import { type AnswerContext, fieldProblemText, notUnderstoodError, refusedAnswer, shown } from './answer-error.ts'
import type { KeySpelling } from './key-spelling.ts'
import { byteCountExpected, byteCountOf, etagOf, timeExpected, timeOf } from './field-values.ts'

/** The request that a listing answers; keys as the store spells them. */
export interface AskedListing {
  /** The namespace's prefix, which is taken off the keys. */
  readonly storePrefix: string
  /** With the namespace's prefix. */
  readonly prefix: string
  readonly delimiter: '/' | undefined
  /** How this store's earlier pages were encoded. */
  readonly spellings: ListingSpellings
}

/** Stores encode keys and folded prefixes by different rules (radosgw leaves prefixes' `/`). */
export interface ListingSpellings {
  readonly keys: KeySpelling
  readonly prefixes: KeySpelling
}

export interface TrustedPage {
  /**
   * In ascending order of the key's UTF-8 bytes, without the namespace's prefix; so are the
   * prefixes.
   */
  readonly objects: readonly ObjectInfo[]
  readonly prefixes: readonly string[]
  /**
   * Objects whose keys cannot be spelled: under the text that came. They have no place in the
   * order.
   */
  readonly unreadable: readonly ObjectInfo[]
  /** Whether there is more. */
  readonly truncated: boolean
  readonly token: string | undefined
  /** The store answered the first version of the request: it goes on behind `marker`. */
  readonly byMarker: boolean
}

export const listingOrderReason = 'listing_order'
const tokenBytesMax = 16 * 1024
const storageClassPattern = /^[A-Za-z0-9_.-]{1,64}$/
const emptyMd5 = 'd41d8cd98f00b204e9800998ecf8427e'

/**
 * The page that a document holds. @throws SkeinError failed_precondition that names the field, or
 * the order
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
    // The namespace's prefix itself stands for its root.
    if (key === asked.storePrefix && key !== '') continue
    const cut = asked.delimiter === undefined ? -1 : key.indexOf(asked.delimiter, asked.prefix.length)
    // A store that does not know the delimiter lists everything: it is folded here.
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
  return { objects: once(objects, context), prefixes: unique(all), unreadable, ...rules.more(raw, context) }
}

/**
 * Rules that decide alone; each is one entry, so that a test can take one away and see what is
 * lost.
 */
export interface ListingRules {
  /**
   * An object as the entry describes it. @throws SkeinError when a field has no meaning for the
   * whole page
   */
  readonly object: (entry: RawObject, key: string, context: AnswerContext) => ObjectInfo
  /** Refuses a document that says it is encoded, and writes a character in two ways. */
  readonly checkSpelling: (raw: RawListing, spellings: ListingSpellings, context: AnswerContext) => void
  /** Refuses prefixes that were not asked for: what is below them is missing. */
  readonly checkFolding: (raw: RawListing, delimiter: string | undefined, context: AnswerContext) => void
  /** Refuses a document that lists fewer entries than it says. */
  readonly checkCount: (raw: RawListing, context: AnswerContext) => void
  /** Refuses keys that do not ascend; the same one twice is said by `once`. */
  readonly checkOrder: (keys: readonly string[], context: AnswerContext) => void
  /** Whether there is more, and how it is asked for. */
  readonly more: (raw: RawListing, context: AnswerContext) => Pick<TrustedPage, 'truncated' | 'token' | 'byMarker'>
  /** Refuses a page that begins before the key it was to go on behind. @returns whether it does */
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
      expected: 'none, since no delimiter was asked for: what is below it would be missing',
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

  more(raw, context) {
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
    const hasEntries = raw.contents.length + raw.commonPrefixes.length > 0
    // A token is an offer of more, and no word on it is no end: only an empty page ends those.
    const truncated = text === 'true' || (hasEntries && (text === '' || token !== undefined))
    const byMarker = token === undefined && raw.Marker !== undefined && raw.KeyCount === undefined
    return { truncated, token: truncated ? token : undefined, byMarker }
  },

  goesBack(page, afterKey) {
    const first = [page.objects[0]?.key, page.prefixes[0]].filter((key) => key !== undefined)
    return first.some((key) => compareKeys(key, afterKey) < 0)
  },
}

/** `key` came behind `before`, of the same page or of an earlier one. */
export function orderError(context: AnswerContext, key: string, before: string): SkeinError {
  return refusedAnswer(
    context,
    `the listing is not in the order of the keys: ${shown(key)} comes after ${shown(before)}; ` +
      "without S3's order (ascending UTF-8 bytes) files would be missed",
    listingOrderReason,
  )
}

/** What a look at the object itself must clear up, or the empty string. */
function doubtOf(entry: RawObject, key: string, length: number | undefined, etag: string | undefined): string {
  const isMarker = length === 0 && (key === '' || key.endsWith('/'))
  const doubts: string[] = []
  if (length === undefined)
    doubts.push(fieldProblemText({ field: 'Size', value: entry.Size, expected: byteCountExpected }))
  // Objects that are made of others (Swift's large objects) are listed so, with the ETag of no
  // bytes, too.
  else if (length === 0 && !(isMarker && (etag === undefined || etag === emptyMd5)))
    doubts.push('it is listed with no bytes')
  // Tools make markers of 0 bytes: as a file, it would be one that nobody has written.
  else if (length > 0 && key.endsWith('/')) doubts.push('it is named as a directory and listed with bytes')
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
      '(EncodingType is url: else two keys could be read as one)',
  })
}

/** Bytes that are no UTF-8 came as replacement characters. */
function plainKey(text: string): string | undefined {
  return text.includes('\ufffd') ? undefined : text
}

/**
 * Undoes `encoding-type=url`: percent-encoding, and `+` for a blank as AWS writes it. Undefined:
 * the key is no UTF-8.
 */
function decodeKey(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

/**
 * A cache on the way may give the answer to another request. Echoes come encoded or as they were
 * sent, or not at all.
 */
function checkEcho(
  field: string,
  echo: string | undefined,
  asked: string,
  decode: Decode,
  context: AnswerContext,
): void {
  if (echo === undefined || echo === '' || echo === asked || decode(echo) === asked || decodeKey(echo) === asked) return
  throw notUnderstoodError(context, { field, value: echo, expected: `${shown(asked)}, as it was asked for` })
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

/** An object that is listed twice in one version, of one time, is one. */
function once(objects: readonly ObjectInfo[], context: AnswerContext): readonly ObjectInfo[] {
  return objects.filter((object, index) => {
    const before = objects[index - 1]
    if (before?.key !== object.key) return true
    // Without a version, two names of which the listing made one look the same.
    const isSame = ['etag', 'length', 'modifiedMs'] as const
    if (object.etag !== '' && isSame.every((field) => before[field] === object[field])) return false
    throw refusedAnswer(
      context,
      `${shown(object.key)} is listed twice, with ${before.length} and ${object.length} bytes: ` +
        'which one is there cannot be told',
      listingOrderReason,
    )
  })
}

function unique(sorted: readonly string[]): readonly string[] {
  return sorted.filter((text, index) => text !== sorted[index - 1])
}
