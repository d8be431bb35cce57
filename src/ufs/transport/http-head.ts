// Why: what a store answers is not trusted: how long a body is must never be guessed. How: the head
// of an answer by the grammar of RFC 9112 without its leniencies, and its framing by section 6.3;
// everything else is a fault, and a fault ends the connection. The bytes of a chunked body (error
// documents of S3 are) go through a small machine of their own.
import { SkeinError } from '../../base/errors.ts'

/** What is wrong with an answer; the connection it came on cannot be used any more. */
export class AnswerFault extends Error {
  override readonly name = 'AnswerFault'
}

/** By name in lower case; of repeated headers the values joined with `, `. */
export type AnswerHeaders = ReadonlyMap<string, string>

export interface AnswerHead {
  readonly status: number
  readonly headers: AnswerHeaders
  /** Bytes of the body; `chunked`, or `close` when it ends with the connection. */
  readonly body: number | 'chunked' | 'close'
  /**
   * Whether the connection may carry another request afterwards, and how long the server keeps it
   * at most.
   */
  readonly keep: boolean
  readonly keepMaxMs: number
}

const statusLine = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/
const fieldLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t ]*([\t\x20-\x7e\x80-\xff]*)$/

/**
 * The head without its empty line, as latin1; `isHead`: it answers a HEAD, and has no body whatever
 * it says. @throws AnswerFault
 */
export function parseHead(text: string, isHead = false): AnswerHead {
  const lines = text.split('\r\n')
  const [, minor, digits] = statusLine.exec(lines[0] ?? '') ?? []
  if (digits === undefined) throw new AnswerFault('the answer is not HTTP/1.1')
  const headers = new Map<string, string>()
  for (let at = 1; at < lines.length; at += 1) {
    const [, name, raw] = fieldLine.exec(lines[at] ?? '') ?? []
    if (name === undefined || raw === undefined) throw new AnswerFault('a header line cannot be read')
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
  if (length !== undefined && !/^\d{1,15}$/.test(length)) throw new AnswerFault('the Content-Length cannot be read')
  if (coding !== undefined && length !== undefined) throw new AnswerFault('both Content-Length and Transfer-Encoding')
  if (status < 200 || status === 204 || status === 304) return 0
  if (coding === undefined) return length === undefined ? 'close' : Number(length)
  if (coding.toLowerCase() !== 'chunked') throw new AnswerFault('a Transfer-Encoding other than chunked')
  return 'chunked'
}

const lineBytesMax = 1024
const trailerLinesMax = 64

/** Takes a chunked body apart (RFC 9112, section 7.1); extensions and trailers are dropped. */
export class ChunkedBody {
  #line = ''
  #left = 0
  #expect: 'size' | 'data' | 'data end' | 'trailer' | 'nothing' = 'size'
  #trailerLines = 0

  get done(): boolean {
    return this.#expect === 'nothing'
  }

  /**
   * Gives the body's bytes among these to `take`, as views; returns how many were used: fewer only
   * when the body ended. @throws AnswerFault
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
    if (!line.endsWith('\r\n')) throw new AnswerFault('a chunk line cannot be read')
    if (this.#expect === 'size') {
      const digits = /^([0-9A-Fa-f]{1,12})(?:[\t ]*;[\t\x20-\x7e\x80-\xff]*)?\r\n$/.exec(line)?.[1]
      if (digits === undefined) throw new AnswerFault('a chunk size cannot be read')
      this.#left = Number.parseInt(digits, 16)
      this.#expect = this.#left === 0 ? 'trailer' : 'data'
    } else if (this.#expect === 'data end') {
      if (line !== '\r\n') throw new AnswerFault('a chunk is longer than it says')
      this.#expect = 'size'
    } else if (line === '\r\n') {
      this.#expect = 'nothing'
    } else {
      this.#trailerLines += 1
      if (this.#trailerLines > trailerLinesMax) throw new AnswerFault('too many trailers')
    }
  }
}

/** A line break in a key or an ETag must not become a header of its own. */
const unsendable = /[^\t\x20-\x7e\x80-\xff]/

/**
 * The head of a request as it is sent; `headers` are names and values in turn. @throws SkeinError
 * when one of them cannot be sent as it is
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
    throw new SkeinError('failed_precondition', 'the key or the ETag holds characters that cannot be sent', {
      reason: 'unsendable',
    })
  return `${text}\r\n`
}
