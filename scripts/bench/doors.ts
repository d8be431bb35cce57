// Why: how fast programs read and write through the doors, beside what serves the same files
// without a cache. How: a cluster of its own in a temporary folder (doors/door-cluster.ts), objects
// that are written through the S3 port, and the cases of each door (doors/*-cases.ts), whose ways
// take turns. Needs curl, and nginx for its part. Everything is in the page cache: what is measured
// is the way, not the disk.
//
//   node scripts/bench/doors.ts [--rounds 5] [--mib 1024] [--object-mib 64] [--small 2000]
//     [--only <part of a name>] [--json <file>]
import { randomFillSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type DoorCase, type DoorSetup, measured, type WayResult } from './doors/door-case.ts'
import { startCluster, startNginx } from './doors/door-cluster.ts'
import { uploadAll } from './doors/http-load.ts'
import { libraryCases } from './doors/library-cases.ts'
import { s3Cases } from './doors/s3-cases.ts'
import { webHdfsCases } from './doors/webhdfs-cases.ts'
import { undoing, Undos } from './undos.ts'

/** Of all doors. */
const caseLists: readonly ((setup: DoorSetup) => Promise<DoorCase[]>)[] = [s3Cases, webHdfsCases, libraryCases]

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    mib: { type: 'string', default: '1024' },
    'object-mib': { type: 'string', default: '64' },
    small: { type: 'string', default: '2000' },
    only: { type: 'string', default: '' },
    json: { type: 'string' },
  },
})
const mebibyte = 1024 * 1024
const largeBytes = Number(values['object-mib']) * mebibyte
const smallBytes = 16 * 1024
const undos = new Undos()

async function setUp(folder: string): Promise<DoorSetup> {
  const plain = join(folder, 'plain')
  mkdirSync(plain)
  const large = Array.from(
    { length: Math.ceil((Number(values.mib) * mebibyte) / largeBytes) },
    (_, at) => `large-${at}`,
  )
  const small = Array.from({ length: Number(values.small) }, (_, at) => `small-${String(at).padStart(6, '0')}`)
  for (const [names, bytes] of [
    [large, largeBytes],
    [small, smallBytes],
  ] as const)
    for (const name of names) writeFileSync(join(plain, name), randomFillSync(Buffer.alloc(bytes)))
  const cluster = await startCluster(folder, (Number(values.rounds) + 4) * Number(values.mib) + 512)
  undos.onEnd(() => cluster.close())
  const nginx = await startNginx(folder, plain)
  undos.onEnd(() => nginx?.close())
  if (nginx === undefined) process.stderr.write('nginx is not installed: it is left out\n')
  const { s3 = '' } = cluster.addresses
  const written = [...large, ...small].map((name) => ({ path: join(plain, name), url: `http://${s3}/data/${name}` }))
  for (let from = 0; from < written.length; from += 200) await uploadAll(written.slice(from, from + 200))
  return {
    ...{ folder, plain, large, largeBytes, small, smallBytes, nginx, pid: cluster.pid },
    ...{ addresses: cluster.addresses, home: cluster.home, onEnd: (undo) => undos.onEnd(undo) },
  }
}

function told(one: DoorCase, results: readonly WayResult[]): void {
  process.stdout.write(`\n${one.name}\n`)
  for (const { way, rate, unit, processorSeconds, ratio } of results) {
    const speed = unit === 'GiB' ? `${rate.toFixed(2)} GiB/s` : `${rate.toFixed(0)}/s (${(1000 / rate).toFixed(2)} ms)`
    const cost = unit === 'GiB' ? `${processorSeconds.toFixed(2)} s/GiB` : `${(processorSeconds * 1e6).toFixed(0)} us`
    process.stdout.write(`  ${way.padEnd(24)} ${speed.padEnd(22)} processor ${cost.padEnd(14)}`)
    process.stdout.write(
      way === results[0]?.way ? '\n' : ` ${one.ways[0]?.name} is ${ratio.toFixed(2)} times as fast\n`,
    )
  }
  const peer = results.find(({ way }) => way === one.goal?.way)
  const goal = one.goal?.ratio ?? 0
  if (peer !== undefined)
    process.stdout.write(`  goal: ${goal} of ${peer.way}: ${peer.ratio >= goal ? '' : 'not '}met\n`)
  const ms = 1000 / (results[0]?.rate ?? 0)
  if (one.goalMs !== undefined) process.stdout.write(`  goal: ${one.goalMs} ms: ${ms <= one.goalMs ? '' : 'not '}met\n`)
}

const folder = mkdtempSync(join(tmpdir(), 'skein-doors-bench-'))
undos.onEnd(() => rmSync(folder, { recursive: true, force: true }))
await undoing(async () => {
  const setup = await setUp(folder)
  const all: WayResult[] = []
  const cases: DoorCase[] = []
  // All before the first one runs: what is written then is not theirs.
  for (const list of caseLists) cases.push(...(await list(setup)))
  for (const one of cases.filter(({ name }) => name.includes(values.only))) {
    const results = await measured(one, Number(values.rounds))
    told(one, results)
    all.push(...results)
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(all, undefined, 2)}\n`)
}, undos)
