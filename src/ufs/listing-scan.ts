// Why: a load begins with listings of millions of objects, and a general XML parser behind a schema costs more than all else
// of a page. How: one pass over the text that knows only what a ListBucketResult (Amazon S3 API Reference, ListObjectsV2) is
// made of. It understands or it refuses: a document with anything unusual in it is left to the SDK's parser, so nothing is
// ever read in two ways.

/** Same names and meanings as in the SDK's output. */
export interface Listing {
  Name?: string | undefined
  IsTruncated?: boolean | undefined
  EncodingType?: string | undefined
  NextContinuationToken?: string | undefined
  Contents?: ListedObject[] | undefined
  CommonPrefixes?: { Prefix?: string | undefined }[] | undefined
}
export interface ListedObject {
  Key?: string | undefined
  ETag?: string | undefined
  Size?: number | undefined
  LastModified?: Date | undefined
  StorageClass?: string | undefined
}

const depthMax = 8

/** The listing in a document; undefined when it is anything but a plain ListBucketResult. */
export function scanListing(text: string): Listing | undefined {
  try {
    return new ListingScan(text).run()
  } catch (thrown) {
    if (thrown instanceof Refusal) return undefined
    throw thrown
  }
}

class Refusal extends Error {}

class ListingScan {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  run(): Listing {
    const start = /^\s*(?:<\?xml [^<>]*\?>\s*)?<ListBucketResult(?: xmlns="[^"<>&]*")?>/.exec(this.#text)
    if (start === null) throw new Refusal()
    this.#at = start[0].length
    const listing: Listing = {}
    this.#children('ListBucketResult', (name) => {
      if (name === 'Contents') (listing.Contents ??= []).push(this.#object())
      else if (name === 'CommonPrefixes') (listing.CommonPrefixes ??= []).push(this.#prefix())
      else if (name === 'Name' || name === 'EncodingType' || name === 'NextContinuationToken')
        listing[name] = this.#once(listing[name], name)
      else if (name === 'IsTruncated') {
        const value = this.#once(listing.IsTruncated, name)
        if (value !== 'true' && value !== 'false') throw new Refusal()
        listing.IsTruncated = value === 'true'
      } else this.#skip(name, 0)
    })
    if (this.#text.slice(this.#at).trim() !== '') throw new Refusal()
    return listing
  }

  #object(): ListedObject {
    const object: ListedObject = { Key: undefined, ETag: undefined, Size: undefined, LastModified: undefined, StorageClass: undefined }
    this.#children('Contents', (name) => {
      if (name === 'Key' || name === 'ETag' || name === 'StorageClass') object[name] = this.#once(object[name], name)
      else if (name === 'Size') {
        const value = this.#once(object.Size, name)
        if (!/^\d{1,15}$/.test(value)) throw new Refusal()
        object.Size = Number(value)
      } else if (name === 'LastModified') {
        const value = this.#once(object.LastModified, name)
        const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z$/.test(value) ? Date.parse(value) : Number.NaN
        if (Number.isNaN(ms)) throw new Refusal()
        object.LastModified = new Date(ms)
      } else this.#skip(name, 0)
    })
    return object
  }

  #prefix(): { Prefix?: string | undefined } {
    const folded: { Prefix?: string | undefined } = {}
    this.#children('CommonPrefixes', (name) => {
      if (name === 'Prefix') folded.Prefix = this.#once(folded.Prefix, name)
      else this.#skip(name, 0)
    })
    return folded
  }

  /** Visits the elements up to the end of `parent`; `visit` takes each to the end of its end tag. */
  #children(parent: string, visit: (name: string) => void): void {
    for (;;) {
      this.#blanks()
      if (this.#text.startsWith('</', this.#at)) {
        this.#end(parent)
        return
      }
      visit(this.#begin())
    }
  }

  /** Over the layout between elements. Blanks on one line are content to some parsers. */
  #blanks(): void {
    const from = this.#at
    let lineBreak = false
    for (let code = this.#text.charCodeAt(from); code === 10 || code === 32 || code === 13 || code === 9;) {
      lineBreak ||= code === 10
      this.#at += 1
      code = this.#text.charCodeAt(this.#at)
    }
    if (this.#at > from && !lineBreak) throw new Refusal()
  }

  /** Over a start tag without attributes. */
  #begin(): string {
    const close = this.#text.indexOf('>', this.#at)
    if (close < 0 || this.#text.charCodeAt(this.#at) !== 60) throw new Refusal()
    const name = this.#text.slice(this.#at + 1, close)
    if (!/^[A-Za-z][A-Za-z0-9]*$/.test(name)) throw new Refusal()
    this.#at = close + 1
    return name
  }

  #end(name: string): void {
    if (!this.#text.startsWith(`</${name}>`, this.#at)) throw new Refusal()
    this.#at += name.length + 3
  }

  /** The text of an element that may come once and is not blank, to behind its end tag. */
  #once(before: unknown, name: string): string {
    const end = this.#text.indexOf('<', this.#at)
    if (end < 0 || before !== undefined) throw new Refusal()
    const raw = this.#text.slice(this.#at, end)
    this.#at = end
    this.#end(name)
    if (raw.includes('\r') || raw.trim() === '') throw new Refusal()
    return raw.includes('&') ? raw.replace(/&([^;&]*);?/g, (whole, entity: string) => unescaped(whole, entity)) : raw
  }

  /** Over an element that does not matter. */
  #skip(name: string, depth: number): void {
    if (depth > depthMax) throw new Refusal()
    for (;;) {
      const next = this.#text.indexOf('<', this.#at)
      if (next < 0) throw new Refusal()
      this.#at = next
      if (this.#text.startsWith('</', next)) {
        this.#end(name)
        return
      }
      this.#skip(this.#begin(), depth + 1)
    }
  }
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function unescaped(whole: string, entity: string): string {
  const named = whole.endsWith(';') ? entities[entity] : undefined
  if (named !== undefined) return named
  const digits = whole.endsWith(';') ? /^#(?:x([0-9a-fA-F]{1,6})|(\d{1,7}))$/.exec(entity) : null
  const code = digits === null ? Number.NaN : Number.parseInt(digits[1] ?? digits[2] ?? '', digits[1] === undefined ? 10 : 16)
  // Only what XML 1.0 allows in a document (section 2.2), and no numbers of two UTF-16 units: parsers disagree about them.
  const allowed = code === 9 || code === 10 || code === 13 || (code >= 0x20 && code <= 0xd7ff) || (code >= 0xe000 && code <= 0xfffd)
  if (!allowed) throw new Refusal()
  return String.fromCharCode(code)
}
