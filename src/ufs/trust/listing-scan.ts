// Why: a load lists millions of objects, and a general XML parser with a schema costs more than the
// rest of a page. How: one pass over the text that knows only the elements of a ListBucketResult
// (Amazon S3 API Reference, ListObjects and ListObjectsV2) and returns every field as received;
// trust/listing-page.ts interprets them. It accepts XML 1.0 without document types. It reports
// documents that are truncated or not a listing.
import type { FieldProblem } from './answer-error.ts'

/** The fields of the document, as received; undefined where missing. */
export interface RawListing {
  Prefix?: string | undefined
  Delimiter?: string | undefined
  EncodingType?: string | undefined
  KeyCount?: string | undefined
  IsTruncated?: string | undefined
  NextContinuationToken?: string | undefined
  /** Only responses to version 1 of the request have it. */
  Marker?: string | undefined
  readonly contents: RawObject[]
  readonly commonPrefixes: (string | undefined)[]
}
export interface RawObject {
  Key: string | undefined
  ETag: string | undefined
  Size: string | undefined
  LastModified: string | undefined
  StorageClass: string | undefined
}

/** Why a text is not a listing. */
export type ScanProblem =
  /** It ends in the middle: worth another attempt. */
  { readonly kind: 'cut' } | { readonly kind: 'field'; readonly problem: FieldProblem }

const depthMax = 8
const documentName = 'ListBucketResult'
const expectedDocument = `a ${documentName} document`

export function scanListing(text: string): RawListing | ScanProblem {
  try {
    return new ListingScan(text).run()
  } catch (thrown) {
    if (thrown instanceof Refusal) return thrown.problem
    throw thrown
  }
}

class Refusal extends Error {
  readonly problem: ScanProblem

  constructor(problem: ScanProblem) {
    super(problem.kind)
    this.problem = problem
  }
}

function refused(field: string, value: string | undefined, expected: string): Refusal {
  return new Refusal({ kind: 'field', problem: { field, value, expected } })
}

function cut(): Refusal {
  return new Refusal({ kind: 'cut' })
}

class ListingScan {
  readonly #text: string
  #at = 0
  /** Whether the last tag had no content: `<a/>`. */
  #isEmpty = false

  constructor(text: string) {
    this.#text = text
  }

  run(): RawListing {
    if (this.#text.charCodeAt(0) === 0xfeff) this.#at = 1
    this.#between()
    if (this.#text.startsWith('<!DOCTYPE', this.#at)) throw refused('the document', '<!DOCTYPE', expectedDocument)
    const root = this.#text.charCodeAt(this.#at) === less ? this.#begin() : undefined
    if (root === undefined && this.#at >= this.#text.length) throw cut()
    if (root !== documentName) throw refused('the document', this.#text.slice(0, 100).trim(), expectedDocument)
    const listing: RawListing = { contents: [], commonPrefixes: [] }
    this.#children(documentName, (name) => {
      if (name === 'Contents') listing.contents.push(this.#object())
      else if (name === 'CommonPrefixes') this.#prefix(listing.commonPrefixes)
      else if (isListingField(name)) listing[name] = this.#once(listing[name], name)
      else this.#skip(name, 0)
    })
    this.#between()
    if (this.#at < this.#text.length)
      throw refused('the document', this.#text.slice(this.#at, this.#at + 100), 'nothing after its end')
    return listing
  }

  #object(): RawObject {
    const object: RawObject = {
      Key: undefined,
      ETag: undefined,
      Size: undefined,
      LastModified: undefined,
      StorageClass: undefined,
    }
    this.#children('Contents', (name) => {
      if (name === 'Key' || name === 'ETag' || name === 'StorageClass' || name === 'Size' || name === 'LastModified')
        object[name] = this.#once(object[name], name)
      else this.#skip(name, 0)
    })
    return object
  }

  /** AWS and COS write one prefix per element. Others put several into one. */
  #prefix(prefixes: (string | undefined)[]): void {
    const before = prefixes.length
    this.#children('CommonPrefixes', (name) => {
      if (name === 'Prefix') prefixes.push(this.#once(undefined, name))
      else this.#skip(name, 0)
    })
    if (prefixes.length === before) prefixes.push(undefined)
  }

  /**
   * Visits the elements up to the end of `parent`. `visit` consumes each one including its end tag.
   */
  #children(parent: string, visit: (name: string) => void): void {
    if (this.#isEmpty) {
      this.#isEmpty = false
      return
    }
    for (;;) {
      this.#between()
      if (this.#text.startsWith('</', this.#at)) {
        this.#end(parent)
        return
      }
      if (this.#at >= this.#text.length) throw cut()
      if (this.#text.charCodeAt(this.#at) !== less)
        throw refused(parent, this.#text.slice(this.#at, this.#text.indexOf('<', this.#at)), 'elements only')
      visit(this.#begin())
    }
  }

  /** Skips blanks, comments and processing instructions between elements. */
  #between(): void {
    const text = this.#text
    for (;;) {
      let code = text.charCodeAt(this.#at)
      while (code === 10 || code === 32 || code === 13 || code === 9) {
        this.#at += 1
        code = text.charCodeAt(this.#at)
      }
      if (code !== less) return
      const next = text.charCodeAt(this.#at + 1)
      if (next === question) this.#at = this.#behind('?>', this.#at + 2)
      else if (next === exclamation && text.startsWith('<!--', this.#at)) this.#at = this.#behind('-->', this.#at + 4)
      else return
    }
  }

  /** @returns the name of the tag that begins here, without its namespace prefix */
  #begin(): string {
    const text = this.#text
    const close = text.indexOf('>', this.#at)
    if (close < 0) throw cut()
    const name = text.slice(this.#at + 1, close)
    this.#at = close + 1
    if (plainName.test(name)) return name
    return this.#oddTag(close - name.length - 1)
  }

  /** Parses a tag with attributes, a namespace prefix, or no content. */
  #oddTag(start: number): string {
    tagPattern.lastIndex = start
    const match = tagPattern.exec(this.#text)
    if (match === null) {
      if (this.#text.indexOf('>', start) < 0) throw cut()
      throw refused('the document', this.#text.slice(start, start + 100), 'a tag of XML')
    }
    this.#at = tagPattern.lastIndex
    this.#isEmpty = match[2] === '/'
    return match[1] ?? ''
  }

  #end(name: string): void {
    const text = this.#text
    if (text.startsWith(name, this.#at + 2) && text.charCodeAt(this.#at + 2 + name.length) === greater) {
      this.#at += name.length + 3
      return
    }
    const close = text.indexOf('>', this.#at)
    if (close < 0) throw cut()
    const found = /^<\/(?:[\w.-]+:)?([\w.-]+)\s*$/.exec(text.slice(this.#at, close))?.[1]
    if (found !== name) throw refused('the document', text.slice(this.#at, close + 1), `</${name}>`)
    this.#at = close + 1
  }

  /** The text of an element that may occur once. Consumes the end tag. */
  #once(before: unknown, name: string): string {
    if (before !== undefined) throw refused(name, 'there twice', 'it once')
    if (this.#isEmpty) {
      this.#isEmpty = false
      return ''
    }
    const end = this.#text.indexOf('<', this.#at)
    if (end < 0) throw cut()
    const raw = this.#text.slice(this.#at, end)
    this.#at = end
    if (this.#text.charCodeAt(end + 1) === slash) {
      this.#end(name)
      return raw.includes('&') || raw.includes('\r') ? unescaped(raw, name) : raw
    }
    return this.#mixed(name, unescaped(raw, name))
  }

  /** Text that contains comments or CDATA sections. */
  #mixed(name: string, start: string): string {
    const text = this.#text
    for (let value = start; ;) {
      const end = text.indexOf('<', this.#at)
      if (end < 0) throw cut()
      if (end > this.#at) value += unescaped(text.slice(this.#at, end), name)
      this.#at = end
      if (text.startsWith('</', end)) {
        this.#end(name)
        return value
      }
      if (text.startsWith('<!--', end)) this.#at = this.#behind('-->', end + 4)
      else if (text.startsWith('<?', end)) this.#at = this.#behind('?>', end + 2)
      else if (text.startsWith('<![CDATA[', end)) {
        this.#at = this.#behind(']]>', end + 9)
        value += text.slice(end + 9, this.#at - 3).replace(/\r\n?/g, '\n')
      } else throw refused(name, text.slice(end, end + 100), 'text only')
    }
  }

  #behind(mark: string, from: number): number {
    const at = this.#text.indexOf(mark, from)
    if (at < 0) throw cut()
    return at + mark.length
  }

  /** Skips an element that is not needed. */
  #skip(name: string, depth: number): void {
    if (depth > depthMax) throw refused(name, 'nested too deep', `at most ${depthMax} levels`)
    if (this.#isEmpty) {
      this.#isEmpty = false
      return
    }
    for (;;) {
      const next = this.#text.indexOf('<', this.#at)
      if (next < 0) throw cut()
      this.#at = next
      if (this.#text.startsWith('<![CDATA[', next)) this.#at = this.#behind(']]>', next)
      else if (this.#text.startsWith('<!--', next)) this.#at = this.#behind('-->', next + 4)
      else if (this.#text.startsWith('<?', next)) this.#at = this.#behind('?>', next)
      else if (this.#text.startsWith('</', next)) {
        this.#end(name)
        return
      } else this.#skip(this.#begin(), depth + 1)
    }
  }
}

const [less, greater, slash, question, exclamation] = [60, 62, 47, 63, 33]
const plainName = /^[A-Za-z][A-Za-z0-9]*$/
const tagPattern = /<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)(?:\s+[\w.:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*\s*(\/?)>/y

type ListingField = Exclude<keyof RawListing, 'contents' | 'commonPrefixes'>
const listingFields: ReadonlySet<string> = new Set<ListingField>([
  'Prefix',
  'Delimiter',
  'EncodingType',
  'KeyCount',
  'IsTruncated',
  'NextContinuationToken',
  'Marker',
])

function isListingField(name: string): name is ListingField {
  return listingFields.has(name)
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/**
 * Decodes character data by XML 1.0: resolves references, and converts line ends to one line feed
 * (section 2.11).
 */
function unescaped(raw: string, field: string): string {
  const lines = raw.includes('\r') ? raw.replace(/\r\n?/g, '\n') : raw
  return lines.replace(/&([^;&]{0,12});?/g, (whole, entity: string) => {
    const named = whole.endsWith(';') ? entities[entity] : undefined
    if (named !== undefined) return named
    const digits = whole.endsWith(';') ? /^#(?:x([0-9a-fA-F]{1,6})|(\d{1,7}))$/.exec(entity) : null
    const code =
      digits === null ? Number.NaN : Number.parseInt(digits[1] ?? digits[2] ?? '', digits[1] === undefined ? 10 : 16)
    // Accepts more than XML 1.0 allows (section 2.2), because stores write control characters of
    // keys like this. Surrogates are refused.
    const isCharacter = code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff)
    if (!isCharacter) throw refused(field, whole, 'a character reference of XML')
    return String.fromCodePoint(code)
  })
}
