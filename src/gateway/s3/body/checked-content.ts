// Why: a body is stored only if it is what its sender meant. How: digests run along while the bytes
// pass, behind their consumer, here or on another thread (running-digests.ts); they are compared at
// the end, before anything is visible.
import { s3Error } from '../answer/error-table.ts'
import type { BodyPlan } from './body-plan.ts'
import { type ChecksumAlgorithm, checksumHeader, checksumValue } from './checksum-algorithms.ts'
import { type ChunkChecks, ChunkDecoder } from './chunk-decoder.ts'
import { type BeginDigests, type DigestName, digestsHere, type RunningDigests } from './running-digests.ts'

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
  readonly #algorithm: ChecksumAlgorithm | undefined
  readonly #begin: BeginDigests
  #bytes = 0
  #digests: ContentDigests | undefined

  /**
   * @param body as sent
   * @param checks for the signatures of chunks; undefined: nobody checks them
   * @param algorithm a checksum to compute if the plan has none
   * @param begin how the digests are computed
   */
  constructor(
    body: AsyncIterable<Uint8Array>,
    plan: BodyPlan,
    checks: ChunkChecks | undefined,
    algorithm?: ChecksumAlgorithm,
    begin = digestsHere,
  ) {
    this.#body = body
    this.#begin = begin
    this.#plan = plan
    this.#decoder = plan.chunked === undefined ? undefined : new ChunkDecoder({ ...plan.chunked, checks })
    this.#algorithm = plan.checksum?.algorithm ?? algorithm
  }

  /** After the last chunk. */
  get digests(): ContentDigests {
    if (this.#digests === undefined) throw new Error('the content was not read to its end')
    return this.#digests
  }

  /**
   * A chunk is the consumer's until it asks for the next one.
   * @throws S3 IncompleteBody, BadDigest, XAmzContentSHA256Mismatch, and those of ChunkDecoder
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const names: readonly DigestName[] = [
      ...new Set([
        'md5' as const,
        ...(this.#plan.sha256 === undefined ? [] : (['sha256'] as const)),
        ...(this.#algorithm === undefined ? [] : [this.#algorithm]),
      ]),
    ]
    const running = this.#begin(names)
    try {
      for await (const sent of this.#body) yield* this.#passed(sent, running)
      this.#endChunks()
      this.#checkLength()
      const digests = await running.finish()
      this.#digests = this.#compared(new Map(names.map((name, at) => [name, digests[at] ?? Buffer.alloc(0)])))
    } finally {
      running.drop()
    }
  }

  async *#passed(sent: Uint8Array, running: RunningDigests): AsyncGenerator<Uint8Array> {
    const parts: Uint8Array[] = []
    for (const data of this.#decoder === undefined ? [sent] : this.#decoder.push(sent)) {
      this.#count(data)
      parts.push(data)
      yield data
    }
    const room = running.take(sent, parts)
    if (room !== undefined) await room
  }

  #endChunks(): void {
    this.#decoder?.end()
    const { checksum } = this.#plan
    const announced = checksum === undefined || checksum.value !== undefined ? '' : checksumHeader(checksum.algorithm)
    const other = [...(this.#decoder?.trailers.keys() ?? [])].find((name) => name !== announced)
    if (other !== undefined)
      throw s3Error('InvalidRequest', `The trailer ${other.slice(0, 100)} was not announced in x-amz-trailer.`)
  }

  #count(bytes: Uint8Array): void {
    this.#bytes += bytes.length
    const { contentBytes } = this.#plan
    if (contentBytes !== undefined && this.#bytes > contentBytes)
      throw s3Error('InvalidRequest', `The content is longer than its ${contentBytes} bytes.`)
  }

  #checkLength(): void {
    const { contentBytes } = this.#plan
    if (contentBytes !== undefined && this.#bytes !== contentBytes) throw s3Error('IncompleteBody')
  }

  #compared(own: ReadonlyMap<DigestName, Buffer>): ContentDigests {
    const { sha256, md5 } = this.#plan
    if (sha256 !== undefined && own.get('sha256')?.toString('hex') !== sha256)
      throw s3Error('XAmzContentSHA256Mismatch')
    const ownMd5 = own.get('md5') ?? Buffer.alloc(0)
    if (md5 !== undefined && !ownMd5.equals(md5))
      throw s3Error('BadDigest', 'The Content-MD5 you specified did not match what we received.')
    return { bytes: this.#bytes, md5: ownMd5.toString('hex'), checksum: this.#comparedChecksum(own) }
  }

  #comparedChecksum(own: ReadonlyMap<DigestName, Buffer>): ContentDigests['checksum'] {
    const algorithm = this.#algorithm
    const value = algorithm === undefined ? undefined : own.get(algorithm)
    if (algorithm === undefined || value === undefined) return undefined
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
  begin: BeginDigests,
): CheckedContent {
  const plan = { payloadHash: '', chunked: undefined, sha256: undefined, md5: undefined, checksum: undefined }
  return new CheckedContent(chunks, { ...plan, contentBytes: length }, undefined, algorithm, begin)
}
