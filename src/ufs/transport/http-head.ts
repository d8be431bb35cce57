// Why: the responses of a store are not trusted, and the length of a body must never be guessed.
// How: the head is parsed by the grammar of RFC 9112 without its leniencies, and the framing
// follows section 6.3. Everything else is a fault, which closes the connection. A small state
// machine decodes chunked bodies (S3 uses them for error documents).
import { SkeinError } from '../../base/errors.ts'

/** A malformed response. Its connection cannot be used again. */
export class AnswerFault extends Error {
  override readonly name = 'AnswerFault'
}

/** Names are in lower case. Values of repeated headers are joined with `, `. */
export type AnswerHeaders = ReadonlyMap<string, string>

export interface AnswerHead {
  readonly status: number
  readonly headers: AnswerHeaders
  /** Bytes of the body; `chunked`; or `close` if the body ends with the connection. */
  readonly body: number | 'chunked' | 'close'
  /**
   * Whether the connection may carry another request afterwards, and how long the server keeps it
   * open at most.
   */
  readonly keep: boolean
  readonly keepMaxMs: number
}

const statusLine = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/
const fieldLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t ]*([\t\x20-\x7e\x80-\xff]*)$/

/**
 * Parses a head without its empty line, as latin1. `isHead`: the response to a HEAD, which never
 * has a body.
 * @throws AnswerFault
 */
export function parseHead(text: string, isHead = false): AnswerHead {
  const lines = text.split('\r\n')
  const [, minor, digits] = statusLine.exec(lines[0] ?? '') ?? []
  if (digits === undefined) throw new AnswerFault('the response is not HTTP/1.1')
  const headers = new Map<string, string>()
  for (let at = 1; at < lines.length; at += 1) {
    const [, name, raw] = fieldLine.exec(lines[at] ?? '') ?? []
    if (name === undefined || raw === undefined) throw new AnswerFault('a header line is malformed')
    const key = name.toLowerCase()
    const before = headers.get(key)
    headers.set(key, before === undefined ? raw.trimEnd() : `${before}, ${raw.trimEnd()}`)
  }
  const status = Number(digits)
  const told = bodyOf(status, headers)
  const body = isHead ? 0 : told
  const connection = headers.get('connection')?.toLowerCase()
  const keep =
    minor === '1' && body !== 'close' && (connection === undefined || !/(?:^|[\s,])close(?:$|[\s,])/.test(connection))
  const hint = /(?:^|[\s,])timeout=(\d{1,6})(?:$|[\s,])/i.exec(headers.get('keep-alive') ?? '')?.[1]
  return { status, headers, body, keep, keepMaxMs: hint === undefined ? Number.POSITIVE_INFINITY : Number(hint) * 1000 }
}

function bodyOf(status: number, headers: AnswerHeaders): AnswerHead['body'] {
  const length = headers.get('content-length')
  const coding = headers.get('transfer-encoding')
  if (length !== undefined && !/^\d{1,15}$/.test(length)) throw new AnswerFault('the Content-Length is malformed')
  if (coding !== undefined && length !== undefined)
    throw new AnswerFault('the response has both Content-Length and Transfer-Encoding')
  if (status < 200 || status === 204 || status === 304) return 0
  if (coding === undefined) return length === undefined ? 'close' : Number(length)
  if (coding.toLowerCase() !== 'chunked') throw new AnswerFault('the Transfer-Encoding is not chunked')
  return 'chunked'
}

const lineBytesMax = 1024
const trailerLinesMax = 64

/** Decodes a chunked body (RFC 9112, section 7.1). Drops extensions and trailers. */
export class ChunkedBody {
  #line = ''
  #left = 0
  #expect: 'size' | 'data' | 'data end' | 'trailer' | 'nothing' = 'size'
  #trailerLines = 0

  get done(): boolean {
    return this.#expect === 'nothing'
  }

  /**
   * Passes the body bytes in `bytes` to `take`, as views. Returns the number of bytes used, which
   * is less than all only if the body ended.
   * @throws AnswerFault
   */
  feed(bytes: Buffer, take: (part: Buffer) => void): number {
    let at = 0
    while (at < bytes.length && this.#expect !== 'nothing') {
      if (this.#expect === 'data') {
        const part = bytes.subarray(at, at + this.#left)
        at += part.length
        this.#left -= part.length
        if (this.#left === 0) this.#expect = 'data end'
        take(part)
      } else {
        const newline = bytes.indexOf(10, at)
        const end = newline < 0 ? bytes.length : newline + 1
        this.#line += bytes.toString('latin1', at, end)
        at = end
        if (this.#line.length > lineBytesMax) throw new AnswerFault('a chunk line is too long')
        if (newline >= 0) this.#endLine()
      }
    }
    return at
  }

  #endLine(): void {
    const line = this.#line
    this.#line = ''
    if (!line.endsWith('\r\n')) throw new AnswerFault('a chunk line is malformed')
    if (this.#expect === 'size') {
      const digits = /^([0-9A-Fa-f]{1,12})(?:[\t ]*;[\t\x20-\x7e\x80-\xff]*)?\r\n$/.exec(line)?.[1]
      if (digits === undefined) throw new AnswerFault('a chunk size is malformed')
      this.#left = Number.parseInt(digits, 16)
      this.#expect = this.#left === 0 ? 'trailer' : 'data'
    } else if (this.#expect === 'data end') {
      if (line !== '\r\n') throw new AnswerFault('a chunk is longer than its size line')
      this.#expect = 'size'
    } else if (line === '\r\n') {
      this.#expect = 'nothing'
    } else {
      this.#trailerLines += 1
      if (this.#trailerLines > trailerLinesMax) throw new AnswerFault('the response has too many trailers')
    }
  }
}

/** A line break in a key or an ETag must not start a new header. */
const unsendable = /[^\t\x20-\x7e\x80-\xff]/

/**
 * The head of a request. In `headers`, names and values alternate.
 * @throws SkeinError when a header cannot be sent unchanged
 */
export function requestText(path: string, headers: readonly string[], method = 'GET'): string {
  let bad = /[^\x21-\x7e]/.test(path)
  let text = `${method} ${path} HTTP/1.1\r\n`
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const value = headers[at + 1] ?? ''
    bad ||= unsendable.test(value)
    text += `${headers[at]}: ${value}\r\n`
  }
  if (bad)
    throw new SkeinError('failed_precondition', 'the key or the ETag has characters that HTTP cannot send', {
      reason: 'unsendable',
    })
  return `${text}\r\n`
}
