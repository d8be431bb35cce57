// Why: a listing that loops, skips keys or goes backwards must end, or be refused, before it is
// used. How: one signed GET per page. Each page must begin after the requested position and end
// after it. If the store refuses or forgets a token, the listing continues by the key: from the
// last key that was listed, which has to come again. A store in another order would continue with
// any greater key, and what it has between would be missed. A store that only knows version 1 of
// the request continues by its marker. A limited number of empty pages that report more keys is
// skipped.
import { isSkeinError, type SkeinError } from '../../base/errors.ts'
import type { RetryPolicy } from '../../base/flow/retry.ts'
import { compareKeys } from '../key-order.ts'
import { scanListing } from '../trust/listing-scan.ts'
import {
  answerError,
  badAnswerError,
  errorCodeOf,
  plainToTlsError,
  requestName,
  type StoreAddress,
} from '../trust/s3-errors.ts'
import type { StoreRequests } from './request/store-requests.ts'
import { type AnswerContext, notUnderstoodError, refusedAnswer, shown } from '../trust/answer-error.ts'
import { KeySpelling } from '../trust/key-spelling.ts'
import { checkRepeat, listedVersion, orderError } from '../trust/listing-order.ts'
import { type ListingSpellings, type TrustedPage, trustedPage } from '../trust/listing-page.ts'
import type { TrustRules } from '../trust/rules.ts'
import type { ListPage, ListPosition, ListRequest, ObjectInfo } from '../under-file-system.ts'

interface S3ListingOptions {
  readonly address: StoreAddress
  /** The prefix of the namespace, which precedes every key. */
  readonly prefix: string
  readonly requests: Pick<StoreRequests, 'document'>
  readonly rules: TrustRules
  readonly retrying: <T>(
    policy: RetryPolicy,
    signal: AbortSignal,
    what: string,
    send: (signal: AbortSignal) => Promise<T>,
  ) => Promise<T>
  readonly onRequest: () => void
}

type Ask = (position: ListPosition | undefined, request?: ListRequest) => Promise<TrustedPage>

/**
 * Maximum empty pages in a row that report more keys. Stores with many deleted versions return such
 * pages.
 */
const emptyPagesMax = 12
/** Stores return no longer pages, and some refuse to be asked for them. */
const pageMax = 1000
const listingStuckReason = 'listing_stuck'
/** Sorts after all keys below a folded prefix. */
const lastCharacter = '\u{10fffd}'

/** From the key of the position: it was listed as an object, and its version is known. */
const isListedKey = (position: ListPosition | undefined): position is ListPosition =>
  position?.version !== undefined && position.token === undefined

/** Lists one bucket and prefix. */
export class S3Listing {
  readonly #options: S3ListingOptions
  /** Whether the store continues after `marker`, as version 1 of the request does. */
  #byMarker = false
  readonly #spellings: ListingSpellings = { keys: new KeySpelling(), prefixes: new KeySpelling() }

  constructor(options: S3ListingOptions) {
    this.#options = options
  }

  /** See UnderFileSystem.list. */
  async list(request: ListRequest, policy: RetryPolicy, signal: AbortSignal): Promise<ListPage> {
    const ask: Ask = (position, asked = request) => this.#ask(asked, position, policy, signal)
    const context = this.#context(request)
    const unreadable: ObjectInfo[] = []
    let position = request.after
    for (let pages = 1; ; pages += 1) {
      const answer = await this.#goOn(request, position, ask)
      unreadable.push(...answer.unreadable)
      const page = behind(answer, position, request.limit, context)
      const isEmpty = page.objects.length + page.prefixes.length === 0
      if (!isEmpty || page.next === undefined) return { ...page, objects: withUnreadable(page.objects, unreadable) }
      // Without a key, only a new token is a new position.
      if (page.next.token === undefined || page.next.token === position?.token)
        throw stuck(context, 'the page has no key, reports more keys, and has no next position')
      if (pages >= emptyPagesMax) throw stuck(context, `${pages} pages in a row have no key and report more keys`)
      position = page.next
    }
  }

  /** The page that follows a position. */
  async #goOn(request: ListRequest, position: ListPosition | undefined, ask: Ask): Promise<TrustedPage> {
    if (position === undefined) return await ask(undefined)
    const { goesBack } = this.#options.rules.listing
    const context = this.#context(request)
    const byKey: ListPosition = { ...position, token: undefined }
    if (position.token !== undefined) {
      try {
        const page = await ask(position)
        if (!goesBack(page, position.key)) return page
        // A store that has forgotten its token starts at the beginning. Any other page that goes
        // backwards is out of order, and its keys would never be listed after the position.
        const first = await ask(undefined)
        if (!isSame(first, page)) throw orderError(context, firstKey(page), position.key)
      } catch (thrown) {
        // A token may have expired. The key of the position stays valid.
        if (!isSkeinError(thrown, 'failed_precondition') || thrown.reason !== undefined) throw thrown
      }
    }
    let page = await ask(byKey)
    if (goesBack(page, position.key) && page.byMarker && !this.#byMarker) {
      this.#byMarker = true
      page = await ask(byKey)
    }
    if (goesBack(page, position.key))
      throw stuck(
        context,
        `for the page after ${shown(position.key)}, the store starts again at ${shown(firstKey(page))}`,
      )
    if (isListedKey(byKey) && page.objects[0]?.key !== byKey.key && (await this.#isListed(byKey.key, ask)))
      throw stuck(
        context,
        `for the page from ${shown(position.key)}, the store starts at ${shown(firstKey(page))}, and still has ` +
          `${shown(position.key)}: it would leave out others, too`,
      )
    return page
  }

  /** Otherwise it was deleted since. */
  async #isListed(key: string, ask: Ask): Promise<boolean> {
    const page = await ask(undefined, { prefix: key, delimiter: undefined, after: undefined, limit: 1 })
    return page.objects[0]?.key === key
  }

  #context({ prefix }: Pick<ListRequest, 'prefix'>): AnswerContext {
    return { address: this.#options.address, what: requestName('LIST', this.#options.prefix + prefix) }
  }

  #ask(
    request: ListRequest,
    position: ListPosition | undefined,
    policy: RetryPolicy,
    signal: AbortSignal,
  ): Promise<TrustedPage> {
    const { retrying, onRequest } = this.#options
    return retrying(policy, signal, this.#context(request).what, (attemptSignal) => {
      onRequest()
      return this.#askOnce(request, position, attemptSignal)
    })
  }

  async #askOnce(request: ListRequest, position: ListPosition | undefined, signal: AbortSignal): Promise<TrustedPage> {
    const { requests, prefix: storePrefix, address, rules } = this.#options
    const { delimiter, limit } = request
    const prefix = storePrefix + request.prefix
    const startAfter =
      position === undefined || position.token !== undefined ? undefined : storePrefix + startKey(request, position)
    const query = {
      'list-type': '2',
      'encoding-type': 'url',
      // The key of the position comes again.
      'max-keys': String(isListedKey(position) && limit < pageMax ? limit + 1 : limit),
      prefix,
      delimiter,
      'continuation-token': position?.token,
      'start-after': startAfter,
      marker: this.#byMarker ? startAfter : undefined,
    }
    const context = this.#context(request)
    const { what } = context
    const answer = await requests.document({ what, method: 'GET', key: '', query }, signal)
    if (answer.status !== 200) {
      const { status, text } = answer
      throw (
        plainToTlsError(address, what, status, text) ??
        answerError(address, what, status, status === 404 ? 'NoSuchBucket' : errorCodeOf(text))
      )
    }
    const raw = scanListing(answer.text)
    if ('kind' in raw)
      throw this.#noListing(
        raw.kind === 'cut' ? undefined : notUnderstoodError(context, raw.problem),
        answer.text,
        context,
      )
    const isFirst = position === undefined
    const again = isListedKey(position) ? position.key : undefined
    const asked = { storePrefix, prefix, delimiter, isFirst, again, spellings: this.#spellings }
    return trustedPage(raw, asked, rules.listing, context)
  }

  /**
   * A successful status without a listing: a late error, a truncated document, or something else.
   */
  #noListing(notUnderstood: SkeinError | undefined, text: string, { what }: AnswerContext): SkeinError {
    const { address } = this.#options
    const code = /^\s*(?:<\?xml[^>]*>\s*)?<Error[ >]/.test(text) ? errorCodeOf(text) : undefined
    if (code !== undefined) return answerError(address, what, 200, code)
    return notUnderstood ?? badAnswerError(address, what, 'the listing ends in the middle of its document')
  }
}

/**
 * The entries after the position, up to the limit, and the next position.
 * @throws SkeinError failed_precondition when the object at the position is listed again in
 *   another version
 */
function behind(
  page: TrustedPage,
  position: ListPosition | undefined,
  limit: number,
  context: AnswerContext,
): ListPage {
  const after = position?.key
  const isBehind = (key: string): boolean => after === undefined || key !== after
  const objects = page.objects.filter((object) => {
    if (isBehind(object.key)) return true
    // The position of a prefix has no version, and a directory marker may follow it.
    if (position?.version !== undefined) checkRepeat(object, position.version, context)
    return false
  })
  // A listing that starts after a folded prefix folds it again.
  const prefixes = page.prefixes.filter(isBehind)
  const lastObject = objects.at(-1)
  if (objects.length + prefixes.length <= limit) {
    if (!page.truncated) return { objects, prefixes, next: undefined }
    const key = last([after, lastObject?.key, prefixes.at(-1)])
    return { objects, prefixes, next: { key, token: page.token, version: versionAt(key, objects, position) } }
  }
  // The store returned more than the limit. Ask for the rest again, because the caller has no room
  // for it.
  const end = [...objects.map(({ key }) => key), ...prefixes].sort(compareKeys)[limit - 1] ?? ''
  const isWithin = (key: string): boolean => compareKeys(key, end) <= 0
  return {
    objects: objects.filter(({ key }) => isWithin(key)),
    prefixes: prefixes.filter(isWithin),
    next: { key: end, token: undefined, version: versionAt(end, objects, position) },
  }
}

function versionAt(
  key: string,
  objects: readonly ObjectInfo[],
  position: ListPosition | undefined,
): string | undefined {
  const object = objects.findLast((entry) => entry.key === key)
  if (object !== undefined) return listedVersion(object)
  return position?.key === key ? position.version : undefined
}

/**
 * After a folded prefix, skip all its keys: the store would fold it again each time. Before an
 * object that was listed, so that it comes again.
 */
function startKey({ prefix, delimiter }: ListRequest, position: ListPosition): string {
  const { key } = position
  if (isListedKey(position)) return justBefore(key)
  return delimiter !== undefined && key.length > prefix.length && key.endsWith(delimiter) ? key + lastCharacter : key
}

/** Less than the key, in the order of UTF-8, with nothing between that is used in names. */
function justBefore(key: string): string {
  const lastOfKey = /.$/su.exec(key)?.[0] ?? ''
  const stem = key.slice(0, key.length - lastOfKey.length)
  const code = lastOfKey.codePointAt(0) ?? 0
  if (code <= 1) return stem
  // There are no characters between U+D7FF and U+E000.
  return stem + String.fromCodePoint(code === 0xe000 ? 0xd7ff : code - 1) + lastCharacter
}

function last(keys: readonly (string | undefined)[]): string {
  return (
    keys
      .filter((key) => key !== undefined)
      .sort(compareKeys)
      .at(-1) ?? ''
  )
}

function firstKey(page: TrustedPage): string {
  return [page.objects[0]?.key, page.prefixes[0]].filter((key) => key !== undefined).sort(compareKeys)[0] ?? ''
}

function isSame(one: TrustedPage, other: TrustedPage): boolean {
  const keys = ({ objects, prefixes }: TrustedPage): string => JSON.stringify([objects.map(({ key }) => key), prefixes])
  return keys(one) === keys(other)
}

function withUnreadable(objects: readonly ObjectInfo[], unreadable: readonly ObjectInfo[]): readonly ObjectInfo[] {
  return unreadable.length === 0 ? objects : [...objects, ...unreadable].sort((a, b) => compareKeys(a.key, b.key))
}

function stuck(context: AnswerContext, how: string): SkeinError {
  return refusedAnswer(context, `the listing does not advance: ${how}`, listingStuckReason)
}
