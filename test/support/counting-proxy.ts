// Why: "the origin was read once" is measured from outside, by the bytes that came out of the
// store's socket.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface CountingProxy {
  readonly port: number
  /** Bytes that the target sent since the last reset. */
  bytes(): number
  reset(): void
  /** Until `release`, at most one more chunk of each connection comes through. */
  hold(): void
  release(): void
  close(): Promise<void>
}

/**
 * A TCP proxy on loopback in front of `targetPort`, optionally slowed to `bytesPerSecond` (all
 * connections together).
 */
export function startCountingProxy(
  targetPort: number,
  options: { bytesPerSecond?: number } = {},
): Promise<CountingProxy> {
  let total = 0
  let freeAt = 0
  let isHeld = false
  const held = new Set<Socket>()
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const target = connect(targetPort, '127.0.0.1')
    for (const socket of [client, target]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.once('close', () => sockets.delete(socket))
    }
    client.pipe(target)
    target.on('data', (chunk: Buffer) => {
      total += chunk.length
      const waitMs = delayOf(chunk.length)
      const full = !client.write(chunk)
      if (isHeld) {
        target.pause()
        held.add(target)
      } else if (waitMs > 0) {
        target.pause()
        setTimeout(() => target.resume(), waitMs)
      } else if (full) {
        target.pause()
        client.once('drain', () => target.resume())
      }
    })
    target.once('end', () => client.end())
    client.once('error', () => target.destroy())
    target.once('error', () => client.destroy())
    client.once('close', () => target.destroy())
    target.once('close', () => client.destroy())
  })
  function delayOf(bytes: number): number {
    if (options.bytesPerSecond === undefined) return 0
    const now = performance.now()
    freeAt = Math.max(freeAt, now) + (bytes / options.bytesPerSecond) * 1000
    return freeAt - now > 5 ? freeAt - now : 0
  }
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve({
        port: (server.address() as AddressInfo).port,
        bytes: () => total,
        reset: () => {
          total = 0
        },
        hold: () => {
          isHeld = true
        },
        release: () => {
          isHeld = false
          for (const target of held) target.resume()
          held.clear()
        },
        close: () =>
          new Promise((done) => {
            server.close(() => done())
            for (const socket of sockets) socket.destroy()
          }),
      })
    })
  })
}
