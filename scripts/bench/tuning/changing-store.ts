// Why: the cases of skein.tuning share a store that changes while a load runs (changing-proxy.ts).
import { join } from 'node:path'
import { startChild } from '../../../test/support/child.ts'
import { freePort } from '../../../test/support/free-port.ts'
import type { BenchOrigin, BenchTools } from '../harness/bench-tools.ts'

export interface StoreMood {
  readonly delayMs?: number
  /** Of the requests, answered with SlowDown. */
  readonly share?: number
  /** Requests above this rate are answered with SlowDown. */
  readonly perSecond?: number
}

export interface StoreCounts {
  readonly requests: number
  readonly refused: number
  /** Since the call before. */
  readonly ms: number
}

export interface ChangingStore {
  readonly url: string
  /** Changes the store. @returns what came since the last call */
  set(mood: StoreMood): Promise<StoreCounts>
}

/** The origin behind a proxy, which ends with the run. */
export async function changingStore(tools: BenchTools, { url }: Pick<BenchOrigin, 'url'>): Promise<ChangingStore> {
  const [port, control] = [await freePort(), await freePort()]
  const words = [port, control, new URL(url).port].map(String)
  const proxy = startChild(process.execPath, [join(import.meta.dirname, 'changing-proxy.ts'), ...words], {
    logFile: join(tools.scratch, `proxy-${port}.log`),
  })
  tools.onEnd(() => proxy.end('SIGTERM'))
  await proxy.line((line) => (line.startsWith('{"ready"') ? line : undefined), 20_000)
  return {
    url: `http://127.0.0.1:${port}`,
    set: async (mood) => {
      const query = Object.entries(mood).map(([name, value]) => `${name}=${value}`)
      const response = await fetch(`http://127.0.0.1:${control}/?${query.join('&')}`)
      return (await response.json()) as StoreCounts
    },
  }
}
