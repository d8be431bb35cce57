// Why: the data port of a worker (protocol: data-plane.ts). How: node:http. Bodies stream with
// back-pressure in both directions. Silent peers are disconnected after `idleMs`, and slow ones
// while others wait for their resources (served-requests.ts). Small blocks in memory share one byte
// budget; a request takes its share only after it has shown that its bytes arrive.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Budget, type Share } from '../../base/flow/budget.ts'
import type { Clock } from '../../base/clock.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { begun } from '../http/begun-chunks.ts'
import {
  blockHeaderName,
  blocksPath,
  type DataPlaneHandlers,
  decodeBlockHeader,
  decodeFrames,
  decodeHints,
  decodeStoreObject,
  encodeBlockHeader,
  encodeResults,
  framesBytesMax,
  hostHeaderName,
  lengthTrailerName,
  namespaceIdOfPath,
  objectHeaderName,
} from './data-plane.ts'
import { type DataServerLimits, defaultDataServerLimits } from './data-server-limits.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import { exactBody, openEndedBody, readWhole, wasTaken, writeBody } from '../http/http-body.ts'
import { closeHttp, httpServerOptions, listenHttp } from '../http/http-listen.ts'
import { announcedLength, hasBody, isOpenEnded, parseRange, trailingLength } from '../http/request-shape.ts'
import { checkBlocksType } from '../http/request-origin.ts'
import { type ServedRequest, ServedRequests } from '../http/served-requests.ts'
import { refuseRequest } from './request-refusal.ts'
import { WriteTurns } from './write-turns.ts'

export interface DataServerOptions {
  readonly host: string
  /** 0 picks a free port. */
  readonly port: number
  readonly handlers: DataPlaneHandlers
  readonly logger: Logger
  readonly clock: Clock
  readonly limits?: Partial<DataServerLimits>
  /**
   * Names of this server in Host headers, in addition to addresses, `localhost` and the name of
   * this machine.
   */
  readonly names?: readonly string[]
  readonly metrics?: Pick<MetricRegistry, 'add' | 'observe'>
}

export interface RunningDataServer {
  readonly address: string
  /** Lets running requests finish for `graceMs`, then aborts them. */
  close(graceMs: number): Promise<void>
}

const socketBufferBytes = 256 * 1024
/** Small blocks of a request that may be in memory before it has its share of the budget. */
const unbudgetedBytes = 64 * 1024

/**
 * Serves blocks, and bytes of the stores.
 * @throws SkeinError failed_precondition when it cannot listen
 */
export async function startDataServer(options: DataServerOptions): Promise<RunningDataServer> {
  const limits = { ...defaultDataServerLimits, ...options.limits }
  const dataServer = new DataServer(options, limits)
  const server = createServer({ ...httpServerOptions, highWaterMark: socketBufferBytes })
  const { address, guard } = await listenHttp(server, {
    ...limits,
    what: 'data port',
    host: options.host,
    port: options.port,
    names: options.names ?? [],
    serve: (request, response, awaitsContinue) => void dataServer.serve(request, response, awaitsContinue),
    refuse: (request, response, awaitsContinue, error) =>
      void dataServer.serve(request, response, awaitsContinue, error),
    cutOne: (peer) => dataServer.cutOne(peer),
  })
  options.metrics?.observe('skein_worker_data_connections', () => guard.connections)
  options.metrics?.observe('skein_worker_data_rejections_total', () => guard.turnedAway)
  return { address, close: (graceMs) => closeHttp(server, options.clock, graceMs, () => dataServer.abortAll()) }
}

class DataServer {
  readonly #handlers: DataPlaneHandlers
  readonly #logger: Logger
  readonly #limits: DataServerLimits
  readonly #smallBytes: Budget
  readonly #writes: WriteTurns
  readonly #served: ServedRequests

  constructor(options: DataServerOptions, limits: DataServerLimits) {
    this.#handlers = options.handlers
    this.#logger = options.logger
    this.#limits = limits
    this.#smallBytes = new Budget('small blocks in memory', limits.smallBytesMax)
    this.#writes = new WriteTurns(limits.writeBytesMax)
    this.#served = new ServedRequests({
      what: 'the data port',
      clock: options.clock,
      leastBytesPerSecond: limits.leastBytesPerSecond,
      idleMs: ({ method }) => (method === 'PUT' ? limits.uploadIdleMs : limits.idleMs),
      kindOf,
      isWanted: (kind) =>
        kind === smallBlocks
          ? this.#smallBytes.waiting > 0
          : (kind === blockWrites && this.#writes.waiting > 0) || this.#handlers.isWanted?.(kind) === true,
      onCut: () => options.metrics?.add('skein_worker_data_slow_requests_aborted_total', 1),
    })
    options.metrics?.observe('skein_worker_data_small_buffers_bytes', () => this.#smallBytes.used)
    options.metrics?.observe('skein_worker_data_write_buffers_bytes', () => this.#writes.usedBytes)
    options.metrics?.observe('skein_worker_data_waiting_writes', () => this.#writes.waiting)
  }

  cutOne(peer: string | undefined): boolean {
    return this.#served.cutOne(peer)
  }

  abortAll(): void {
    this.#served.abortAll()
  }

  /** @param refusal why the request must be refused */
  async serve(
    request: IncomingMessage,
    response: ServerResponse,
    awaitsContinue: boolean,
    refusal?: SkeinError,
  ): Promise<void> {
    const exchange = this.#served.begin(request, response, awaitsContinue)
    try {
      if (refusal !== undefined) throw refusal
      if (request.method === 'GET' && hasBody(request))
        throw new SkeinError('invalid_argument', 'a GET must not have a body')
      await this.#route(exchange)
    } catch (thrown) {
      refuseRequest(exchange, toSkeinError(thrown), this.#logger)
    } finally {
      exchange.end()
    }
  }

  #route(exchange: ServedRequest): Promise<void> {
    const { method, url } = exchange.request
    if (url === blocksPath && method === 'POST') return this.#receiveSmall(exchange)
    const id = url?.startsWith(`${blocksPath}/`) === true ? url.slice(blocksPath.length + 1) : ''
    const blockId = /^\d{1,16}$/.test(id) ? Number(id) : Number.NaN
    if (Number.isSafeInteger(blockId)) {
      if (method === 'GET') return this.#read(exchange, blockId)
      if (method === 'PUT') return this.#receive(exchange, blockId)
    }
    const namespaceId = namespaceIdOfPath(url ?? '')
    if (namespaceId !== undefined && method === 'GET') return this.#readStore(exchange, namespaceId)
    throw new SkeinError('unimplemented', `a data port does not serve ${method ?? ''} ${(url ?? '').slice(0, 100)}`)
  }

  async #read(exchange: ServedRequest, blockId: number): Promise<void> {
    const { request, response, signal } = exchange
    const { offset, length: wanted } = parseRange(request.headers.range)
    const readerHost = request.headers[hostHeaderName] as string | undefined
    const { header, length, chunks, sent } = await this.#handlers.read(blockId, offset, wanted, signal, readerHost)
    response.writeHead(request.headers.range === undefined ? 200 : 206, {
      'content-type': 'application/octet-stream',
      'content-length': length,
      [blockHeaderName]: encodeBlockHeader(header),
      ...(length === 0 ? {} : { 'content-range': `bytes ${offset}-${offset + length - 1}/${header.length}` }),
    })
    await writeBody(response, chunks, length, exchange.watch, sent)
    response.end()
  }

  async #readStore(exchange: ServedRequest, namespaceId: string): Promise<void> {
    const { request, response, signal, watch } = exchange
    const object = decodeStoreObject(request.headers[objectHeaderName] as string | undefined)
    const { offset, length: wanted } = parseRange(request.headers.range)
    if (wanted === undefined)
      throw new SkeinError('invalid_argument', 'a read from a store requires a range with an end')
    const { length, chunks } = await this.#handlers.readStore(
      { namespaceId, ...object, offset, length: wanted },
      signal,
    )
    const body = await begun(chunks)
    response.writeHead(206, {
      'content-type': 'application/octet-stream',
      'content-length': length,
      'content-range': `bytes ${offset}-${offset + length - 1}/*`,
    })
    await writeBody(response, body, length, watch)
    response.end()
  }

  async #receive(exchange: ServedRequest, blockId: number): Promise<void> {
    const { request, response, watch } = exchange
    const header = decodeBlockHeader(request.headers[blockHeaderName] as string | undefined, blockId)
    const openEnded = isOpenEnded(request)
    const announced = openEnded ? header.length : announcedLength(request)
    if (announced !== header.length) {
      throw new SkeinError(
        'invalid_argument',
        `the body of block ${blockId} has ${announced} bytes, its header says ${header.length}`,
      )
    }
    const begin = (): void => exchange.askForBody()
    const body = openEnded
      ? openEndedBody(request, announced, watch, begin, () => trailingLength(request, lengthTrailerName))
      : exactBody(request, announced, watch, begin)
    // Reserve nothing, and do not ask for the body, before there is memory for the bytes.
    const turn = await this.#writes.enter(request.socket.remoteAddress ?? '', exchange.signal)
    try {
      await this.#handlers.receive(header, body, exchange.signal, { ...decodeHints(request.headers), openEnded })
    } finally {
      turn.release()
    }
    if (!request.complete && announced > 0)
      throw new SkeinError('internal', `block ${blockId} was committed before its body was read`)
    response.writeHead(200, { 'content-length': 0 })
    response.end()
  }

  async #receiveSmall(exchange: ServedRequest): Promise<void> {
    const { request, response, watch } = exchange
    const announced = announcedLength(request)
    if (announced > framesBytesMax) {
      throw new SkeinError(
        'invalid_argument',
        `the request has ${announced} bytes of small blocks, ${framesBytesMax} at most`,
      )
    }
    checkBlocksType(request.headers)
    const hints = decodeHints(request.headers)
    exchange.askForBody()
    let share: Share | undefined
    try {
      const body = await readWhole(request, announced, watch, unbudgetedBytes, async () => {
        share = await this.#smallBytes.acquire(announced, exchange.signal)
      })
      const frames = decodeFrames(body, this.#limits.framesMax)
      const blocks = frames.flatMap((frame) => ('block' in frame ? [frame.block] : []))
      const received = blocks.length === 0 ? [] : await this.#handlers.receiveSmall(blocks, hints)
      if (received.length !== blocks.length)
        throw new SkeinError('internal', `${blocks.length} blocks gave ${received.length} results`)
      let next = 0
      const text = encodeResults(frames.map((frame) => ('block' in frame ? received[next++] : frame.error)))
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
      response.end(text)
      // Until then the response is in memory, so it counts.
      await wasTaken(response, watch)
    } finally {
      share?.release()
    }
  }
}

const smallBlocks = 'small blocks'
const blockWrites = 'block writes'

/** The kind of resources that a request holds. The handlers' isWanted knows the kinds of reads. */
function kindOf({ method, url }: IncomingMessage): string {
  if (method === 'POST') return smallBlocks
  if (method === 'PUT') return blockWrites
  return url?.startsWith(blocksPath) === true ? 'block reads' : 'store reads'
}
