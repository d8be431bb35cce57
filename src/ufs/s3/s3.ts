// Why: COS and every S3 store behind one interface. How: store-requests.ts signs and sends all
// requests: ranges for range-reader.ts, listings for s3-listing.ts, the others for
// checked-requests.ts. trust/ has the checks for responses. This file has the retries and back-off;
// all share the bucket's SlowDown gate.
import { type Random, throwIfAborted } from '../../base/clock.ts'
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import { retry, type RetryPolicy } from '../../base/flow/retry.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import { objectRequests } from './request/checked-requests.ts'
import { AnswerFault } from '../transport/http-head.ts'
import type { ObjectRequests } from './request/write-requests.ts'
import { RangeReader } from './range-reader.ts'
import { connectionError } from '../trust/connection-errors.ts'
import { badAnswerError, clockSkewReason, requestName, slowDownReason, type StoreAddress } from '../trust/s3-errors.ts'
import { S3Listing } from './s3-listing.ts'
import { openTransport, type S3TransportDependencies } from './request/s3-transport.ts'
import { S3Writer } from './s3-writer.ts'
import { SlowDownGate } from './request/slow-down-gate.ts'
import type { S3Options } from '../store-options.ts'
import { StoreRequests } from './request/store-requests.ts'
import { notUnderstoodError } from '../trust/answer-error.ts'
import { byteCountExpected } from '../trust/field-values.ts'
import { type TrustRules, trustRules } from '../trust/rules.ts'
import type {
  ListPage,
  ListRequest,
  ObjectInfo,
  ObjectUpload,
  ReadRequest,
  ReplacingVersions,
  UnderFileSystem,
  UploadOptions,
  WriteOptions,
  StoreCounters,
  StoreGate,
} from '../under-file-system.ts'

export interface StoreDependencies extends S3TransportDependencies {
  readonly random: Random
  readonly logger: Logger
  readonly metrics: MetricRegistry
  /**
   * Objects above this many bytes are copied by reading and writing them. Default: the limit of the
   * store's own copy.
   */
  readonly copyBytesMax?: number
  /**
   * The checks for responses. Default: the rules of docs/store-trust.md. Tests remove single rules.
   */
  readonly rules?: TrustRules
}

/** A person waits for the result of a check, so it does not retry for long. */
const checkAttemptsMax = 2

/** Shorter times count as this: below it, clocks and the event loop are measured. */
const firstByteMsMin = 0.1

/**
 * One bucket and prefix. Connects on first use.
 * @throws SkeinError permission_denied (endpoint not allowed)
 */
export class S3UnderFileSystem implements UnderFileSystem {
  readonly #deps: StoreDependencies
  readonly #address: StoreAddress
  readonly #requests: StoreRequests
  readonly #objects: ObjectRequests
  readonly #gate: SlowDownGate
  readonly #policy: RetryPolicy
  readonly #reader: RangeReader
  readonly #writer: S3Writer
  readonly #listing: S3Listing
  readonly #counters = { readBytes: 0, readRequests: 0 }
  readonly #firstBytes = { answers: 0, logMsSum: 0 }

  constructor(options: S3Options, deps: StoreDependencies) {
    this.#deps = deps
    const transport = openTransport(options, deps)
    const rules = deps.rules ?? trustRules
    this.#address = { endpoint: options.endpoint, bucket: options.bucket, proxyName: transport.proxy?.name }
    this.#gate = new SlowDownGate(deps.clock, deps.random)
    this.#policy = { attemptsMax: options.maxRetries + 1, initialMs: 100, maxMs: 10_000 }
    const limit = options.trafficLimitBitsPerSecond
    const readHeaders = limit === undefined ? [] : [['x-cos-traffic-limit', String(limit)] as const]
    const address = this.#address
    const requests = new StoreRequests({ address, credentials: options, transport, clock: deps.clock, readHeaders })
    this.#requests = requests
    this.#objects = objectRequests(options, address, requests)
    this.#listing = new S3Listing({
      address,
      prefix: options.prefix,
      requests,
      rules,
      retrying: (policy, signal, what, send) => this.#retrying(policy, signal, what, send),
      onRequest: () => deps.metrics.add('skein_ufs_requests_total', 1, { operation: 'list' }),
    })
    this.#reader = new RangeReader({
      address,
      requests,
      rules,
      gate: this.#gate,
      policy: this.#policy,
      clock: deps.clock,
      random: deps.random,
      prefix: options.prefix,
      onRequest: () => {
        this.#counters.readRequests += 1
        deps.metrics.add('skein_ufs_requests_total', 1, { operation: 'read' })
      },
      onBytes: (bytes) => {
        this.#counters.readBytes += bytes
        deps.metrics.add('skein_ufs_read_bytes_total', bytes)
      },
      onFirstByte: (ms) => {
        this.#firstBytes.answers += 1
        this.#firstBytes.logMsSum += Math.log(Math.max(ms, firstByteMsMin))
      },
      onRetry: (error) => this.#noteRetry(error),
    })
    this.#writer = new S3Writer({
      ...deps,
      options,
      objects: this.#objects,
      retrying: (signal, what, send) => this.#retrying(this.#policy, signal, what, send),
      store: this,
    })
  }

  get gate(): StoreGate {
    return this.#gate
  }

  get slowDowns(): number {
    return this.#gate.slowDowns
  }

  get counters(): StoreCounters {
    return { ...this.#counters, firstBytes: { ...this.#firstBytes } }
  }

  async check(signal: AbortSignal): Promise<void> {
    const first = { prefix: '', delimiter: undefined, after: undefined, limit: 1 }
    await this.#listing.list(first, { ...this.#policy, attemptsMax: checkAttemptsMax }, signal)
  }

  async stat(key: string, signal: AbortSignal): Promise<ObjectInfo> {
    const what = requestName('HEAD', key)
    const head = await this.#retrying(this.#policy, signal, what, async (abortSignal) => {
      this.#deps.metrics.add('skein_ufs_requests_total', 1, { operation: 'stat' })
      return await this.#objects.head(key, abortSignal)
    }).catch(async (error: unknown) => {
      // A refused HEAD has no body and so no code. A GET of one byte is refused for the same reason
      // and has the code.
      if (isSkeinError(error, 'permission_denied') || isSkeinError(error, 'failed_precondition'))
        await this.#explain(key, signal)
      throw error
    })
    const {
      length = await this.#sizeOf(key, what, signal),
      etag = await this.#listedEtag(key, what, signal),
      crc64,
      ...rest
    } = head
    return { key, length, etag, ...rest, ...(crc64 === undefined ? {} : { crc64 }) }
  }

  /**
   * The size of an object whose HEAD has none, because a proxy on the way uses chunked encoding.
   */
  async #sizeOf(key: string, what: string, signal: AbortSignal): Promise<number> {
    const size = await this.#retrying(this.#policy, signal, what, (abortSignal) => this.#objects.size(key, abortSignal))
    if (size !== undefined) return size
    const problem = { field: 'Content-Length', value: undefined, expected: byteCountExpected }
    throw notUnderstoodError({ address: this.#address, what }, problem)
  }

  /**
   * The version of an object whose HEAD has no ETag. A proxy may remove headers, but it does not
   * change the document of a listing.
   */
  async #listedEtag(key: string, what: string, signal: AbortSignal): Promise<string> {
    const page = await this.#listing.list(
      { prefix: key, delimiter: undefined, after: undefined, limit: 1 },
      this.#policy,
      signal,
    )
    const listed = page.objects.find((object) => object.key === key)?.etag ?? ''
    if (listed !== '') return listed
    throw notUnderstoodError(
      { address: this.#address, what },
      { field: 'ETag', value: undefined, expected: 'the version of the object' },
    )
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

  write(
    key: string,
    length: number,
    chunks: AsyncIterable<Uint8Array>,
    options: WriteOptions,
    signal: AbortSignal,
  ): Promise<ObjectInfo> {
    return this.#writer.write(key, length, chunks, options, signal)
  }

  async beginUpload(key: string, options: UploadOptions, signal: AbortSignal): Promise<ObjectUpload> {
    throwIfAborted(signal)
    return this.#writer.beginUpload(key, options, signal)
  }

  delete(key: string, signal: AbortSignal, etag?: string): Promise<void> {
    return this.#writer.delete(key, signal, etag)
  }

  copy(from: string, to: string, signal: AbortSignal): Promise<ObjectInfo> {
    return this.#writer.copy(from, to, signal)
  }

  rename(from: string, to: string, etag: string, signal: AbortSignal): Promise<ObjectInfo> {
    return this.#writer.rename(from, to, etag, signal)
  }

  renameOver(from: string, to: string, versions: ReplacingVersions, signal: AbortSignal): Promise<ObjectInfo> {
    return this.#writer.renameOver(from, to, versions, signal)
  }

  close(): Promise<void> {
    this.#requests.close()
    return Promise.resolve()
  }

  async #explain(key: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#reader.readWhole({ key, offset: 0, length: 1, etag: '*' }, signal)
    } catch (thrown) {
      if (thrown instanceof SkeinError && !thrown.retryable && thrown.code !== 'aborted') throw thrown
    }
  }

  async #retrying<T>(
    policy: RetryPolicy,
    signal: AbortSignal,
    what: string,
    send: (abortSignal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const attempt = async (): Promise<T> => {
      if (this.#gate.closed) await this.#gate.wait(signal)
      try {
        const answer = await send(signal)
        this.#gate.succeeded()
        return answer
      } catch (thrown) {
        const error = signal.aborted
          ? new SkeinError('cancelled', `${what} was cancelled`)
          : this.#meaning(what, thrown)
        this.#gate.failed(error)
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

  #meaning(what: string, thrown: unknown): SkeinError {
    if (thrown instanceof SkeinError) return thrown
    if (thrown instanceof AnswerFault) return badAnswerError(this.#address, what, thrown.message)
    return connectionError(this.#address, what, thrown)
  }

  #noteRetry(error: SkeinError): void {
    const { metrics, logger } = this.#deps
    metrics.add('skein_ufs_retries_total', 1, { reason: retryReason(error) })
    if (error.reason === clockSkewReason)
      logger.warn('the clocks of this machine and the store differ', { error: error.message })
    else logger.debug('retrying a request to the store', { error: error.message })
  }
}

function retryReason(error: SkeinError): 'slow_down' | 'timeout' | 'error' {
  if (error.reason === slowDownReason) return 'slow_down'
  return error.code === 'deadline_exceeded' ? 'timeout' : 'error'
}
