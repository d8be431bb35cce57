// Why: there are four ways to connect to a store: plain or TLS, directly or through a proxy. How:
// one file opens the connection, reports when it is open, and names the part that failed: the proxy
// or the store. Through a proxy, https uses a tunnel (CONNECT, RFC 9110 9.3.6), while http is sent
// to the proxy itself, with full URLs in the request lines (http-pool.ts).
import { connect as connectPlain, isIP, type LookupFunction, type OnReadOpts, type Socket } from 'node:net'
import { connect as connectSecure } from 'node:tls'
import { parseHead } from './http-head.ts'
import type { ProxyServer } from './proxy-rules.ts'

export interface SocketRoute {
  /** `http://host:port` or `https://host:port`. */
  readonly origin: URL
  readonly proxy?: ProxyServer | undefined
  readonly lookup: LookupFunction
  /** Resolves the name of the proxy. Default: `lookup`. */
  readonly proxyLookup?: LookupFunction | undefined
  /** The maximum silence. */
  readonly silenceMaxMs: number
  /** Additional certificate authorities for TLS, as PEM. */
  readonly ca?: string | undefined
}

export interface SocketEvents {
  readonly onread: OnReadOpts
  /**
   * `readsInPlace`: bytes arrive through `onread`, otherwise as `data` events. Called once, unless
   * `failed` is called.
   */
  opened(socket: Socket, readsInPlace: boolean): void
  failed(error: Error): void
}

/** A connection that is opening or open. */
export interface OpeningSocket {
  /** Closes it in any state. No callback is called afterwards. */
  destroy(): void
  /** The proxy that it is waiting for, if any. */
  readonly waitsFor: ProxyServer | undefined
}

const connectAnswerBytesMax = 16 * 1024

/** A fault of the proxy, not of the store. connection-errors.ts explains the codes. */
export class ProxyFault extends Error {
  override readonly name = 'ProxyFault'
  readonly proxy: string
  /** `STATUS_407` and so on if the proxy responded, otherwise the code of the connection error. */
  readonly code: string

  constructor(proxy: string, code: string) {
    super(`the proxy ${proxy}: ${code}`)
    this.proxy = proxy
    this.code = code
  }
}

export function openSocket(route: SocketRoute, events: SocketEvents): OpeningSocket {
  const { origin, proxy } = route
  const secure = origin.protocol === 'https:'
  const host = origin.hostname.replace(/^\[|\]$/g, '')
  const port = origin.port === '' ? (secure ? 443 : 80) : Number(origin.port)
  if (proxy === undefined)
    return new Opening(events, undefined).direct(dial(route, host, port, secure, route.lookup, events.onread))
  const lookup = route.proxyLookup ?? route.lookup
  const opening = new Opening(events, proxy)
  if (!secure) return opening.direct(dial(route, proxy.host, proxy.port, proxy.secure, lookup, events.onread))
  return opening.tunnel(
    dial(route, proxy.host, proxy.port, proxy.secure, lookup, undefined),
    `${isIP(host) === 6 ? `[${host}]` : host}:${port}`,
    (raw) => connectSecure({ ...tlsOptions(route, host), socket: raw, timeout: route.silenceMaxMs }),
  )
}

class Opening implements OpeningSocket {
  readonly #events: SocketEvents
  #waitsFor: ProxyServer | undefined
  readonly #sockets: Socket[] = []
  #settled = false

  constructor(events: SocketEvents, proxy: ProxyServer | undefined) {
    this.#events = events
    this.#waitsFor = proxy
  }

  get waitsFor(): ProxyServer | undefined {
    return this.#waitsFor
  }

  destroy(): void {
    this.#settled = true
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Requests use this connection directly. */
  direct(dialled: Dialled): this {
    this.#watch(dialled.socket)
    dialled.socket.once(dialled.ready, () => this.#open(dialled.socket, true))
    return this
  }

  tunnel(dialled: Dialled, authority: string, secured: (raw: Socket) => Socket): this {
    const raw = dialled.socket
    this.#watch(raw)
    raw.once(dialled.ready, () => {
      const proof = this.#waitsFor?.authorization
      const proofLine = proof === undefined ? '' : `proxy-authorization: ${proof.reveal()}\r\n`
      raw.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n${proofLine}\r\n`)
      let answer = ''
      const onData = (bytes: Buffer): void => {
        answer += bytes.toString('latin1')
        const end = answer.indexOf('\r\n\r\n')
        if (end < 0 && answer.length < connectAnswerBytesMax) return
        raw.removeListener('data', onData)
        raw.pause()
        const problem = connectProblem(answer, end)
        if (problem !== undefined) {
          this.#fail(new ProxyFault(this.#waitsFor?.name ?? '', problem))
          return
        }
        this.#waitsFor = undefined
        const socket = secured(raw)
        this.#watch(socket)
        socket.once('secureConnect', () => this.#open(socket, false))
      }
      raw.on('data', onData)
    })
    return this
  }

  #watch(socket: Socket): void {
    this.#sockets.push(socket)
    socket.on('error', (error) => this.#fail(this.#named(error)))
    socket.once('close', () => this.#fail(this.#named(Object.assign(new Error('cut'), { code: 'CONNECTION_CUT' }))))
  }

  #named(error: Error & { readonly code?: unknown }): Error {
    return this.#waitsFor === undefined
      ? error
      : new ProxyFault(this.#waitsFor.name, typeof error.code === 'string' ? error.code : error.name)
  }

  #open(socket: Socket, readsInPlace: boolean): void {
    if (this.#settled) return
    this.#settled = true
    this.#waitsFor = undefined
    this.#events.opened(socket, readsInPlace)
  }

  #fail(error: Error): void {
    if (this.#settled) return
    this.destroy()
    this.#events.failed(error)
  }
}

/** The reason, as a code, why the response to a CONNECT opens no tunnel. */
function connectProblem(answer: string, end: number): string | undefined {
  try {
    const { status } = parseHead(answer.slice(0, Math.max(0, end)))
    if (status >= 200 && status < 300) return answer.length === end + 4 ? undefined : 'NOT_A_PROXY'
    return `STATUS_${status}`
  } catch {
    return 'NOT_A_PROXY'
  }
}

interface Dialled {
  readonly socket: Socket
  readonly ready: 'connect' | 'secureConnect'
}

function dial(
  route: SocketRoute,
  host: string,
  port: number,
  secure: boolean,
  lookup: LookupFunction,
  onread: OnReadOpts | undefined,
): Dialled {
  const reading = onread === undefined ? {} : { onread }
  const common = { host, port, lookup, noDelay: true, timeout: route.silenceMaxMs, keepAlive: true, ...reading }
  if (!secure) return { socket: connectPlain(common), ready: 'connect' }
  return { socket: connectSecure({ ...common, ...tlsOptions(route, host) }), ready: 'secureConnect' }
}

/**
 * Certificates are checked against the host name. An IP address is checked as an address, and has
 * no SNI.
 */
function tlsOptions(
  { ca }: SocketRoute,
  host: string,
): { servername: string; ALPNProtocols: string[]; host: string; ca?: string } {
  return {
    host,
    servername: isIP(host) === 0 ? host : '',
    ALPNProtocols: ['http/1.1'],
    ...(ca === undefined ? {} : { ca }),
  }
}
