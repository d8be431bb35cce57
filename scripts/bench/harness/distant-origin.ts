// Why: the cases of latency share one store that is far away (latency-proxy.ts).
import { join } from 'node:path'
import { startChild } from '../../../test/support/child.ts'
import { freePort } from '../../../test/support/free-port.ts'
import type { BenchOrigin, BenchTools } from './bench-tools.ts'

const roundTripMs = 30
const slowShare = 0.01
const slowMs = 500

/** @returns the address of the origin behind a proxy, which ends with the run */
export async function withDistance(tools: BenchTools, { url }: BenchOrigin): Promise<string> {
  const port = await freePort()
  const words = [port, new URL(url).port, roundTripMs, slowShare, slowMs].map(String)
  const proxy = startChild(process.execPath, [join(import.meta.dirname, 'latency-proxy.ts'), ...words], {
    logFile: join(tools.scratch, 'proxy.log'),
  })
  tools.onEnd(() => proxy.end('SIGTERM'))
  await proxy.line((line) => (line.startsWith('{"ready"') ? line : undefined), 20_000)
  return `http://127.0.0.1:${port}`
}
