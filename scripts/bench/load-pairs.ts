// Why: whether a change made loads dearer is told by processor time of the two builds in turn, not
// by a clock on a shared machine. How: `skein local` of this checkout and of another one, pair by
// pair, each with a home of its own; the order within a pair alternates. Prints every pair's ratio,
// the median, and the 95 % interval of the mean of the logarithms.
//
//   node scripts/bench/load-pairs.ts --before DIR [--pairs 9] [--set small|big]...
//     [--property key=value]...
//   --property is given to the build of this checkout alone; with --before . it tells what a
//   setting costs. DIR is another checkout; run `npm run build` in both first.
//   Needs nginx (Debian: nginx-light) and Linux.
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { startChild } from '../../test/support/child.ts'
import { childEnvironment } from '../../test/support/child-environment.ts'
import { freePort } from '../../test/support/free-port.ts'
import { freePorts, storeFlags } from '../../test/support/local-skein.ts'
import { childrenSeconds, processorSeconds, sizesOf } from './process-figures.ts'
import { undoing, Undos } from './undos.ts'

const { values } = parseArgs({
  options: {
    before: { type: 'string' },
    pairs: { type: 'string', default: '9' },
    property: { type: 'string', multiple: true, default: [] },
    set: { type: 'string', multiple: true, default: ['small', 'big'] },
  },
})
const pairs = Number(values.pairs)
const specs: Readonly<Record<string, string>> = { small: '20000x16KiB', big: '16x64MiB' }
const root = join(import.meta.dirname, '../..')
if (values.before === undefined)
  throw new Error('usage: node scripts/bench/load-pairs.ts --before DIR [--pairs N] [--set NAME]...')
const mains = { before: resolve(values.before, 'dist/cli/main.js'), after: join(root, 'dist/cli/main.js') }
for (const main of Object.values(mains)) if (!existsSync(main)) throw new Error(`${main}: run npm run build first`)

/**
 * Two-sided 95 % points of Student's t for 1 to 20 degrees of freedom; the normal distribution's
 * beyond.
 */
const studentPoints = [
  12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086,
]

interface Cost {
  /** Processor time of the service and of the command, for the load alone. */
  readonly processorSeconds: number
  readonly seconds: number
  readonly peakMiB: number
}

const scratch = mkdtempSync(join(tmpdir(), 'skein-pairs-'))
// Started by root, nginx reads as somebody else.
chmodSync(scratch, 0o755)
const originFolder = join(scratch, 'origin')
const undos = new Undos()
let homes = 0

function origin(verb: string, ...args: readonly string[]): void {
  execFileSync(process.execPath, [join(import.meta.dirname, 'static-origin.mjs'), verb, originFolder, ...args], {
    stdio: 'inherit',
  })
}

async function cost(main: string, properties: readonly string[], bucket: string, port: number): Promise<Cost> {
  const home = join(scratch, `home-${homes++}`)
  const skein = startChild(
    process.execPath,
    [
      main,
      'local',
      '--home',
      home,
      ...freePorts,
      '-Dskein.ufs.allowPrivateEndpoints=true',
      ...properties.map((property) => `-D${property}`),
    ],
    {
      logFile: join(scratch, 'local.log'),
    },
  )
  undos.onEnd(() => skein.end('SIGTERM'))
  const cli = (...words: readonly string[]): void => {
    execFileSync(process.execPath, [main, ...words], {
      env: childEnvironment({ SKEIN_HOME: home }),
      stdio: ['ignore', 'ignore', 'pipe'],
    })
  }
  try {
    await skein.line((line) => (line.startsWith('{"ready"') ? line : undefined), 40_000)
    cli('ns', 'create', bucket, `s3://${bucket}/`, ...storeFlags(`http://127.0.0.1:${port}`))
    const beganMs = performance.now()
    const beganSeconds = processorSeconds(skein.pid) + childrenSeconds()
    cli('fs', 'distributedLoad', `/${bucket}`)
    const seconds = (performance.now() - beganMs) / 1000
    const used = processorSeconds(skein.pid) + childrenSeconds() - beganSeconds
    return { processorSeconds: used, seconds, peakMiB: sizesOf(skein.pid).peak / 1024 ** 2 }
  } finally {
    await skein.end('SIGTERM')
    rmSync(home, { recursive: true, force: true })
  }
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN

/** The 95 % interval of the geometric mean of the ratios. */
function interval(ratios: readonly number[]): readonly [number, number] {
  const logs = ratios.map((ratio) => Math.log(ratio))
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length
  const variance = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / (logs.length - 1)
  const half = (studentPoints[logs.length - 2] ?? 1.96) * Math.sqrt(variance / logs.length)
  return [Math.exp(mean - half), Math.exp(mean + half)]
}

function report(set: string, befores: readonly Cost[], afters: readonly Cost[]): void {
  const peak = (costs: readonly Cost[]): string => Math.max(...costs.map(({ peakMiB }) => peakMiB)).toFixed(0)
  for (const field of ['processorSeconds', 'seconds'] as const) {
    const ratios = afters.map((after, index) => after[field] / (befores[index]?.[field] ?? Number.NaN))
    const [low, high] = interval(ratios)
    const [before, after] = [befores, afters].map((costs) => median(costs.map((each) => each[field])).toFixed(2))
    console.log(
      `${set} ${specs[set] ?? ''} ${field}: medians ${before} before, ${after} after; ratios ` +
        `${ratios.map((ratio) => ratio.toFixed(2)).join(' ')}, median ${median(ratios).toFixed(3)}, 95 % of the ` +
        `mean ${low.toFixed(3)} to ${high.toFixed(3)}`,
    )
  }
  console.log(`${set}: peak resident ${peak(befores)} MiB before, ${peak(afters)} MiB after`)
}

await undoing(async () => {
  undos.onEnd(() => rmSync(scratch, { recursive: true, force: true }))
  mkdirSync(originFolder, { recursive: true })
  const port = await freePort()
  undos.onEnd(() => origin('stop'))
  origin('start', String(port), ...values.set.map((set) => `${set}=${specs[set] ?? ''}`))
  for (const set of values.set) {
    const costs: Record<keyof typeof mains, Cost[]> = { before: [], after: [] }
    for (let pair = 0; pair < pairs; pair += 1) {
      const order = pair % 2 === 0 ? (['before', 'after'] as const) : (['after', 'before'] as const)
      for (const which of order)
        costs[which].push(await cost(mains[which], which === 'after' ? values.property : [], set, port))
    }
    report(set, costs.before, costs.after)
  }
}, undos)
