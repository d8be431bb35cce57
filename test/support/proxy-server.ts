// Why: proxies between us and the store are tested with a real one. How: an HTTP proxy of
// node:http: whole URLs in request lines are forwarded, CONNECT opens a tunnel, and a user name and
// password may be asked for. Names that nobody knows may be made known.
import { createServer, request as send } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

export interface ProxyServerOptions {
  /** `user:password` that must be given. */
  readonly credential?: string
  /** Host names that only the proxy knows, all on loopback. */
  readonly names?: readonly string[]
  /** Answers everything with this status. */
  readonly refuse?: number
}

export interface TestProxy {
  readonly port: number
  readonly url: string
  /** `METHOD target` of each request to the proxy. */
  readonly requests: string[]
  close(): Promise<void>
}

export async function startProxyServer({
  credential,
  names = [],
  refuse,
}: ProxyServerOptions = {}): Promise<TestProxy> {
  const requests: string[] = []
  const sockets = new Set<Socket>()
  const wanted = credential === undefined ? undefined : `Basic ${Buffer.from(credential).toString('base64')}`
  const addressOf = (host: string): string => (names.includes(host) ? '127.0.0.1' : host)
  const statusFor = (given: string | undefined): number | undefined =>
    refuse ?? (wanted === undefined || given === wanted ? undefined : 407)
  const server = createServer((incoming, outgoing) => {
    requests.push(`${incoming.method} ${incoming.url}`)
    const refused = statusFor(incoming.headers['proxy-authorization'])
    const url = URL.canParse(incoming.url ?? '') ? new URL(incoming.url ?? '') : undefined
    if (refused !== undefined || url === undefined) {
      incoming.resume()
      outgoing.writeHead(refused ?? 400, { 'content-type': 'text/html' }).end('<html>no</html>')
      return
    }
    const { 'proxy-authorization': _, ...headers } = incoming.headers
    const target = {
      host: addressOf(url.hostname),
      port: url.port === '' ? 80 : url.port,
      method: incoming.method,
      headers,
      setHost: false,
    }
    const raw = /^[a-z]+:\/\/[^/]+(.*)$/.exec(incoming.url ?? '')?.[1] ?? '/'
    const forward = send({ ...target, path: raw }, (reply) => {
      outgoing.writeHead(reply.statusCode ?? 502, reply.headers)
      reply.pipe(outgoing)
    })
    forward.on('error', () => outgoing.writeHead(502).end())
    incoming.pipe(forward)
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('connect', (incoming, client: Socket) => {
    requests.push(`CONNECT ${incoming.url}`)
    client.on('error', () => undefined)
    const refused = statusFor(incoming.headers['proxy-authorization'])
    if (refused !== undefined) {
      client.end(`HTTP/1.1 ${refused} No\r\ncontent-length: 0\r\n\r\n`)
      return
    }
    const { hostname, port } = new URL(`http://${incoming.url}`)
    const upstream = connect(Number(port === '' ? 80 : port), addressOf(hostname), () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      upstream.pipe(client)
      client.pipe(upstream)
    })
    upstream.on('error', () => client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'))
    client.on('close', () => upstream.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: `http://${credential === undefined ? '' : `${credential}@`}127.0.0.1:${port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
