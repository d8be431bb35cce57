// Why: signatures cover headers as they were sent, and Node.js drops some repeated ones. How: all
// values by name, from the raw headers of a request (RFC 9110, 5.3). SDKs move `x-amz-*` headers
// into the query of a presigned request; there they mean the same.
import type { QueryFields } from './query-fields.ts'

/** Fields of the query that belong to the signature itself. */
const signatureField = /^x-amz-(?:algorithm|credential|date|expires|signedheaders|signature|security-token)$/

/** The headers of a request, names in lower case. */
export class HeaderFields {
  readonly #values = new Map<string, string[]>()

  /** @param raw name, value, name, value, ... as `rawHeaders` of node:http */
  constructor(raw: readonly string[]) {
    for (let index = 0; index + 1 < raw.length; index += 2) {
      const name = (raw[index] ?? '').toLowerCase()
      const value = raw[index + 1] ?? ''
      const known = this.#values.get(name)
      if (known === undefined) this.#values.set(name, [value])
      else known.push(value)
    }
  }

  /** With the fields of the query that stand for headers. */
  withQuery(query: QueryFields): HeaderFields {
    if (query.pairs.length === 0) return this
    const moved = query.pairs.filter(([name]) => /^x-amz-/i.test(name) && !signatureField.test(name.toLowerCase()))
    if (moved.length === 0) return this
    return new HeaderFields(
      [...this.#values].flatMap(([name, values]) => values.flatMap((value) => [name, value])).concat(moved.flat()),
    )
  }

  /** All values, joined by commas; undefined when the header is missing. */
  get(name: string): string | undefined {
    return this.#values.get(name)?.join(',')
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  names(): Iterable<string> {
    return this.#values.keys()
  }

  /**
   * The value as SigV4 signs it: blanks at the ends removed, sequences of blanks joined ("Create a
   * canonical request").
   */
  canonical(name: string): string {
    const values = this.#values.get(name) ?? []
    return values.map((value) => value.trim().replace(/ +/g, ' ')).join(',')
  }
}
