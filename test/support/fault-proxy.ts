// Why: a real store cannot be asked to fail; a proxy before it can. How: raw TCP, so that
// signatures stay valid (the Host header is what the client sent); faults hit the answers of the
// next connections that are armed.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export type ProxyFault =
  /** Resets the connection after `afterBytes` of answers. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** Passes nothing on after `afterBytes` of answers; the connection stays open. */
  | { readonly kind: 'stall'; readonly afterBytes: number }
  /** Answers the next request itself with 503 SlowDown. */
  | { readonly kind: 'slow_down' }

export interface FaultProxy {
  readonly port: number
  /**
   * Faults for the next connections or, on connections that are open, for what they carry next; one
   * fault hits one connection.
   */
  arm(...faults: readonly ProxyFault[]): void
  /** Faults that were applied. */
  readonly applied: number
  close(): Promise<void>
}

const slowDownBody =
  '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>'
const slowDownAnswer =
  `HTTP/1.1 503 Slow Down\r\ncontent-type: application/xml\r\ncontent-length: ${slowDownBody.length}\r\n\r\n` +
  slowDownBody

/** Starts a proxy on a free loopback port before `targetHost:targetPort`. */
export async function startFaultProxy(targetPort: number, targetHost = '127.0.0.1'): Promise<FaultProxy> {
  const pending: ProxyFault[] = []
  const sockets = new Set<Socket>()
  let applied = 0
  const server = createServer((client) => {
    const upstream = connect(targetPort, targetHost)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
    }
    let fault: ProxyFault | undefined
    let carried = 0
    client.on('data', (request) => {
      if (fault === undefined) {
        fault = pending.shift()
        carried = 0
      }
      if (fault?.kind === 'slow_down') {
        fault = undefined
        applied += 1
        client.write(slowDownAnswer)
      } else upstream.write(request)
    })
    upstream.on('data', (answer) => {
      carried += answer.length
      if (fault !== undefined && fault.kind !== 'slow_down' && carried > fault.afterBytes) {
        const keep = Math.max(0, fault.afterBytes - (carried - answer.length))
        applied += 1
        upstream.removeAllListeners('data')
        upstream.pause()
        client.write(answer.subarray(0, keep), () => {
          if (fault?.kind === 'cut') client.resetAndDestroy()
        })
        if (fault.kind === 'cut') upstream.destroy()
        return
      }
      if (!client.write(answer)) {
        upstream.pause()
        client.once('drain', () => upstream.resume())
      }
    })
    client.on('error', () => upstream.destroy())
    upstream.on('error', () => client.destroy())
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.end())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    arm: (...faults) => {
      pending.push(...faults)
    },
    get applied() {
      return applied
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
