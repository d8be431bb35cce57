// Why: everything that is measured is measured in one manner: on the same bytes, ours, peers and
// the limit in turn, in one run, with medians and ratios. How: cases are definitions
// (harness/*-cases.ts); benchmarks with a program of their own are run as they are. Results go to
// tuning/results: latest.json has every run, latest.md and the pictures are made from it. A case
// that runs again replaces its part.
//
//   npm run bench -- [CASE...] [--runs 3] [--scale 1] [--out DIR] [--origin DIR] [--list]
//   CASE: a name, or its beginning (`load`: load-large, load-small, ...); `all`: all cases;
//   `programs`: the benchmarks with a program of their own. --scale 0.01 tries a case out with few
//   files, and writes to a temporary folder. --origin keeps the files of the origin. Needs nginx
//   (Debian: nginx-light), Linux, and `npm run build` first; peers: rclone, s5cmd
//   (scripts/bench/peers.sh), curl; redis-server for BullMQ.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg, release, tmpdir, totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { CaseDefinition, RunResult, ScriptDefinition } from './harness/bench-case.ts'
import { benchMarkdown, caseSvg, figure } from './harness/bench-markdown.ts'
import { type BenchReport, type CaseReport, caseReport } from './harness/bench-results.ts'
import { BenchTools, processorName, stopSignals } from './harness/bench-tools.ts'
import { jobCases } from './harness/job-cases.ts'
import { loadCases } from './harness/load-cases.ts'
import { metaCases } from './harness/meta-cases.ts'
import { readCases } from './harness/read-cases.ts'
import { autoCases } from './tuning/auto-cases.ts'

const root = join(import.meta.dirname, '../..')
const cases: readonly CaseDefinition[] = [...loadCases, ...readCases, ...jobCases, ...metaCases, ...autoCases]
const script = (name: string, what: string, words: string[] = [], tinyWords: string[] = []): ScriptDefinition => ({
  ...{ name, what, script: `${name}.ts`, words, tinyWords },
})
const scripts: readonly ScriptDefinition[] = [
  script('doors', 'the ports of the gateway beside nginx', [], ['--rounds', '1', '--mib', '64', '--small', '100']),
  script('fuse', 'a mount beside the local disk; needs root and fio', [], ['--rounds', '1', '--mib', '64']),
  script('memory-rounds', 'memory over rounds of free and load', [], ['--rounds', '2', '--warm', '1']),
  script('short-circuit', 'blocks read as files and over the data port', [], ['--rounds', '1', '--mib', '64']),
  script('small-blocks', 'small blocks in segments and in files', [], ['--rounds', '1', '--blocks', '500']),
  script('bandwidth', 'bandwidth limits, and the wait of a reader during a load', [], ['--seconds', '11']),
  script('million', 'loads of very many very small files', [], ['--files', '2000']),
  script('metadata-scale', 'a master with very many files', [], ['--files', '20000', '--first', '5000']),
]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '3' },
    scale: { type: 'string', default: '1' },
    out: { type: 'string' },
    origin: { type: 'string' },
    list: { type: 'boolean', default: false },
  },
})
const [runs, scale] = [Number(values.runs), Number(values.scale)]
if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs ${values.runs}: write a whole number of 1 or more`)
if (!(scale > 0 && scale <= 1)) throw new Error(`--scale ${values.scale}: write a number above 0 and up to 1`)

function chosen<T extends { readonly name: string }>(definitions: readonly T[], all: string): T[] {
  const fits = (name: string): boolean =>
    positionals.some((word) => word === all || word === name || name.startsWith(`${word}-`))
  return definitions.filter(({ name }) => fits(name))
}

function machine(): BenchReport['machine'] {
  const commit = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).stdout.trim()
  return {
    processor: processorName(),
    cores: availableParallelism(),
    'memory, GiB': Number((totalmem() / 1024 ** 3).toFixed(1)),
    system: `Linux ${release()}`,
    node: process.version,
    skein: commit === '' ? 'unknown' : commit,
    'load average at the start': loadavg()
      .map((load) => load.toFixed(2))
      .join(' '),
  }
}

let isStopped = false

async function runCase(definition: CaseDefinition): Promise<CaseReport> {
  const { name, what } = definition
  const originFolder = values.origin === undefined ? undefined : resolve(values.origin)
  const tools = new BenchTools({ scale, originFolder })
  const stop = (): void => {
    isStopped = true
    void tools.close().finally(() => process.exit(130))
  }
  for (const signal of stopSignals) process.once(signal, stop)
  try {
    const prepared = await definition.prepare(tools)
    const ways = prepared.ways.filter(({ missing }) => missing === undefined)
    const results = new Map<string, RunResult[]>(ways.map((way) => [way.name, []]))
    for (let round = 0; round < runs; round += 1) {
      // Another way begins each round, so that none is always first.
      const order = ways.map((_, index) => ways[(index + round) % ways.length]).filter((way) => way !== undefined)
      for (const way of order) {
        if (isStopped) throw new Error('stopped')
        tools.settle()
        const result = await way.run()
        results.get(way.name)?.push(result)
        process.stderr.write(`${name}: ${way.name}: ${result.seconds.toFixed(2)} s\n`)
      }
    }
    return caseReport({ name, what, at: new Date().toISOString(), runs, scale }, prepared, results)
  } finally {
    for (const signal of stopSignals) process.removeListener(signal, stop)
    await tools.close()
  }
}

function runScript({ name, what, script: file, words, tinyWords }: ScriptDefinition): CaseReport {
  const all = [join(import.meta.dirname, file), ...(scale === 1 ? words : tinyWords)]
  process.stderr.write(`${name}: node ${all.join(' ')}\n`)
  const text = execFileSync(process.execPath, all, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  const empty = { amount: 0, unit: '', ways: [], goals: [] }
  return { ...{ name, what, at: new Date().toISOString(), runs: 1, scale, text }, ...empty }
}

const usualOut = (): string =>
  scale === 1 ? join(root, 'tuning/results') : mkdtempSync(join(tmpdir(), 'skein-bench-results-'))
const out = values.list || positionals.length === 0 ? '' : resolve(values.out ?? usualOut())
const file = join(out, 'latest.json')

function keep(report: CaseReport): void {
  mkdirSync(out, { recursive: true })
  const before = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as BenchReport) : { cases: {} }
  const all: BenchReport = { machine: facts, cases: { ...before.cases, [report.name]: report } }
  writeFileSync(file, `${JSON.stringify(all, undefined, 2)}\n`)
  writeFileSync(join(out, 'latest.md'), benchMarkdown(all))
  if (report.ways.length > 0) writeFileSync(join(out, `${report.name}.svg`), caseSvg(report))
}

function told({ name, unit, ways, goals, text }: CaseReport): void {
  process.stdout.write(`\n${name}\n${text ?? ''}`)
  for (const { name: way, missing, medianSeconds, rate, processorSeconds, peaks, firstIsFaster } of ways) {
    const peak = Math.round(Math.max(0, ...Object.values(peaks)) / 1024 ** 2)
    const line =
      missing ??
      `${medianSeconds.toFixed(2)} s, ${figure(rate)} ${unit}/s, CPU ${processorSeconds.toFixed(2)} s, ` +
        `peak ${peak} MiB, ${ways[0]?.name} is ${firstIsFaster.toFixed(2)} x as fast`
    process.stdout.write(`  ${way.padEnd(24)} ${line}\n`)
  }
  for (const { text: goal, reached, isMet } of goals)
    process.stdout.write(`  ${isMet ? 'met' : 'not met'}: ${goal}: ${figure(reached)}\n`)
}

const facts = machine()
const [chosenCases, chosenScripts] = [chosen(cases, 'all'), chosen(scripts, 'programs')]
if (values.list || chosenCases.length + chosenScripts.length === 0) {
  for (const { name, what } of [...cases, ...scripts]) process.stdout.write(`${name.padEnd(20)} ${what}\n`)
  if (!values.list) throw new Error('name a case, the beginning of its name, all, or programs')
} else {
  const failed: string[] = []
  for (const definition of [...chosenCases, ...chosenScripts]) {
    try {
      const report = 'prepare' in definition ? await runCase(definition) : runScript(definition)
      keep(report)
      told(report)
    } catch (thrown) {
      if (isStopped) break
      failed.push(definition.name)
      process.stderr.write(`${definition.name} failed: ${(thrown as Error).stack ?? String(thrown)}\n`)
    }
  }
  process.stdout.write(`\nResults: ${out}\n`)
  if (failed.length > 0) throw new Error(`failed: ${failed.join(', ')}`)
}
