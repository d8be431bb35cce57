// Why: the memory of a gateway must not follow the number of its clients, least of all of slow
// ones. How: many clients (doors/many-readers.ts) read large objects at once, as fast as they
// can and then slowly, from `skein gateway` and from the S3 port of `skein local`. The peak of the
// resident memory is the kernel's (VmHWM), of the process since its start.
//
//   node scripts/bench/gateway-memory.ts [--streams 256] [--object-mib 64] [--objects 8]
//     [--slow-rate 100000] [--slow-seconds 30] [--property key=value]...
import { fork } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../../src/base/clock.ts'
import { startCluster } from './doors/door-cluster.ts'
import { startGateway } from './doors/gateway-process.ts'
import { uploadAll } from './doors/http-load.ts'
import { processorSeconds, sizesOf } from './process-figures.ts'
import { undoing } from './undos.ts'

const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: '256' },
    'object-mib': { type: 'string', default: '64' },
    objects: { type: 'string', default: '8' },
    'slow-rate': { type: 'string', default: '100000' },
    'slow-seconds': { type: 'string', default: '30' },
    property: { type: 'string', multiple: true, default: [] },
  },
})
const mebibyte = 1024 * 1024
const objectBytes = Number(values['object-mib']) * mebibyte
const objects = Array.from({ length: Number(values.objects) }, (_, at) => `object-${at}`)

interface Read {
  readonly bytes: number
  readonly failures: number
  /** How often, by reason. */
  readonly reasons: Readonly<Record<string, number>>
}

function readMany(urls: readonly string[], rate: string, seconds: string): Promise<Read> {
  const child = fork(join(import.meta.dirname, 'doors/many-readers.ts'), [values.streams, rate, seconds, ...urls])
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as Read))
    child.once('exit', (code) => reject(new Error(`the readers ended with ${code}`)))
  })
}

function mib(bytes: number): string {
  return `${(bytes / mebibyte).toFixed(0)} MiB`
}

async function measured(what: string, pid: number, read: () => Promise<Read>): Promise<void> {
  const before = sizesOf(pid)
  const beganMs = systemClock.monotonicMs()
  const processorBefore = processorSeconds(pid)
  const { bytes, failures, reasons } = await read()
  const seconds = (systemClock.monotonicMs() - beganMs) / 1000
  const { peak, resident } = sizesOf(pid)
  const speed = `${(bytes / mebibyte / seconds).toFixed(0)} MiB/s`
  const processor = `${(((processorSeconds(pid) - processorBefore) / bytes) * 1024 ** 3).toFixed(2)} s/GiB`
  process.stdout.write(`${what.padEnd(28)} before ${mib(before.resident).padEnd(9)} peak ${mib(peak).padEnd(9)}`)
  process.stdout.write(` after ${mib(resident).padEnd(9)} ${speed}, processor ${processor}, ${failures} failed`)
  process.stdout.write(failures === 0 ? '\n' : ` ${JSON.stringify(reasons)}\n`)
}

const folder = mkdtempSync(join(tmpdir(), 'skein-gateway-memory-'))
await undoing(async (undos) => {
  undos.onEnd(() => rmSync(folder, { recursive: true, force: true }))
  const cluster = await startCluster(folder, objects.length * Number(values['object-mib']) + 512)
  undos.onEnd(() => cluster.close())
  const plain = join(folder, 'plain')
  const { s3 = '', master = '' } = cluster.addresses
  for (const name of objects) {
    writeFileSync(plain, randomFillSync(Buffer.alloc(objectBytes)))
    await uploadAll([{ path: plain, url: `http://${s3}/data/${name}` }])
  }
  const gateway = await startGateway(folder, master, values.property)
  undos.onEnd(() => gateway.close())
  for (const [name, address, pid] of [
    ['skein gateway', gateway.s3, gateway.pid],
    ['skein local', s3, cluster.pid],
  ] as const) {
    const urls = objects.map((object) => `http://${address}/data/${object}`)
    await measured(`${name}, fast readers`, pid, () => readMany(urls, '0', '0'))
    const slowly = (): Promise<Read> => readMany(urls, values['slow-rate'], values['slow-seconds'])
    await measured(`${name}, slow readers`, pid, slowly)
  }
})
