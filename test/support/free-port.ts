// Why: servers of tests listen on loopback ports that nobody else has, also after they were killed
// and before they are back. How: ports below those that the kernel gives to outgoing connections,
// each given out once by a process.
import { createServer } from 'node:net'

const firstPort = 20_000
const ports = 12_000

const start = Math.floor(Math.random() * ports)
let given = 0

/** A TCP port of 127.0.0.1 that was free a moment ago; never the same one twice. */
export async function freePort(): Promise<number> {
  for (; given < ports;) {
    const port = firstPort + ((start + given) % ports)
    given += 1
    if (await isFree(port)) return port
  }
  throw new Error('no port is free')
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
