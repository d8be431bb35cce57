// Why: a body is stored only if it is what its sender meant. How: digests run along while the bytes
// pass; they are compared at the end, before anything is visible.
import { createHash, type Hash } from 'node:crypto'
import { s3Error } from '../answer/error-table.ts'
import type { BodyPlan } from './body-plan.ts'
import {
  type ChecksumAlgorithm,
  checksumHeader,
  checksumTable,
  checksumValue,
  type RunningChecksum,
} from './checksum-algorithms.ts'
import { type ChunkChecks, ChunkDecoder } from './chunk-decoder.ts'

export interface ContentDigests {
  readonly bytes: number
  /** In hexadecimal. */
  readonly md5: string
  /** The checksum of the plan, or of `algorithm`. */
  readonly checksum: { readonly algorithm: ChecksumAlgorithm; readonly value: Buffer } | undefined
}

/** Content that is read once, and whose digests are known when it has ended. */
export class CheckedContent implements AsyncIterable<Uint8Array> {
  readonly #body: AsyncIterable<Uint8Array>
  readonly #plan: BodyPlan
  readonly #decoder: ChunkDecoder | undefined
  readonly #md5 = createHash('md5')
  readonly #sha256: Hash | undefined
  readonly #algorithm: ChecksumAlgorithm | undefined
  readonly #checksum: RunningChecksum | undefined
  #bytes = 0
  #digests: ContentDigests | undefined

  /**
   * @param body as sent
   * @param checks for the signatures of chunks; undefined: nobody checks them
   * @param algorithm a checksum to compute if the plan has none
   */
  constructor(
    body: AsyncIterable<Uint8Array>,
    plan: BodyPlan,
    checks: ChunkChecks | undefined,
    algorithm?: ChecksumAlgorithm,
  ) {
    this.#body = body
    this.#plan = plan
    this.#decoder = plan.chunked === undefined ? undefined : new ChunkDecoder({ ...plan.chunked, checks })
    this.#sha256 = plan.sha256 === undefined ? undefined : createHash('sha256')
    this.#algorithm = plan.checksum?.algorithm ?? algorithm
    this.#checksum = this.#algorithm === undefined ? undefined : checksumTable[this.#algorithm].begin()
  }

  /** After the last chunk. */
  get digests(): ContentDigests {
    if (this.#digests === undefined) throw new Error('the content was not read to its end')
    return this.#digests
  }

  /** @throws S3 IncompleteBody, BadDigest, XAmzContentSHA256Mismatch, and those of ChunkDecoder */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for await (const sent of this.#body) {
      if (this.#decoder === undefined) {
        this.#add(sent)
        yield sent
        continue
      }
      for (const data of this.#decoder.push(sent)) {
        this.#add(data)
        yield data
      }
    }
    this.#endChunks()
    this.#digests = this.#compared()
  }

  #endChunks(): void {
    this.#decoder?.end()
    const { checksum } = this.#plan
    const announced = checksum === undefined || checksum.value !== undefined ? '' : checksumHeader(checksum.algorithm)
    const other = [...(this.#decoder?.trailers.keys() ?? [])].find((name) => name !== announced)
    if (other !== undefined)
      throw s3Error('InvalidRequest', `The trailer ${other.slice(0, 100)} was not announced in x-amz-trailer.`)
  }

  #add(bytes: Uint8Array): void {
    this.#bytes += bytes.length
    const { contentBytes } = this.#plan
    if (contentBytes !== undefined && this.#bytes > contentBytes)
      throw s3Error('InvalidRequest', `The content is longer than its ${contentBytes} bytes.`)
    this.#md5.update(bytes)
    this.#sha256?.update(bytes)
    this.#checksum?.update(bytes)
  }

  #compared(): ContentDigests {
    const { contentBytes, sha256, md5 } = this.#plan
    if (contentBytes !== undefined && this.#bytes !== contentBytes) throw s3Error('IncompleteBody')
    if (this.#sha256 !== undefined && this.#sha256.digest('hex') !== sha256) throw s3Error('XAmzContentSHA256Mismatch')
    const ownMd5 = this.#md5.digest()
    if (md5 !== undefined && !ownMd5.equals(md5))
      throw s3Error('BadDigest', 'The Content-MD5 you specified did not match what we received.')
    return { bytes: this.#bytes, md5: ownMd5.toString('hex'), checksum: this.#comparedChecksum() }
  }

  #comparedChecksum(): ContentDigests['checksum'] {
    if (this.#algorithm === undefined || this.#checksum === undefined) return undefined
    const algorithm = this.#algorithm
    const value = this.#checksum.digest()
    const expected = this.#plan.checksum === undefined ? value : (this.#plan.checksum.value ?? this.#trailer(algorithm))
    if (!value.equals(expected))
      throw s3Error('BadDigest', `The ${algorithm.toUpperCase()} you specified did not match the calculated checksum.`)
    return { algorithm, value }
  }

  #trailer(algorithm: ChecksumAlgorithm): Buffer {
    const text = this.#decoder?.trailers.get(checksumHeader(algorithm))
    if (text === undefined)
      throw s3Error('InvalidRequest', `The trailer ${checksumHeader(algorithm)} was announced and is missing.`)
    return checksumValue(algorithm, text)
  }
}

/** Content of this process, digested while it passes. */
export function digested(
  chunks: AsyncIterable<Uint8Array>,
  length: number,
  algorithm: ChecksumAlgorithm | undefined,
): CheckedContent {
  const plan = { payloadHash: '', chunked: undefined, sha256: undefined, md5: undefined, checksum: undefined }
  return new CheckedContent(chunks, { ...plan, contentBytes: length }, undefined, algorithm)
}
