// Why: whoever holds a store's answer must know of which keys there is a newer word here. How: an
// inquiry gathers what changes, and what later and earlier questions made known, from its beginning
// until its answer was submitted (recent-changes.ts tells it). One that has gathered too many is
// outdated: it forgets them, and the store must be asked anew.
import { containerOf } from '../../base/block-id.ts'
import type { Touch } from '../../meta/apply/touched-keys.ts'
import { compareKeys } from '../../meta/edge-order.ts'
import type { NamespaceRecord } from '../../meta/meta-tables.ts'
import { type AnswerScope, speaksOf, speaksOfBelow } from './answer-scope.ts'

interface InquiryOptions {
  /** It asks for one object, not for a page. */
  readonly isOfOne: boolean
  /** The page begins behind it. */
  readonly afterKey: string | undefined
  readonly order: number
  readonly containersBefore: number
  readonly gatheredMax: number
  readonly end: (inquiry: Inquiry) => void
}

/**
 * A question to the store that is under way, or whose answer is still held against what is known.
 */
export class Inquiry {
  readonly #record: NamespaceRecord
  readonly #prefix: string
  readonly #isOfOne: boolean
  readonly #afterKey: string | undefined
  readonly #gatheredMax: number
  readonly #end: (inquiry: Inquiry) => void
  readonly #keys = new Set<string>()
  readonly #prefixes = new Set<string>()
  /** What later questions were answered. */
  readonly #answeredKeys = new Set<string>()
  readonly #answered: AnswerScope[] = []
  /** What answers to earlier questions made known since. */
  readonly #older = new Set<string>()
  /** Later questions have higher ones. */
  readonly order: number
  /** What the containers' counter said when it began. */
  readonly containersBefore: number
  #isOutdated = false

  /** @param prefix of the keys that the answer may speak of */
  constructor(record: NamespaceRecord, prefix: string, options: InquiryOptions) {
    const { isOfOne, afterKey, order, containersBefore, gatheredMax, end } = options
    this.#afterKey = afterKey
    this.order = order
    this.#isOfOne = isOfOne
    this.#record = record
    this.#prefix = prefix
    this.containersBefore = containersBefore
    this.#gatheredMax = gatheredMax
    this.#end = end
  }

  /** Too much was changed to tell what the answer is still good for: it must be asked for again. */
  get isOutdated(): boolean {
    return this.#isOutdated
  }

  /** Whether there is a newer word of a key; undefined while there is none of any. */
  get changed(): ((key: string) => boolean) | undefined {
    if (!this.#isOutdated && this.#gathered === this.#older.size) return undefined
    return (key) => this.isNewerKnown(key)
  }

  /**
   * Whether a key was changed here since, or of it a later question was answered: what is known
   * here is the newer word.
   */
  isNewerKnown(key: string): boolean {
    return this.isChanged(key) || this.#answeredKeys.has(key) || this.#answered.some((scope) => speaksOf(scope, key))
  }

  /** Whether a key was changed here since. Also when that cannot be told any more. */
  isChanged(key: string): boolean {
    if (this.#isOutdated || this.#keys.has(key)) return true
    for (const prefix of this.#prefixes) if (key.startsWith(prefix)) return true
    return false
  }

  /**
   * Whether a directory (`key` is empty or ends in `/`) or anything in it was changed here since.
   */
  isChangedBelow(key: string): boolean {
    if (this.isChanged(key)) return true
    for (const changed of this.#keys) if (changed.startsWith(key)) return true
    for (const prefix of this.#prefixes) if (prefix.startsWith(key)) return true
    return false
  }

  /**
   * Whether there is a newer word of a directory (`key` is empty or ends in `/`) or of anything in
   * it.
   */
  isNewerKnownBelow(key: string): boolean {
    if (this.isChangedBelow(key)) return true
    for (const answered of this.#answeredKeys) if (answered.startsWith(key)) return true
    return this.#answered.some((scope) => speaksOfBelow(scope, key))
  }

  /** Whether what is known here was made so since by somebody who asked later, or by users. */
  isYounger(key: string, inodeId: number): boolean {
    return containerOf(inodeId) > this.containersBefore && !this.isOlderKnown(key)
  }

  /** Whether it was made known since by the answer to an earlier question. */
  isOlderKnown(key: string): boolean {
    if (this.#older.has(key)) return true
    // The directories above come with it.
    if (key.endsWith('/')) for (const known of this.#older) if (known.startsWith(key)) return true
    return false
  }

  /** For the log's side alone. */
  gather({ namespaceId, keys, prefixes, isOfPages = false }: Touch): void {
    if (namespaceId !== this.#record.id || this.#isOutdated || (isOfPages && this.#isOfOne)) return
    for (const prefix of prefixes)
      if (prefix.startsWith(this.#prefix) || this.#prefix.startsWith(prefix)) this.#prefixes.add(prefix)
    for (const key of keys) if (key.startsWith(this.#prefix) && !this.isChanged(key)) this.#keys.add(key)
    if (this.#gathered > this.#gatheredMax) this.#outdate()
  }

  /**
   * A later question was answered, of one key. @param isNews it said something else than was known
   */
  gatherAnswer(later: Inquiry, key: string, isNews: boolean): void {
    if (this.#isOutdated || !this.#isBefore(later) || !key.startsWith(this.#prefix)) return
    // What only said again what is known does not make others ask anew.
    if (!isNews && this.#gathered >= this.#gatheredMax / 2) return
    this.#answeredKeys.add(key)
    if (this.#gathered > this.#gatheredMax) this.#outdate()
  }

  gatherAnswers(later: Inquiry, scope: AnswerScope): void {
    if (this.#isOutdated || !this.#isBefore(later)) return
    if (!scope.prefix.startsWith(this.#prefix) && !speaksOfBelow(scope, this.#prefix)) return
    this.#answered.push(scope)
    if (this.#gathered > this.#gatheredMax) this.#outdate()
  }

  /** The answer to an earlier question made these known. */
  gatherOlder(earlier: Inquiry, keys: readonly string[]): void {
    if (!earlier.#isBefore(this) || this.#isOutdated) return
    for (const key of keys)
      if (key.startsWith(this.#prefix) && !(this.#afterKey !== undefined && compareKeys(key, this.#afterKey) <= 0))
        this.#older.add(key)
    if (this.#gathered > this.#gatheredMax) this.#outdate()
  }

  /** The store is another one now. */
  redefined(namespaceId: string): void {
    if (namespaceId === this.#record.id) this.#outdate()
  }

  get #gathered(): number {
    return this.#keys.size + this.#prefixes.size + this.#answeredKeys.size + this.#answered.length + this.#older.size
  }

  #isBefore(later: Inquiry): boolean {
    return this.order < later.order && later.#record.id === this.#record.id
  }

  #outdate(): void {
    this.#isOutdated = true
    this.#keys.clear()
    this.#prefixes.clear()
    this.#answeredKeys.clear()
    this.#answered.length = 0
    this.#older.clear()
    this.#end(this)
  }

  /** Once the answer was submitted, or is not wanted. */
  close(): void {
    this.#end(this)
  }
}
