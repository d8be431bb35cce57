// Why: documents come from stores (listings of thousands of objects) and from clients of the S3
// door, and a general XML parser costs more than the rest of the work. How: one pass over the text,
// driven by who knows the document. It accepts XML 1.0 without document types, and reports
// documents that are truncated or are something else.

export interface XmlFieldProblem {
  /** The element, or `the document`. */
  readonly field: string
  /** The text that was found. */
  readonly value: string | undefined
  readonly expected: string
}

/** Why a text is not the document. */
export type XmlProblem =
  /** It ends in the middle. */
  { readonly kind: 'cut' } | { readonly kind: 'field'; readonly problem: XmlFieldProblem }

const depthMax = 8
/** Of a found text, in a problem. */
const shownMax = 100

/** Thrown by XmlScan, and caught by `scanned`. */
class Refusal extends Error {
  readonly problem: XmlProblem

  constructor(problem: XmlProblem) {
    super(problem.kind)
    this.problem = problem
  }
}

/** For a field with an impossible value. */
export function refused(field: string, value: string | undefined, expected: string): Error {
  return new Refusal({ kind: 'field', problem: { field, value, expected } })
}

function cut(): Refusal {
  return new Refusal({ kind: 'cut' })
}

/**
 * Reads a document whose root element is `root`. `read` reads the content of the root, with
 * `children` or `text`.
 */
export function scanned<T>(text: string, root: string, read: (scan: XmlScan) => T): T | XmlProblem {
  try {
    const scan = new XmlScan(text)
    scan.enter(root)
    const result = read(scan)
    scan.leave()
    return result
  } catch (thrown) {
    if (thrown instanceof Refusal) return thrown.problem
    throw thrown
  }
}

export class XmlScan {
  readonly #source: string
  #at = 0
  /** Whether the last tag had no content: `<a/>`. */
  #isEmpty = false

  constructor(source: string) {
    this.#source = source
  }

  /** Begins the document. */
  enter(root: string): void {
    const expected = `a ${root} document`
    if (this.#source.charCodeAt(0) === 0xfeff) this.#at = 1
    this.#between()
    if (this.#source.startsWith('<!DOCTYPE', this.#at)) throw refused('the document', '<!DOCTYPE', expected)
    const found = this.#source.charCodeAt(this.#at) === less ? this.#begin() : undefined
    if (found === undefined && this.#at >= this.#source.length) throw cut()
    if (found !== root) throw refused('the document', this.#source.slice(0, shownMax).trim(), expected)
  }

  /** Ends the document. */
  leave(): void {
    this.#between()
    if (this.#at < this.#source.length)
      throw refused('the document', this.#source.slice(this.#at, this.#at + shownMax), 'nothing after its end')
  }

  /**
   * Visits the elements up to the end of `parent`. `visit` consumes each one including its end tag.
   */
  children(parent: string, visit: (name: string) => void): void {
    if (this.#isEmpty) {
      this.#isEmpty = false
      return
    }
    for (;;) {
      this.#between()
      if (this.#source.startsWith('</', this.#at)) {
        this.#end(parent)
        return
      }
      if (this.#at >= this.#source.length) throw cut()
      if (this.#source.charCodeAt(this.#at) !== less)
        throw refused(parent, this.#source.slice(this.#at, this.#source.indexOf('<', this.#at)), 'elements only')
      visit(this.#begin())
    }
  }

  /** Skips blanks, comments and processing instructions between elements. */
  #between(): void {
    const text = this.#source
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
    const text = this.#source
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
    const match = tagPattern.exec(this.#source)
    if (match === null) {
      if (this.#source.indexOf('>', start) < 0) throw cut()
      throw refused('the document', this.#source.slice(start, start + shownMax), 'a tag of XML')
    }
    this.#at = tagPattern.lastIndex
    this.#isEmpty = match[2] === '/'
    return match[1] ?? ''
  }

  #end(name: string): void {
    const text = this.#source
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

  /** The text of the element that has begun. Consumes the end tag. */
  text(name: string): string {
    if (this.#isEmpty) {
      this.#isEmpty = false
      return ''
    }
    const end = this.#source.indexOf('<', this.#at)
    if (end < 0) throw cut()
    const raw = this.#source.slice(this.#at, end)
    this.#at = end
    if (this.#source.charCodeAt(end + 1) === slash) {
      this.#end(name)
      return raw.includes('&') || raw.includes('\r') ? unescaped(raw, name) : raw
    }
    return this.#mixed(name, unescaped(raw, name))
  }

  /** Text that contains comments or CDATA sections. */
  #mixed(name: string, start: string): string {
    const text = this.#source
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
      } else throw refused(name, text.slice(end, end + shownMax), 'text only')
    }
  }

  #behind(mark: string, from: number): number {
    const at = this.#source.indexOf(mark, from)
    if (at < 0) throw cut()
    return at + mark.length
  }

  /** Skips an element that is not needed. */
  skip(name: string, depth = 0): void {
    if (depth > depthMax) throw refused(name, 'nested too deep', `at most ${depthMax} levels`)
    if (this.#isEmpty) {
      this.#isEmpty = false
      return
    }
    for (;;) {
      const next = this.#source.indexOf('<', this.#at)
      if (next < 0) throw cut()
      this.#at = next
      if (this.#source.startsWith('<![CDATA[', next)) this.#at = this.#behind(']]>', next)
      else if (this.#source.startsWith('<!--', next)) this.#at = this.#behind('-->', next + 4)
      else if (this.#source.startsWith('<?', next)) this.#at = this.#behind('?>', next)
      else if (this.#source.startsWith('</', next)) {
        this.#end(name)
        return
      } else this.skip(this.#begin(), depth + 1)
    }
  }
}

const [less, greater, slash, question, exclamation] = [60, 62, 47, 63, 33]
const plainName = /^[A-Za-z][A-Za-z0-9]*$/
const tagPattern = /<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)(?:\s+[\w.:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*\s*(\/?)>/y

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
