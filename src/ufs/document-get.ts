// Why: a listing is a document that is worth having only whole. How: one signed GET over the connections of the ranges,
// gathered up to a limit; what its status means is for the caller to say.
import { abortReason } from '../base/clock.ts'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import type { AnswerHandler, HttpGetPool, PendingGet } from './http-get.ts'
import { AnswerFault, type AnswerHeaders } from './http-head.ts'

export interface StoreDocument {
  readonly status: number
  readonly headers: AnswerHeaders
  readonly text: string
}

/** A page of 1000 keys of 1024 bytes, each byte percent-encoded, is below 4 MiB. */
const documentBytesMax = 16 * 1024 * 1024
const firstBytes = 64 * 1024

/** @throws AnswerFault, a SkeinError (the signal's reason among them), or an Error with a `code`, as HttpGetPool gives them */
export function getDocument(pool: HttpGetPool, path: string, headers: readonly string[], signal: AbortSignal): Promise<StoreDocument> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(abortReason(signal))
      return
    }
    let pending: PendingGet | undefined
    const onAbort = (): void => {
      pending?.abort()
      reject(abortReason(signal))
    }
    const done = (settle: () => void): void => {
      signal.removeEventListener('abort', onAbort)
      settle()
    }
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      pending = pool.get(
        path,
        headers,
        new DocumentHandler(
          (document) => done(() => resolve(document)),
          (error) => done(() => reject(error)),
        ),
      )
    } catch (thrown) {
      done(() => reject(toSkeinError(thrown)))
    }
  })
}

class DocumentHandler implements AnswerHandler {
  readonly #resolve: (document: StoreDocument) => void
  readonly #reject: (error: Error) => void
  #status = 0
  #headers: AnswerHeaders = new Map()
  #bytes: Buffer = Buffer.alloc(0)
  #filled = 0

  constructor(resolve: (document: StoreDocument) => void, reject: (error: Error) => void) {
    this.#resolve = resolve
    this.#reject = reject
  }

  head(status: number, headers: AnswerHeaders): void {
    this.#status = status
    this.#headers = headers
    const announced = Number(headers.get('content-length') ?? firstBytes)
    if (announced > documentBytesMax) throw new AnswerFault('the document is too long')
    this.#bytes = Buffer.allocUnsafe(Math.max(1, announced))
  }

  space(): Uint8Array {
    if (this.#filled === this.#bytes.length) {
      if (this.#filled >= documentBytesMax) throw new AnswerFault('the document is too long')
      this.#bytes = Buffer.concat([this.#bytes], this.#filled * 2)
    }
    return this.#bytes.subarray(this.#filled)
  }

  filled(bytes: number): boolean {
    this.#filled += bytes
    return true
  }

  end(): void {
    this.#resolve({ status: this.#status, headers: this.#headers, text: this.#bytes.toString('utf8', 0, this.#filled) })
  }

  fail(error: Error): void {
    this.#reject(error)
  }
}

/** A query for a path, as SigV4 signs it: names in byte order, everything but A-Z a-z 0-9 - . _ ~ percent-encoded. Undefined values are left out. */
export function canonicalQuery(values: Readonly<Record<string, string | undefined>>): string {
  return Object.entries(values)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${encoded(name)}=${encoded(value)}`]))
    .sort((a, b) => (a < b ? -1 : 1))
    .join('&')
}

function encoded(text: string): string {
  try {
    return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
  } catch (thrown) {
    throw new SkeinError('invalid_argument', 'a key holds half a character', { cause: thrown })
  }
}
