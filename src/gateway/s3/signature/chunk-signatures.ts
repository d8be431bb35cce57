// Why: a body that is signed in chunks is checked while it arrives. How: each signature covers the
// one before ("Signature calculations for the Authorization header: Transferring payload in
// multiple chunks", Amazon S3 API Reference).
import { createHash, hash } from 'node:crypto'
import { s3Error } from '../answer/error-table.ts'
import { isSameSignature, signatureOf } from './signing-keys.ts'
import type { SignatureSeed } from './verification.ts'

const emptyHash = hash('sha256', '')

export class ChunkSignatures {
  readonly #seed: SignatureSeed
  #before: string
  #chunk = createHash('sha256')

  constructor(seed: SignatureSeed) {
    this.#seed = seed
    this.#before = seed.signature
  }

  /** Bytes of the current chunk. */
  update(bytes: Uint8Array): void {
    this.#chunk.update(bytes)
  }

  /** The chunk is complete. @throws S3 SignatureDoesNotMatch */
  endChunk(signature: string): void {
    this.#check(signature, `AWS4-HMAC-SHA256-PAYLOAD`, `${emptyHash}\n${this.#chunk.digest('hex')}`)
    this.#chunk = createHash('sha256')
  }

  /**
   * @param lines `name:value\n` for each trailer, in the order of the body
   * @throws S3 SignatureDoesNotMatch
   */
  endTrailer(signature: string, lines: string): void {
    this.#check(signature, 'AWS4-HMAC-SHA256-TRAILER', hash('sha256', lines))
  }

  #check(signature: string, kind: string, hashes: string): void {
    const { key, timestamp, scope } = this.#seed
    const expected = signatureOf(key, `${kind}\n${timestamp}\n${scope}\n${this.#before}\n${hashes}`)
    if (!isSameSignature(expected, signature)) throw s3Error('SignatureDoesNotMatch')
    this.#before = expected
  }
}
