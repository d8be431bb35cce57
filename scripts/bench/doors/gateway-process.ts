// Why: the memory of the doors alone shows in a process of their own. How: `skein gateway` beside a
// cluster (door-cluster.ts), on free ports.
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ended } from './door-cluster.ts'

const main = join(import.meta.dirname, '../../../src/cli/main.ts')

export interface StartedGateway {
  /** `host:port` of the S3 port. */
  readonly s3: string
  /** `host:port` of the WebHDFS port. */
  readonly webhdfs: string
  readonly pid: number
  close(): Promise<void>
}

/** @param master `host:port` */
export async function startGateway(
  folder: string,
  master: string,
  settings: readonly string[] = [],
): Promise<StartedGateway> {
  const home = join(folder, 'gateway')
  mkdirSync(home)
  const [host = '', port = ''] = master.split(':')
  const all = [
    ...[`goosefs.master.hostname=${host}`, `goosefs.master.rpc.port=${port}`, 'skein.gateway.s3.port=0'],
    ...['skein.gateway.webhdfs.port=0', 'skein.gateway.web.port=0', ...settings],
  ]
  const args = [main, 'gateway', '--home', home, ...all.map((one) => `-D${one}`)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('{"ready":"gateway"')) continue
    child.stdout.resume()
    const { s3 = '', webhdfs = '' } = JSON.parse(line) as { s3?: string; webhdfs?: string }
    return { s3, webhdfs, pid: child.pid ?? 0, close: () => ended(child) }
  }
  throw new Error('the gateway did not start')
}
