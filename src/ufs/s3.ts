// Why: COS and every S3 store behind the one contract; only this file and s3-writer.ts import the S3 SDK. How: HEADs go through the
// SDK, whose own retry is off (it stops at the headers; base/retry.ts is above it here); ranges through range-reader.ts and
// listings through listing-scan.ts, many times cheaper; the SDK reads a listing that the scan leaves to it. All share the
// bucket's SlowDown gate.
import { HeadObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import type { Clock, Random } from '../base/clock.ts'
import { isSkeinError, SkeinError } from '../base/errors.ts'
import { retry, type RetryPolicy } from '../base/retry.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { MetricRegistry } from '../telemetry/registry.ts'
import { canonicalQuery, getDocument } from './document-get.ts'
import { AnswerFault } from './http-head.ts'
import { compareKeys } from './key-order.ts'
import { type Listing, scanListing } from './listing-scan.ts'
import { RangeReader } from './range-reader.ts'
import { requestName } from './range-response.ts'
import { answerError, badAnswerError, clockSkewReason, connectionError, errorCodeOf, slowDownReason } from './s3-errors.ts'
import { openTransport, type S3Transport } from './s3-transport.ts'
import { S3Writer } from './s3-writer.ts'
import { RequestSigner } from './sigv4.ts'
import { SlowDownGate } from './slow-down-gate.ts'
import { notUnderstoodReason, refusedAnswer, shown } from './trust/answer-error.ts'
import type { S3Options } from './store-options.ts'
import { bareEtag } from './trust/range-answer.ts'
import type { ListPage, ListPosition, ListRequest, ObjectInfo, ReadRequest, UnderFileSystem, WriteOptions } from './under-file-system.ts'

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
  readonly #listSigner: RequestSigner
  readonly #counters = { readBytes: 0, readRequests: 0 }

  constructor(options: S3Options, deps: StoreDependencies) {
    this.#options = options
    this.#deps = deps
    this.#transport = openTransport(options, deps)
    this.#gate = new SlowDownGate(deps.clock, deps.random)
    this.#policy = { attemptsMax: options.maxRetries + 1, initialMs: 100, maxMs: 10_000 }
    this.#client = createClient(options, this.#transport)
    this.#listSigner = new RequestSigner(options, this.#transport.host, [], deps.clock)
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
    await this.#listOnce(
      { prefix: '', delimiter: undefined, after: undefined, limit: 1 },
      undefined,
      { ...this.#policy, attemptsMax: checkAttemptsMax },
      signal,
    )
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

  async list(request: ListRequest, signal: AbortSignal): Promise<ListPage> {
    const token = request.after?.token
    if (token === undefined) return await this.#listOnce(request, undefined, this.#policy, signal)
    try {
      return await this.#listOnce(request, token, this.#policy, signal)
    } catch (thrown) {
      // A token may have expired: the key of the position does not.
      if (!isSkeinError(thrown, 'failed_precondition')) throw thrown
      return await this.#listOnce(request, undefined, this.#policy, signal)
    }
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

  async #listOnce(request: ListRequest, token: string | undefined, policy: RetryPolicy, signal: AbortSignal): Promise<ListPage> {
    const { prefix } = this.#options
    const what = requestName('LIST', prefix + request.prefix)
    const startAfter = token === undefined && request.after !== undefined ? prefix + request.after.key : undefined
    const output = await this.#retrying(policy, signal, what, async (abortSignal) => {
      this.#deps.metrics.add('ufs.list.requests')
      const answer =
        (await this.#listLean(what, request, token, startAfter, abortSignal)) ??
        (await this.#listBySdk(request, token, startAfter, abortSignal))
      // An error document that came with status 200 parses as an empty page.
      if (answer.IsTruncated === undefined && answer.Name === undefined)
        throw badAnswerError(this.#options, what, 'the answer is not a listing')
      return answer
    })
    return toPage(output, prefix, request.after)
  }

  /** Undefined when the answer is better left to the SDK. */
  async #listLean(
    what: string,
    request: ListRequest,
    token: string | undefined,
    startAfter: string | undefined,
    signal: AbortSignal,
  ): Promise<Listing | undefined> {
    const query = canonicalQuery({
      'list-type': '2',
      'encoding-type': 'url',
      'max-keys': String(request.limit),
      prefix: this.#options.prefix + request.prefix,
      delimiter: request.delimiter,
      'continuation-token': token,
      'start-after': startAfter,
    })
    const path = this.#transport.pathPrefix
    const headers = this.#listSigner.sign('GET', path, query)
    const answer = await getDocument(this.#transport.pool, `${path}?${query}`, headers, signal)
    if (answer.status === 200) return scanListing(answer.text)
    const code = errorCodeOf(answer.text)
    const dateMs = Date.parse(answer.headers.get('date') ?? '')
    if (code === 'RequestTimeTooSkewed' && Number.isFinite(dateMs)) this.#listSigner.correctClock(dateMs)
    throw answerError(this.#options, what, answer.status, answer.status === 404 ? 'NoSuchBucket' : code)
  }

  async #listBySdk(
    request: ListRequest,
    token: string | undefined,
    startAfter: string | undefined,
    abortSignal: AbortSignal,
  ): Promise<Listing> {
    const command = new ListObjectsV2Command({
      Bucket: this.#options.bucket,
      Prefix: this.#options.prefix + request.prefix,
      Delimiter: request.delimiter,
      MaxKeys: request.limit,
      EncodingType: 'url',
      ContinuationToken: token,
      StartAfter: startAfter,
    })
    return await this.#client.send(command, { abortSignal, requestTimeout: this.#options.socketTimeoutMs })
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

function toPage(output: Listing, storePrefix: string, after: ListPosition | undefined): ListPage {
  const decode = output.EncodingType === 'url' ? decodeKey : (text: string): string => text
  const objects: ObjectInfo[] = []
  for (const entry of output.Contents ?? []) {
    if (entry.Key === undefined) continue
    const key = decode(entry.Key)
    if (key === storePrefix && storePrefix !== '') continue
    objects.push({
      key: key.slice(storePrefix.length),
      length: entry.Size ?? 0,
      // Without one no version can be held fast; who loads it says so (meta/listing-diff.ts).
      etag: entry.ETag === undefined ? '' : bareEtag(entry.ETag),
      modifiedMs: entry.LastModified?.getTime() ?? 0,
      storageClass: entry.StorageClass ?? 'STANDARD',
    })
  }
  const prefixes: string[] = []
  for (const { Prefix } of output.CommonPrefixes ?? []) {
    const prefix = Prefix === undefined ? undefined : decode(Prefix).slice(storePrefix.length)
    // A listing that starts after a folded prefix folds it again.
    if (prefix !== undefined && prefix !== after?.key) prefixes.push(prefix)
  }
  const key =
    [after?.key, objects.at(-1)?.key, prefixes.at(-1)]
      .filter((last) => last !== undefined)
      .sort(compareKeys)
      .at(-1) ?? ''
  const next = output.IsTruncated === true ? { key, token: output.NextContinuationToken } : undefined
  return { objects: behind(objects, after), prefixes, next }
}

/** A store that does not know its token any more may begin again without a word (radosgw): what was given out is not given out again. */
function behind(objects: readonly ObjectInfo[], after: ListPosition | undefined): readonly ObjectInfo[] {
  const [first] = objects
  if (after === undefined || first === undefined || compareKeys(first.key, after.key) > 0) return objects
  return objects.filter(({ key }) => compareKeys(key, after.key) > 0)
}

/** Undoes `encoding-type=url`: percent-encoding, and `+` for a blank as AWS writes it. A key that is no UTF-8 stays encoded. */
function decodeKey(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}
