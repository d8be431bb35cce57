// Why: what the S3 port gives, beside nginx with sendfile on the same files, and beside a bare
// server that writes to the disk. How: see door-case.ts.
import { fork } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { DoorCase, DoorSetup, Way } from './door-case.ts'
import { downloadAll, requestAll, uploadAll } from './http-load.ts'

const atOnce = 8

export async function s3Cases(setup: DoorSetup): Promise<DoorCase[]> {
  const { addresses, pid, nginx, large, largeBytes, small, smallBytes, plain } = setup
  const base = `http://${addresses['s3'] ?? ''}`
  const bare = await startDiskServer(setup, 'bare')
  const synced = await startDiskServer(setup, 'sync')
  const gets = (names: readonly string[], run: (urls: readonly string[]) => Promise<void>): Way[] => [
    { name: 's3', pids: [pid], run: () => run(names.map((name) => `${base}/data/${name}`)) },
    ...(nginx === undefined
      ? []
      : [{ name: 'nginx', pids: nginx.pids, run: () => run(names.map((name) => `${nginx.url}/${name}`)) }]),
  ]
  const put = (name: string, pids: readonly number[], url: (file: string) => string): Way => {
    return { name, pids, run: () => uploadAll(large.map((file) => ({ path: join(plain, file), url: url(file) }))) }
  }
  const gib = (large.length * largeBytes) / 1024 ** 3
  const pages = Array.from({ length: 20 }, () => `${base}/data?list-type=2&prefix=small-&max-keys=1000`)
  return [
    {
      ...{ name: `GET of ${largeBytes / 1024 ** 2} MiB objects`, amount: gib, unit: 'GiB' },
      ...{ ways: gets(large, downloadAll), goal: { way: 'nginx', ratio: 0.7 } },
    },
    {
      ...{ name: `GET of ${smallBytes / 1024} KiB objects`, amount: small.length, unit: 'requests' },
      ...{ ways: gets(small, (urls) => requestAll(urls, atOnce, smallBytes)), goal: { way: 'nginx', ratio: 0.4 } },
    },
    {
      ...{ name: `PUT of ${largeBytes / 1024 ** 2} MiB objects`, amount: gib, unit: 'GiB' },
      ways: [
        put('s3', [pid], (file) => `${base}/data/put-${file}`),
        put('bare server', [bare.pid], (file) => `http://127.0.0.1:${bare.port}/${file}`),
        put('bare server that syncs', [synced.pid], (file) => `http://127.0.0.1:${synced.port}/${file}`),
      ],
      goal: { way: 'bare server', ratio: 0.7 },
    },
    {
      ...{ name: `ListObjectsV2 of ${Math.min(1000, small.length)} keys`, amount: pages.length, unit: 'requests' },
      ...{ ways: [{ name: 's3', pids: [pid], run: () => requestAll(pages, 1) }], goalMs: 15 },
    },
  ]
}

async function startDiskServer(
  { folder, onEnd }: DoorSetup,
  mode: 'bare' | 'sync',
): Promise<{ port: number; pid: number }> {
  const into = join(folder, mode)
  mkdirSync(into)
  const child = fork(join(import.meta.dirname, 'disk-server.ts'), [into, mode])
  onEnd(() => child.disconnect())
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve(message as number))
    child.once('exit', (code) => reject(new Error(`the bare server ended with ${code}`)))
  })
  return { port, pid: child.pid ?? 0 }
}
