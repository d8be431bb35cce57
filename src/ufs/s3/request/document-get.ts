// Why: a listing, or the response to a write, is useful only when it is complete. How: one signed
// request over the connections of the ranges. Its body is collected up to a limit. The caller
// interprets the status.
import { abortReason } from '../../../base/clock.ts'
import { toSkeinError } from '../../../base/errors.ts'
import { AnswerFault, type AnswerHeaders } from '../../transport/http-head.ts'
import type { AnswerHandler } from '../../transport/http-connection.ts'
import type { HttpMethod, HttpPool, PendingRequest } from '../../transport/http-pool.ts'

export interface StoreDocument {
  readonly status: number
  readonly headers: AnswerHeaders
  readonly text: string
}

/** A page of 1000 keys of 1024 bytes, each byte percent-encoded, is below 4 MiB. */
const documentBytesMax = 16 * 1024 * 1024
const firstBytes = 64 * 1024

export interface SentDocument {
  readonly method: HttpMethod
  readonly path: string
  /** Names and values alternate. */
  readonly headers: readonly string[]
  readonly body?: Uint8Array | undefined
}

/**
 * @throws AnswerFault, ProxyFault, a SkeinError (which includes the signal's reason), or an Error
 *   with a `code`, as HttpPool reports them
 */
export function sendDocument(
  pool: HttpPool,
  { method, path, headers, body }: SentDocument,
  signal: AbortSignal,
): Promise<StoreDocument> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(abortReason(signal))
      return
    }
    let pending: PendingRequest | undefined
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
      pending = pool.send(
        method,
        path,
        headers,
        body,
        new DocumentHandler(
          method === 'HEAD',
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
  readonly #isHead: boolean
  readonly #resolve: (document: StoreDocument) => void
  readonly #reject: (error: Error) => void
  #status = 0
  #headers: AnswerHeaders = new Map()
  #bytes: Buffer = Buffer.alloc(0)
  #filled = 0

  constructor(isHead: boolean, resolve: (document: StoreDocument) => void, reject: (error: Error) => void) {
    this.#isHead = isHead
    this.#resolve = resolve
    this.#reject = reject
  }

  head(status: number, headers: AnswerHeaders): void {
    this.#status = status
    this.#headers = headers
    if (this.#isHead) return
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
