// Why: SDKs send bodies in chunks of their own, with signatures and a checksum behind the last one.
// How: a streaming parser of `aws-chunked` ("Signature calculations: Transferring payload in
// multiple chunks", Amazon S3 API Reference). Data passes through without a copy; lines are
// bounded.
//   chunk   = size-hex [";chunk-signature=" 64-hex] CRLF data CRLF
//   body    = *chunk, a chunk of size 0 without its data, *trailer, CRLF
//   trailer = name ":" value CRLF     (some end it with LF, or with LF CRLF)
import { s3Error } from '../answer/error-table.ts'

/** The signatures of a signed body; see ChunkSignatures. */
export interface ChunkChecks {
  update(bytes: Uint8Array): void
  endChunk(signature: string): void
  endTrailer(signature: string, lines: string): void
}

export interface ChunkedForm {
  /** Whether every chunk has a signature. */
  readonly isSigned: boolean
  /** Whether trailers may follow. */
  readonly hasTrailer: boolean
  /** Checks the signatures; undefined: nobody does. */
  readonly checks: ChunkChecks | undefined
}

const lineBytesMax = 1024
const trailersMax = 16
const lineFeed = 10
const signatureName = 'x-amz-trailer-signature'

type State = 'size' | 'data' | 'data end' | 'trailer' | 'done'

export class ChunkDecoder {
  readonly #form: ChunkedForm
  #state: State = 'size'
  #line = ''
  #left = 0
  #signature = ''
  readonly #trailers = new Map<string, string>()

  constructor(form: ChunkedForm) {
    this.#form = form
  }

  /** By name in lower case. Complete after `end`. */
  get trailers(): ReadonlyMap<string, string> {
    return this.#trailers
  }

  /** Yields the data of these bytes. @throws S3 InvalidRequest, SignatureDoesNotMatch */
  *push(bytes: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < bytes.length;) {
      if (this.#state === 'data') {
        const data = bytes.subarray(at, at + this.#left)
        at += data.length
        this.#left -= data.length
        this.#form.checks?.update(data)
        if (this.#left === 0) this.#state = 'data end'
        yield data
        continue
      }
      const feed = bytes.indexOf(lineFeed, at)
      const end = feed < 0 ? bytes.length : feed
      this.#line += Buffer.from(bytes.subarray(at, end)).toString('latin1')
      if (this.#line.length > lineBytesMax) throw malformed(`a line is longer than ${lineBytesMax} bytes`)
      at = end + 1
      if (feed < 0) return
      const line = this.#line.replace(/\r$/, '')
      this.#line = ''
      this.#takeLine(line)
    }
  }

  /** The body has ended. @throws S3 IncompleteBody */
  end(): void {
    // Some SDKs leave out the last line.
    const isComplete = this.#state === 'done' || (this.#state === 'trailer' && this.#line === '')
    if (!isComplete) throw s3Error('IncompleteBody', 'The body ended before its last chunk.')
    this.#endTrailer()
  }

  #takeLine(line: string): void {
    switch (this.#state) {
      case 'size':
        return this.#beginChunk(line)
      case 'data end':
        if (line !== '') throw malformed('a chunk is longer than its size')
        this.#endChunk()
        this.#state = 'size'
        return
      case 'trailer':
        return this.#takeTrailer(line)
      case 'data':
      case 'done':
        // Some SDKs send one line end more.
        if (line !== '') throw malformed('bytes follow the last chunk')
    }
  }

  #beginChunk(line: string): void {
    const match = /^([0-9a-fA-F]{1,13})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(line)
    if (match === null) throw malformed('a chunk begins with a size, and with its signature if it is signed')
    const [, size = '', signature = ''] = match
    if (this.#form.isSigned && signature === '') throw malformed('a chunk has no signature')
    this.#signature = signature
    this.#left = Number.parseInt(size, 16)
    this.#state = this.#left > 0 ? 'data' : 'trailer'
    if (this.#left === 0) this.#endChunk()
  }

  #endChunk(): void {
    this.#form.checks?.endChunk(this.#signature)
  }

  #takeTrailer(line: string): void {
    if (line === '') {
      // With LF CRLF at the end of a trailer, an empty line stands before the signature.
      const { isSigned, hasTrailer } = this.#form
      if (!isSigned || !hasTrailer || this.#trailers.has(signatureName)) this.#state = 'done'
      return
    }
    const mark = line.indexOf(':')
    if (!this.#form.hasTrailer || mark <= 0) throw malformed('a trailer was not expected')
    if (this.#trailers.size >= trailersMax) throw malformed(`there are more than ${trailersMax} trailers`)
    const name = line.slice(0, mark).trim().toLowerCase()
    if (this.#trailers.has(name)) throw malformed('a trailer is there twice')
    this.#trailers.set(name, line.slice(mark + 1).trim())
  }

  #endTrailer(): void {
    const { isSigned, hasTrailer, checks } = this.#form
    const signature = this.#trailers.get(signatureName)
    this.#trailers.delete(signatureName)
    if (!isSigned || !hasTrailer) return
    if (signature === undefined) throw malformed('the trailers have no signature')
    const lines = [...this.#trailers].map(([name, value]) => `${name}:${value}\n`).join('')
    checks?.endTrailer(signature, lines)
  }
}

function malformed(what: string): Error {
  return s3Error('InvalidRequest', `The aws-chunked body is malformed: ${what}.`)
}
