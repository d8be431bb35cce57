// Why: a store becomes slower, or asks to slow down, while a load runs. How: a TCP proxy, each of
// whose pieces from a client is a request: it is held back by a round trip, and may be answered
// with 503 SlowDown: a share of the requests, or those above a rate. A second port changes this
// and counts: GET /?delayMs=50&share=0.2&perSecond=300 answers with what came since the last call.
// A process of its own, so that its work is nobody's.
//   node changing-proxy.ts PORT CONTROL-PORT TARGET-PORT
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { seededRandom } from '../../../src/base/clock.ts'

const [port = 0, control = 0, target = 0] = process.argv.slice(2).map(Number)
const random = seededRandom(1)
const host = '127.0.0.1'
const mood = { delayMs: 0, share: 0, perSecond: Number.POSITIVE_INFINITY }
const body = '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>'
const head = `HTTP/1.1 503 Slow Down\r\ncontent-type: application/xml\r\ncontent-length: ${body.length}\r\n\r\n`
const refusal = head + body

let counts = { requests: 0, refused: 0, sinceMs: performance.now() }
/** Requests that may still come at once: a tenth of a second's worth is saved. */
let balance = 0
let filledMs = performance.now()

function isRefused(): boolean {
  const nowMs = performance.now()
  balance = Math.min(mood.perSecond / 10, balance + ((nowMs - filledMs) / 1000) * mood.perSecond)
  filledMs = nowMs
  counts.requests += 1
  if (balance >= 1) balance -= 1
  else if (mood.perSecond !== Number.POSITIVE_INFINITY) return true
  return random() < mood.share
}

const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
  const store = connect({ port: target, host, noDelay: true, allowHalfOpen: true })
  const openMs = performance.now() + mood.delayMs
  let dueMs = 0
  const later = (act: () => void): void => {
    dueMs = Math.max(dueMs, Math.max(openMs, performance.now()) + mood.delayMs)
    if (mood.delayMs === 0 && dueMs <= performance.now()) act()
    else setTimeout(act, dueMs - performance.now())
  }
  client.on('data', (piece) => {
    if (!isRefused()) return later(() => store.write(piece))
    counts.refused += 1
    later(() => client.write(refusal))
  })
  client.on('end', () => later(() => store.end()))
  store.pipe(client)
  const pair: readonly (readonly [Socket, Socket])[] = [
    [client, store],
    [store, client],
  ]
  for (const [one, other] of pair) {
    one.on('error', () => other.destroy())
    one.on('close', () => other.destroy())
  }
})

createHttpServer((request, response) => {
  const { searchParams } = new URL(request.url ?? '', 'http://proxy')
  for (const [name, value] of searchParams) if (name in mood) Object.assign(mood, { [name]: Number(value) })
  response.end(JSON.stringify({ ...counts, ms: performance.now() - counts.sinceMs }))
  counts = { requests: 0, refused: 0, sinceMs: performance.now() }
}).listen(control, host, () => server.listen(port, host, () => process.stdout.write(`{"ready":${port}}\n`)))
