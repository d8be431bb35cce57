// Why: COS and every S3 store behind the one contract; only this file and s3-writer.ts import the S3 SDK. How: HEADs go through the
// SDK, whose own retry is off (it stops at the headers; base/retry.ts is above it here); ranges through range-reader.ts and
// listings through s3-listing.ts, many times cheaper. What answers must hold is in trust/. All share the bucket's SlowDown gate.
import { HeadObjectCommand, S3Client } from '@aws-sdk/client-s3'
import type { Clock, Random } from '../base/clock.ts'
import { isSkeinError, SkeinError } from '../base/errors.ts'
import { retry, type RetryPolicy } from '../base/retry.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { MetricRegistry } from '../telemetry/registry.ts'
import { AnswerFault } from './http-head.ts'
import { RangeReader } from './range-reader.ts'
import { requestName } from './range-response.ts'
import { answerError, badAnswerError, clockSkewReason, connectionError, slowDownReason } from './s3-errors.ts'
import { S3Listing } from './s3-listing.ts'
import { openTransport, type S3Transport } from './s3-transport.ts'
import { S3Writer } from './s3-writer.ts'
import { RequestSigner } from './sigv4.ts'
import { SlowDownGate } from './slow-down-gate.ts'
import { notUnderstoodReason, refusedAnswer, shown } from './trust/answer-error.ts'
import { type TrustRules, trustRules } from './trust/rules.ts'
import type { S3Options } from './store-options.ts'
import { bareEtag } from './trust/range-answer.ts'
import type { ListPage, ListRequest, ObjectInfo, ReadRequest, UnderFileSystem, WriteOptions } from './under-file-system.ts'

export interface StoreDependencies {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: MetricRegistry
  readonly allowPrivateEndpoints: boolean
  /** Nobody waits for what is read: the rest of the process goes first. */
  readonly background?: boolean
  /** Objects above this many bytes are copied by reading and writing them. Default: what the store's own copy takes. */
  readonly copyBytesMax?: number
  /** What an answer must hold. Default: the rules of docs/store-trust.md; tests take single ones away. */
  readonly rules?: TrustRules
}

const crcHeader = 'x-cos-hash-crc64ecma'
/** A check answers a person who waits: it does not try for long. */
const checkAttemptsMax = 2

/** One bucket and prefix. Opens no connection before it is used. @throws SkeinError permission_denied (endpoint not allowed) */
export class S3UnderFileSystem implements UnderFileSystem {
  readonly #options: S3Options
  readonly #deps: StoreDependencies
  readonly #transport: S3Transport
  readonly #client: S3Client
  readonly #gate: SlowDownGate
  readonly #policy: RetryPolicy
  readonly #reader: RangeReader
  readonly #writer: S3Writer
  readonly #listing: S3Listing
  readonly #counters = { readBytes: 0, readRequests: 0 }

  constructor(options: S3Options, deps: StoreDependencies) {
    this.#options = options
    this.#deps = deps
    this.#transport = openTransport(options, deps)
    this.#gate = new SlowDownGate(deps.clock, deps.random)
    this.#policy = { attemptsMax: options.maxRetries + 1, initialMs: 100, maxMs: 10_000 }
    this.#client = createClient(options, this.#transport)
    this.#listing = new S3Listing({
      address: options,
      prefix: options.prefix,
      transport: this.#transport,
      signer: new RequestSigner(options, this.#transport.host, [], deps.clock),
      rules: deps.rules ?? trustRules,
      retrying: (policy, signal, what, send) => this.#retrying(policy, signal, what, send),
      onRequest: () => deps.metrics.add('ufs.list.requests'),
    })
    const limit = options.trafficLimitBitsPerSecond
    const extra = limit === undefined ? [] : [['x-cos-traffic-limit', String(limit)] as const]
    this.#reader = new RangeReader({
      address: options,
      transport: this.#transport,
      signer: new RequestSigner(options, this.#transport.host, extra, deps.clock),
      gate: this.#gate,
      policy: this.#policy,
      clock: deps.clock,
      random: deps.random,
      prefix: options.prefix,
      onRequest: () => {
        this.#counters.readRequests += 1
        deps.metrics.add('ufs.read.requests')
      },
      onBytes: (bytes) => {
        this.#counters.readBytes += bytes
        deps.metrics.add('ufs.read.bytes', bytes)
      },
      onRetry: (error) => this.#noteRetry(error),
    })
    this.#writer = new S3Writer({
      ...deps,
      options,
      client: this.#client,
      retrying: (signal, what, send) => this.#retrying(this.#policy, signal, what, send),
      store: this,
    })
  }

  get slowDowns(): number {
    return this.#gate.slowDowns
  }

  get counters(): { readonly readBytes: number; readonly readRequests: number } {
    return { ...this.#counters }
  }

  async check(signal: AbortSignal): Promise<void> {
    const first = { prefix: '', delimiter: undefined, after: undefined, limit: 1 }
    await this.#listing.list(first, { ...this.#policy, attemptsMax: checkAttemptsMax }, signal)
  }

  async stat(key: string, signal: AbortSignal): Promise<ObjectInfo> {
    const what = requestName('HEAD', key)
    const command = new HeadObjectCommand({ Bucket: this.#options.bucket, Key: this.#options.prefix + key })
    const head = await this.#retrying(this.#policy, signal, what, async (abortSignal) => {
      this.#deps.metrics.add('ufs.stat.requests')
      return await this.#client.send(command, { abortSignal, requestTimeout: this.#options.socketTimeoutMs })
    }).catch(async (error: unknown) => {
      // A refused HEAD has no body and so no code; a GET of one byte is refused for the same reason, and names it.
      if (isSkeinError(error, 'permission_denied') || isSkeinError(error, 'failed_precondition')) await this.#explain(key, signal)
      throw error
    })
    if (head.ContentLength === undefined || head.ETag === undefined)
      throw badAnswerError(this.#options, what, 'the answer has no length or no ETag')
    const crc64 = (head as { readonly crc64?: string }).crc64
    return {
      key,
      length: head.ContentLength,
      etag: bareEtag(head.ETag),
      modifiedMs: head.LastModified?.getTime() ?? 0,
      storageClass: head.StorageClass ?? 'STANDARD',
      ...(crc64 === undefined ? {} : { crc64 }),
    }
  }

  list(request: ListRequest, signal: AbortSignal): Promise<ListPage> {
    return this.#listing.list(request, this.#policy, signal)
  }

  read(request: ReadRequest, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#reader.read(request, signal)
  }

  readWhole(request: ReadRequest, signal: AbortSignal): Promise<Uint8Array> {
    return this.#reader.readWhole(request, signal)
  }

  write(key: string, length: number, chunks: AsyncIterable<Uint8Array>, options: WriteOptions, signal: AbortSignal): Promise<ObjectInfo> {
    return this.#writer.write(key, length, chunks, options, signal)
  }

  delete(key: string, signal: AbortSignal): Promise<void> {
    return this.#writer.delete(key, signal)
  }

  copy(from: string, to: string, signal: AbortSignal): Promise<ObjectInfo> {
    return this.#writer.copy(from, to, signal)
  }

  rename(from: string, to: string, etag: string, signal: AbortSignal): Promise<ObjectInfo> {
    return this.#writer.rename(from, to, etag, signal)
  }

  async close(): Promise<void> {
    this.#client.destroy()
    await this.#transport.close()
  }

  async #explain(key: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#reader.readWhole({ key, offset: 0, length: 1, etag: '*' }, signal)
    } catch (thrown) {
      if (thrown instanceof SkeinError && !thrown.retryable && thrown.code !== 'aborted') throw thrown
    }
  }

  async #retrying<T>(policy: RetryPolicy, signal: AbortSignal, what: string, send: (abortSignal: AbortSignal) => Promise<T>): Promise<T> {
    const attempt = async (): Promise<T> => {
      if (this.#gate.closed) await this.#gate.wait(signal)
      try {
        const answer = await send(signal)
        this.#gate.succeeded()
        return answer
      } catch (thrown) {
        const error = signal.aborted ? new SkeinError('cancelled', `${what} was cancelled`) : this.#meaning(what, thrown)
        if (error.reason === slowDownReason) this.#gate.slowDown()
        throw error
      }
    }
    return await retry(attempt, {
      policy,
      clock: this.#deps.clock,
      random: this.#deps.random,
      signal,
      onRetry: (error) => this.#noteRetry(error),
    })
  }

  /** The SDK's error as ours. It is not kept as a cause: it holds the request's headers, and those hold the session token. */
  #meaning(what: string, thrown: unknown): SkeinError {
    if (thrown instanceof SkeinError) return thrown
    if (thrown instanceof AnswerFault) return badAnswerError(this.#options, what, thrown.message)
    const { name, $metadata: metadata } = thrown as { readonly name?: string; readonly $metadata?: { readonly httpStatusCode?: number } }
    const status = metadata?.httpStatusCode
    if (status !== undefined && status < 300 && isParseFault(thrown))
      return refusedAnswer(
        { address: this.#options, what },
        `the answer ${status} is not understood: ${shown(thrown.message)}`,
        notUnderstoodReason,
      )
    if (status === undefined && (thrown instanceof TypeError || thrown instanceof RangeError))
      return new SkeinError('internal', `${what}: ${thrown.name} in the S3 client`)
    if (status === undefined) return connectionError(this.#options, what, thrown)
    const code =
      name === 'Unknown' || name === 'UnknownError' || name === 'Error' || name === 'S3ServiceException' || /^\d+$/.test(name ?? '')
        ? undefined
        : name
    return answerError(this.#options, what, status, status === 404 && what.startsWith('LIST') ? 'NoSuchBucket' : code)
  }

  #noteRetry(error: SkeinError): void {
    const { metrics, logger } = this.#deps
    metrics.add('ufs.retries')
    if (error.reason === slowDownReason) metrics.add('ufs.slow.downs')
    if (error.reason === clockSkewReason) logger.warn('the clock of this machine and that of the store differ', { error: error.message })
    else logger.debug('a request to the store is sent again', { error: error.message })
  }
}

/** Whether the SDK could not read an answer that came whole. */
function isParseFault(thrown: unknown): thrown is Error {
  if (thrown instanceof TypeError || thrown instanceof RangeError || thrown instanceof SyntaxError) return true
  return thrown instanceof Error && thrown.message.includes('XML parse error')
}

function createClient(options: S3Options, transport: S3Transport): S3Client {
  const { accessKeyId, secretAccessKey, sessionToken } = options
  const client = new S3Client({
    region: options.region,
    endpoint: options.endpoint,
    forcePathStyle: options.pathStyle,
    credentials: {
      accessKeyId: accessKeyId.reveal(),
      secretAccessKey: secretAccessKey.reveal(),
      ...(sessionToken === undefined ? {} : { sessionToken: sessionToken.reveal() }),
    },
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: transport.sdkHandler,
  })
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const result = await next(args)
      if (context.commandName !== 'HeadObjectCommand') return result
      const headers = (result.response as { readonly headers?: Readonly<Record<string, string>> }).headers
      const crc64 = headers?.[crcHeader]
      if (crc64 !== undefined && /^\d{1,20}$/.test(crc64)) Object.assign(result.output as object, { crc64 })
      return result
    },
    { step: 'deserialize', priority: 'high', name: 'keepCosChecksum' },
  )
  return client
}
