// Why: a store is far away and sometimes slow; loopback is neither. How: a TCP proxy that holds
// back what clients send: each piece by a round trip, the first one of a connection by two (its
// opening takes one), and a share of the pieces, which are requests, by much longer. Answers pass
// as they come, so bandwidth is that of the machine. A process of its own, so that its work is
// nobody's.
//   node latency-proxy.ts PORT TARGET-PORT MS SLOW-SHARE SLOW-MS
import { connect, createServer, type Socket } from 'node:net'
import { seededRandom } from '../../../src/base/clock.ts'

const [port = 0, target = 0, delayMs = 0, slowShare = 0, slowMs = 0] = process.argv.slice(2).map(Number)
const random = seededRandom(1)
const host = '127.0.0.1'

/** In order, each after its delay. */
function holdBack(from: Socket, to: Socket): void {
  const openMs = performance.now() + delayMs
  let dueMs = 0
  from.on('data', (piece) => {
    const slow = random() < slowShare ? slowMs : 0
    dueMs = Math.max(dueMs, Math.max(openMs, performance.now()) + delayMs + slow)
    setTimeout(() => to.write(piece), dueMs - performance.now())
  })
  from.on('end', () => setTimeout(() => to.end(), Math.max(0, dueMs - performance.now()) + 1))
}

const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
  const store = connect({ port: target, host, noDelay: true, allowHalfOpen: true })
  holdBack(client, store)
  store.pipe(client)
  for (const [one, other] of [
    [client, store],
    [store, client],
  ] as const) {
    one.on('error', () => other.destroy())
    one.on('close', () => other.destroy())
  }
})
server.listen(port, host, () => process.stdout.write(`{"ready":${port}}\n`))
