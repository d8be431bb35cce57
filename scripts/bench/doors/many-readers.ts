// Why: hundreds of clients of a door at once, and their memory is not that of the door. How: a
// program of its own: each client reads one body on a connection of its own and drops the bytes, as
// fast as it can or at a rate. Sends the number of bytes to its parent when all are done, or when
// the time is over.
//
//   node many-readers.ts <clients> <bytes per second; 0: no limit> <seconds; 0: all> <url>...
import { Agent, get } from 'node:http'
import { systemClock } from '../../../src/base/clock.ts'

const [clients = '1', rate = '0', seconds = '0', ...urls] = process.argv.slice(2)
const bytesPerSecond = Number(rate)
const agent = new Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY })
let bytes = 0
const never = new AbortController().signal
let failures = 0
/** What failed, and how often. */
const reasons: Record<string, number> = {}

function read(url: string): Promise<void> {
  return new Promise((resolve) => {
    const beganMs = systemClock.monotonicMs()
    let got = 0
    const fail = (reason: string): void => {
      failures += 1
      reasons[reason] = (reasons[reason] ?? 0) + 1
      resolve()
    }
    const sent = get(url, { agent }, (response) => {
      if (response.statusCode !== 200) fail(String(response.statusCode))
      response.on('data', (chunk: Buffer) => {
        got += chunk.length
        bytes += chunk.length
        const dueMs = bytesPerSecond === 0 ? 0 : beganMs + (got / bytesPerSecond) * 1000 - systemClock.monotonicMs()
        if (dueMs <= 0) return
        response.pause()
        void systemClock.sleep(dueMs, never).then(() => response.resume())
      })
      response.on('error', ({ message }) => fail(message))
      response.on('end', resolve)
    })
    sent.on('error', ({ message }) => fail(message))
  })
}

function report(): void {
  process.send?.({ bytes, failures, reasons })
  process.disconnect?.()
  process.exit(0)
}

if (Number(seconds) > 0) void systemClock.sleep(Number(seconds) * 1000, never).then(report)
const all = Array.from({ length: Number(clients) }, (_, at) => read(urls[at % urls.length] ?? ''))
await Promise.all(all)
report()
