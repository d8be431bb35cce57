// Why: memory has a bound, and it is the same after many rounds of free and load as after a few.
// How: `skein local` as a process, nginx as the store (static-origin.mjs); loads 20,000 x 16 KiB,
// 20,000 x 1 KiB and 16 x 64 MiB, then frees and loads all of them again, round after round. The
// kernel's figures after each round, once the process is idle (resident, anonymous, of files, the
// peak so far), and beside them what the process says of itself at /metrics.
//
//   node scripts/bench/memory-rounds.ts [--rounds 16] [--warm 4] [--origin DIR]
//     [--property key=value]... [--node-flag FLAG]...
//   run `npm run build` first; needs nginx (Debian: nginx-light) and Linux
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startChild } from '../../test/support/child.ts'
import { main, run } from '../../test/support/cluster.ts'
import { freePorts, storeFlags } from '../../test/support/local-skein.ts'
import { type ProcessSizes, processorSeconds, sizesOf } from './process-figures.ts'
import { freePort } from '../../test/support/free-port.ts'
import { undoing, type Undos } from './undos.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '16' },
    warm: { type: 'string', default: '4' },
    origin: { type: 'string' },
    property: { type: 'string', multiple: true, default: [] },
    'node-flag': { type: 'string', multiple: true, default: [] },
  },
})
const rounds = Number(values.rounds)
const warm = Number(values.warm)
const buckets = ['small', 'tiny', 'big'] as const
const specs = ['small=20000x16KiB', 'tiny=20000x1KiB', 'big=16x64MiB']
/** Longer than a role waits before it collects garbage (skein.memory.idle.collect). */
const settleMs = 20_000

const scratch = mkdtempSync(join(tmpdir(), 'skein-memory-'))
// Started by root, nginx reads as somebody else.
chmodSync(scratch, 0o755)
const originFolder = values.origin ?? join(scratch, 'origin')

const mib = (bytes: number): string => (bytes / 1024 ** 2).toFixed(0).padStart(4)

/** What the process says of its memory: name without prefix and unit, and the bytes. */
async function ownFigures(web: string): Promise<string> {
  const text = await (await fetch(`http://${web}/metrics`)).text()
  const figures = [...text.matchAll(/^(?:skein|process|nodejs)_(\w*(?:memory|heap_size|buffers)\w*)_bytes (\d+)$/gm)]
  return figures.map(([, name = '', bytes]) => `${name} ${mib(Number(bytes)).trim()}`).join(', ')
}

function medianOf(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN
}

function origin(verb: string, ...args: readonly string[]): void {
  execFileSync(process.execPath, [join(import.meta.dirname, 'static-origin.mjs'), verb, originFolder, ...args], {
    stdio: 'inherit',
  })
}

async function measure(port: number, undos: Undos): Promise<void> {
  const home = join(scratch, 'home')
  const properties = [
    'goosefs.worker.tieredstore.level0.dirs.quota=4GB',
    'skein.ufs.allowPrivateEndpoints=true',
    ...values.property,
  ]
  const args = [
    ...values['node-flag'],
    main,
    'local',
    '--home',
    home,
    ...freePorts,
    ...properties.map((property) => `-D${property}`),
  ]
  const skein = startChild(process.execPath, args, { logFile: join(scratch, 'local.log') })
  undos.onEnd(() => skein.end('SIGTERM'))
  await skein.line((line) => (line.startsWith('{"ready"') ? line : undefined), 40_000)
  const { web = '' } = JSON.parse(readFileSync(join(home, 'skein.json'), 'utf8')) as { web?: string }
  const cli = async (...words: readonly string[]): Promise<void> => {
    const { code, stderr } = await run(words, {
      env: { SKEIN_HOME: home, SKEIN_MASTER: undefined },
      timeoutMs: 300_000,
    })
    if (code !== 0) throw new Error(`skein ${words.join(' ')} ended with ${code}: ${stderr}`)
  }
  const print = async (what: string): Promise<ProcessSizes> => {
    const atOnce = sizesOf(skein.pid)
    await new Promise((resolve) => setTimeout(resolve, settleMs))
    const { peak, resident, anonymous, files } = sizesOf(skein.pid)
    console.log(
      `${what}: peak ${mib(peak)}, resident ${mib(atOnce.resident)}, idle ${mib(resident)} ` +
        `(anonymous ${mib(anonymous)}, files ${mib(files)}) MiB; ${await ownFigures(web)}`,
    )
    return { peak, resident, anonymous, files }
  }
  const load = async (): Promise<void> => {
    for (const bucket of buckets) await cli('fs', 'distributedLoad', `/${bucket}`)
  }
  await print('started    ')
  const store = storeFlags(`http://127.0.0.1:${port}`)
  for (const bucket of buckets) await cli('ns', 'create', bucket, `s3://${bucket}/`, ...store)
  const beganMs = performance.now()
  await load()
  const firstSeconds = (performance.now() - beganMs) / 1000
  const firstProcessorSeconds = processorSeconds(skein.pid)
  const first = await print('first loads')
  const idleBytes: number[] = []
  let last = first
  for (let round = 1; round <= rounds; round += 1) {
    for (const bucket of buckets) await cli('fs', 'free', `/${bucket}`)
    await load()
    last = await print(`round ${String(round).padStart(5)}`)
    idleBytes.push(last.resident)
  }
  const ratio = (medianOf(idleBytes.slice(-3)) / medianOf(idleBytes.slice(0, warm).slice(-3))).toFixed(3)
  console.log(
    `first loads ${firstSeconds.toFixed(1)} s (${firstProcessorSeconds.toFixed(1)} s of processor, start ` +
      `included), peak of them ${mib(first.peak)} MiB; peak of all ${mib(last.peak)} MiB; idle after ` +
      `${rounds} rounds ${ratio} times of after ${warm}, medians of three rounds`,
  )
}

if (!existsSync(main)) throw new Error('run npm run build first')
await undoing(async (undos) => {
  undos.onEnd(() => rmSync(scratch, { recursive: true, force: true }))
  mkdirSync(originFolder, { recursive: true })
  const port = await freePort()
  undos.onEnd(() => origin('stop'))
  origin('start', String(port), ...specs)
  await measure(port, undos)
})
