// Why: the client of the workers' data ports (protocol: data-plane.ts). How: keep-alive HTTP/1.1
// connections of one agent. A request on a connection that the server had already closed is
// repeated. All other errors go to the caller, who decides what to do.
import { Agent, type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http'
import type { Clock } from '../../base/clock.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { ExpectedBlock } from '../../base/expected-block.ts'
import { parseAddress } from '../address.ts'
import { type BlockDownload, ExchangeDownload } from './block-download.ts'
import { type BlockUpload, ExchangeUpload } from './block-upload.ts'
import {
  blockHeaderName,
  blocksPath,
  decodeBlockHeader,
  decodeResults,
  encodeBlockHeader,
  encodeFrames,
  encodeHints,
  encodeStoreObject,
  frameBytesAtMost,
  framesBytesMax,
  framesPerRequest,
  hostHeaderName,
  isCommitted,
  objectHeaderName,
  type SmallBlock,
  storePath,
  type StoreReadRequest,
  type WriteHints,
} from './data-plane.ts'
import type { BlockHeader } from '../generated/worker.ts'
import { HttpExchange } from '../http/http-exchange.ts'
import { checkBlock, shortBlock } from './served-block.ts'
import { blocksContentType } from '../http/request-origin.ts'

export interface DataClientOptions {
  readonly clock: Clock
  /** Default 5 s. */
  readonly connectMs?: number
  /** Maximum time without progress during a request. Default 30 s. */
  readonly idleMs?: number
  /** Maximum connections to one worker. Further requests wait. Default 64. */
  readonly connectionsMax?: number
  /** The name of this host, which is sent to workers with reads. */
  readonly hostname?: string
}

export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/** A resource of a worker that supports range requests. */
interface RangeSource {
  readonly address: string
  /** For messages. */
  readonly what: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** @throws SkeinError when the response is for another resource */
  readonly check: (response: IncomingMessage) => void
}

const connectMsDefault = 5000
const idleMsDefault = 30_000
const connectionsMaxDefault = 64
const socketBufferBytes = 256 * 1024
const resultsBytesMax = 32 * 1024 * 1024
/** Idle connections that are kept per worker. */
const idleConnectionsMax = 64
/** More than the dead connections that may have been kept. */
const staleAttemptsMax = idleConnectionsMax + 1

/**
 * Throws SkeinError: `unavailable` when a worker is unreachable or drops the connection,
 * `deadline_exceeded` when it stalls, or the error of its response.
 */
export class DataClient {
  readonly #options: DataClientOptions
  readonly #agent: Agent

  constructor(options: DataClientOptions) {
    this.#options = options
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: options.connectionsMax ?? connectionsMaxDefault,
      maxFreeSockets: idleConnectionsMax,
      scheduling: 'lifo',
      noDelay: true,
    })
  }

  /**
   * Yields exactly `length` bytes of a block.
   * @throws not_found; data_loss; unavailable (`body_cut`) when the body ends early
   */
  async *read(
    address: string,
    blockId: number,
    range: ByteRange,
    signal: AbortSignal,
    expected?: ExpectedBlock,
  ): AsyncGenerator<Uint8Array> {
    const check = (response: IncomingMessage): void => {
      const header = decodeBlockHeader(response.headers[blockHeaderName] as string | undefined, blockId)
      checkBlock(header, expected, address)
    }
    const { hostname } = this.#options
    const headers: Record<string, string> = hostname === undefined ? {} : { [hostHeaderName]: hostname }
    try {
      yield* this.#readRange(
        { address, what: `block ${blockId}`, path: `${blocksPath}/${blockId}`, headers, check },
        range,
        signal,
      )
    } catch (thrown) {
      throw expected !== undefined && range.offset + range.length <= expected.length
        ? shortBlock(toSkeinError(thrown), address)
        : thrown
    }
  }

  /**
   * Reads a whole block with its header.
   * @throws not_found; data_loss; the chunks: unavailable (`body_cut`) when the body ends early
   */
  async readWhole(
    address: string,
    blockId: number,
    signal: AbortSignal,
    expected?: ExpectedBlock,
  ): Promise<BlockDownload> {
    const path = `${blocksPath}/${blockId}`
    const { exchange, result: response } = await this.#begin(address, 'GET', path, {}, signal, (begun) =>
      begun.answer(),
    )
    try {
      const header = decodeBlockHeader(response.headers[blockHeaderName] as string | undefined, blockId)
      checkBlock(header, expected, address)
      const announced = Number(response.headers['content-length'])
      if (announced !== header.length) {
        throw new SkeinError(
          'data_loss',
          `block ${blockId} at ${address} has ${announced} bytes, its header says ${header.length}`,
        )
      }
      return new ExchangeDownload(exchange, response, header)
    } catch (thrown) {
      exchange.destroy(toSkeinError(thrown))
      throw thrown
    }
  }

  /**
   * Yields exactly `length` bytes of an object in the store, which the worker reads.
   * @throws before the first byte, the error of the worker's store, unchanged
   *   (ufs/under-file-system.ts); unavailable (`body_cut`) when the body ends early
   */
  readStore(address: string, request: StoreReadRequest, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const headers = { [objectHeaderName]: encodeStoreObject(request) }
    const check = (): void => undefined
    return this.#readRange(
      { address, what: `object ${request.key}`, path: storePath(request.namespaceId), headers, check },
      request,
      signal,
    )
  }

  async *#readRange(
    { address, what, path, headers, check }: RangeSource,
    { offset, length }: ByteRange,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    if (length === 0) return
    const allHeaders = { ...headers, range: `bytes=${offset}-${offset + length - 1}` }
    const { exchange, result: response } = await this.#begin(address, 'GET', path, allHeaders, signal, (begun) =>
      begun.answer(),
    )
    let whole = false
    try {
      check(response)
      const announced = Number(response.headers['content-length'])
      if (announced !== length) {
        throw new SkeinError(
          'invalid_argument',
          `${what} at ${address} has ${announced} bytes from ${offset} on, not ${length}`,
        )
      }
      yield* exchange.body(response, length)
      whole = true
    } finally {
      if (whole) exchange.release()
      else exchange.destroy(new SkeinError('cancelled', 'the reader stopped'))
    }
  }

  /**
   * Opens a block for writing, once the worker has space for it: all of header.length, also for an
   * open-ended one. Undefined: the worker already has the block.
   * @throws SkeinError resource_exhausted, or another refusal of the worker; no byte was sent then
   */
  async openWrite(
    address: string,
    header: BlockHeader,
    signal: AbortSignal,
    hints: WriteHints = {},
  ): Promise<BlockUpload | undefined> {
    const openEnded = hints.openEnded === true
    const headers = {
      ...(openEnded ? { 'transfer-encoding': 'chunked' } : { 'content-length': header.length }),
      expect: '100-continue',
      [blockHeaderName]: encodeBlockHeader(header),
      ...encodeHints(hints),
    }
    try {
      const { exchange } = await this.#begin(
        address,
        'PUT',
        `${blocksPath}/${header.blockId}`,
        headers,
        signal,
        (begun) => begun.continued(),
      )
      return new ExchangeUpload(exchange, header, openEnded)
    } catch (thrown) {
      const error = toSkeinError(thrown)
      if (isCommitted(error)) return undefined
      throw error
    }
  }

  /**
   * Writes many small blocks. Returns one result per block in the same order; undefined: the worker
   * has it now.
   * @throws SkeinError when a request failed as a whole; some of the blocks may be stored then
   */
  async putMany(
    address: string,
    blocks: readonly SmallBlock[],
    signal: AbortSignal,
    hints: WriteHints = {},
  ): Promise<readonly (SkeinError | undefined)[]> {
    const results: (SkeinError | undefined)[] = []
    for (const part of splitFrames(blocks)) {
      const body = encodeFrames(part)
      const headers = { 'content-type': blocksContentType, 'content-length': body.length, ...encodeHints(hints) }
      const { exchange, result: response } = await this.#begin(address, 'POST', blocksPath, headers, signal, (begun) =>
        begun.answer(body),
      )
      try {
        const answers = decodeResults(await exchange.text(response, resultsBytesMax), part.length)
        if (answers === undefined)
          throw new SkeinError('internal', `the worker at ${address} sent a malformed response`)
        for (const error of answers) results.push(error === undefined || isCommitted(error) ? undefined : error)
        exchange.release()
      } catch (thrown) {
        exchange.destroy(toSkeinError(thrown))
        throw thrown
      }
    }
    return results
  }

  /** Closes all connections. */
  close(): void {
    this.#agent.destroy()
  }

  async #begin<T>(
    address: string,
    method: string,
    path: string,
    headers: Readonly<Record<string, string | number>>,
    signal: AbortSignal,
    first: (exchange: HttpExchange) => Promise<T>,
  ): Promise<{ exchange: HttpExchange; result: T }> {
    for (let attempt = 1; ; attempt += 1) {
      const exchange = new HttpExchange(this.#request(address, method, path, headers), {
        peer: `worker at ${address}`,
        signal,
        clock: this.#options.clock,
        connectMs: this.#options.connectMs ?? connectMsDefault,
        idleMs: this.#options.idleMs ?? idleMsDefault,
      })
      try {
        return { exchange, result: await first(exchange) }
      } catch (thrown) {
        const error = toSkeinError(thrown)
        exchange.destroy(error)
        if (!exchange.stale || signal.aborted || attempt >= staleAttemptsMax) throw error
      }
    }
  }

  #request(
    address: string,
    method: string,
    path: string,
    headers: Readonly<Record<string, string | number>>,
  ): ClientRequest {
    const { host, port } = parseAddress(address)
    // Node passes the high-water mark to the socket, but its types do not declare it here.
    const tuning: { highWaterMark: number } = { highWaterMark: socketBufferBytes }
    return httpRequest({ agent: this.#agent, host, port, method, path, headers, ...tuning })
  }
}

/** Splits the blocks, in order, into parts that fit into one request. */
function* splitFrames(blocks: readonly SmallBlock[]): Generator<readonly SmallBlock[]> {
  let from = 0
  let bytes = 0
  for (const [index, block] of blocks.entries()) {
    const frameBytes = frameBytesAtMost(block)
    if (index > from && (bytes + frameBytes > framesBytesMax || index - from === framesPerRequest)) {
      yield blocks.slice(from, index)
      from = index
      bytes = 0
    }
    bytes += frameBytes
  }
  if (from < blocks.length) yield blocks.slice(from)
}
