// Why: a gRPC server accepts any number of connections, calls, partial messages and pings, and a
// role must survive hostile clients. How: connections pass the same guard as on the HTTP ports
// (connection-guard.ts); a connection without a call is idle. Calls are counted, and so are the
// bytes of calls in flight. At a limit, the call is refused whose message is incomplete and has
// made no progress for the longest time; clients retry such a call. Pings have a rate limit.
import { constants, type Http2Server, type Http2Session, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Clock } from '../../base/clock.ts'
import { ConnectionGuard, type ConnectionLimits } from '../connection-guard.ts'

export interface RpcLimits extends ConnectionLimits {
  /** Maximum calls in flight, all connections together. */
  readonly callsMax: number
  /** Maximum bytes that these calls have sent. */
  readonly requestBytesMax: number
  /** Maximum memory of one connection for frames and headers. */
  readonly sessionBytesMax: number
  /** Maximum names and values that a call may send in addition to its message. */
  readonly headerBytesMax: number
  /** Maximum PING and SETTINGS frames per second on one connection. */
  readonly pingsPerSecondMax: number
  /** A connection without a call is closed after this time. */
  readonly idleMs: number
  /**
   * A connection accepts no new calls after this time, and is closed when its calls have ended; 0:
   * no limit.
   */
  readonly ageMaxMs: number
}

export const defaultRpcLimits: RpcLimits = {
  connectionsMax: 1024,
  peerConnectionsMax: 512,
  callsMax: 4096,
  requestBytesMax: 256 * 1024 * 1024,
  sessionBytesMax: 64 * 1024 * 1024,
  headerBytesMax: 16 * 1024,
  pingsPerSecondMax: 100,
  idleMs: 600_000,
  ageMaxMs: 0,
}

const rateWindowMs = 1000
/** A call without progress for this long may lose its connection to a new one. */
const stillMs = 1000

interface Call {
  readonly stream: ServerHttp2Stream
  readonly socket: Socket | undefined
  readonly peer: string
  bytes: number
  movedAtMs: number
}

export class RpcSessions {
  readonly #limits: RpcLimits
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #guard: ConnectionGuard
  readonly #sockets = new Set<Socket>()
  readonly #socketOf = new WeakMap<Http2Session, Socket>()
  /** Calls with incomplete messages, in the order of their last progress. */
  readonly #unfinished = new Set<Call>()
  #incoming: Socket | undefined
  #calls = 0
  #requestBytes = 0
  #refused = 0

  constructor(limits: RpcLimits, clock: Pick<Clock, 'monotonicMs'>) {
    this.#limits = limits
    this.#clock = clock
    const cutOne = (peer: string | undefined): boolean => this.#cutStill(peer)
    this.#guard = new ConnectionGuard({ ...limits, cutOne })
  }

  get connections(): number {
    return this.#guard.connections
  }

  /** Connections and calls that were refused, and connections with too many pings, so far. */
  get turnedAway(): number {
    return this.#guard.turnedAway + this.#refused
  }

  /** Bytes that the calls in flight have sent. */
  get requestBytes(): number {
    return this.#requestBytes
  }

  /**
   * Watches a server. @returns a function that passes a new connection to it, or closes the
   * connection at the limit
   */
  watch(server: Http2Server, serve: (socket: Socket) => void): (socket: Socket) => void {
    server.updateSettings({ maxHeaderListSize: this.#limits.headerBytesMax })
    server.on('session', (session) => {
      // The session begins while its connection is handed over.
      if (this.#incoming !== undefined) this.#socketOf.set(session, this.#incoming)
      this.#limitRate(session)
    })
    server.on('stream', (stream) => this.#begin(stream))
    return (socket) => {
      // Connection errors are reported in the calls. Without a listener they would end the process.
      socket.on('error', () => undefined)
      if (!this.#guard.admit(socket)) return
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
      this.#incoming = socket
      serve(socket)
      this.#incoming = undefined
    }
  }

  destroy(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #limitRate(session: Http2Session): void {
    let fromMs = this.#clock.monotonicMs()
    let frames = 0
    const onFrame = (): void => {
      const nowMs = this.#clock.monotonicMs()
      if (nowMs - fromMs >= rateWindowMs) {
        fromMs = nowMs
        frames = 0
      }
      frames += 1
      if (frames <= this.#limits.pingsPerSecondMax || session.destroyed) return
      this.#refused += 1
      session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM)
    }
    session.on('ping', onFrame)
    session.on('remoteSettings', onFrame)
  }

  #begin(stream: ServerHttp2Stream): void {
    const socket = stream.session === undefined ? undefined : this.#socketOf.get(stream.session)
    const call: Call = {
      stream,
      socket,
      peer: socket?.remoteAddress ?? '',
      bytes: 0,
      movedAtMs: this.#clock.monotonicMs(),
    }
    if (socket !== undefined) this.#guard.begin(socket)
    this.#calls += 1
    this.#unfinished.add(call)
    stream.on('data', (chunk: Buffer) => this.#moved(call, chunk.length))
    stream.once('end', () => this.#unfinished.delete(call))
    stream.once('close', () => {
      this.#unfinished.delete(call)
      this.#calls -= 1
      this.#requestBytes -= call.bytes
      if (socket !== undefined) this.#guard.end(socket)
    })
    if (this.#calls > this.#limits.callsMax) this.#refuse(this.#stillest() ?? call)
  }

  #moved(call: Call, bytes: number): void {
    // Data of a refused call is dropped.
    if (!this.#unfinished.delete(call)) return
    this.#unfinished.add(call)
    call.bytes += bytes
    call.movedAtMs = this.#clock.monotonicMs()
    this.#requestBytes += bytes
    while (this.#requestBytes > this.#limits.requestBytesMax) {
      const [first] = this.#unfinished
      if (first === undefined) return
      this.#refuse(first)
    }
  }

  #refuse(call: Call): void {
    this.#refused += 1
    this.#unfinished.delete(call)
    this.#requestBytes -= call.bytes
    call.bytes = 0
    call.stream.close(constants.NGHTTP2_REFUSED_STREAM)
  }

  /** The call without progress for the longest time, of this peer if given. */
  #stillest(peer?: string): Call | undefined {
    const untilMs = this.#clock.monotonicMs() - stillMs
    for (const call of this.#unfinished) {
      if (call.movedAtMs > untilMs) return undefined
      if (peer === undefined || call.peer === peer) return call
    }
    return undefined
  }

  #cutStill(peer: string | undefined): boolean {
    const call = this.#stillest(peer)
    if (call?.socket === undefined) return false
    call.socket.destroy()
    return true
  }
}
