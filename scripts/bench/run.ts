// Why: everything that is measured is measured in one manner: on the same bytes, ours, peers and
// the limit in turn, in one run, with medians and ratios. How: cases are definitions
// (harness/*-cases.ts, endurance/, peers/); benchmarks with a program of their own are run as they
// are. Results go to tuning/results: latest.json has every run, latest.md and the pictures are made
// from it. A case that runs again replaces its part; one that fails is a line.
//
//   npm run bench -- [CASE...] [--runs 3] [--resume] [--quick] [--full] [--scale 1] [--out DIR]
//     [--origin nginx|radosgw|distant] [--origin-folder DIR] [--list]
//   CASE: a name, or its beginning (`load`: load-large, load-small, ...); `all`: all cases but
//   `peers` (clients and caches that take long) and `programs` (benchmarks with a program of their
//   own); `targets` prints what the last results reached. --resume leaves out what the results have
//   already of this version, with as many runs. --quick: few files, one run. --full: up to a
//   million files. --scale 0.01 tries a case out; it and --quick write to a temporary folder.
//   --origin-folder keeps the files of the origin. Needs nginx (Debian: nginx-light), Linux, and
//   `npm run build` first; peers: rclone, and what scripts/bench/peers.sh installs; curl;
//   redis-server for BullMQ.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { memoryCase } from './endurance/memory-case.ts'
import { scaleCases } from './endurance/scale-cases.ts'
import { soakCase } from './endurance/soak-case.ts'
import type { CaseDefinition, ScriptDefinition } from './harness/bench-case.ts'
import { figure, targetsMarkdown } from './harness/bench-markdown.ts'
import type { CaseReport } from './harness/bench-results.ts'
import { BenchTools, stopSignals } from './harness/bench-tools.ts'
import { jobCases } from './harness/job-cases.ts'
import { loadCases } from './harness/load-cases.ts'
import { metaCases } from './harness/meta-cases.ts'
import { originKinds } from './harness/origin-kind.ts'
import { readCases } from './harness/read-cases.ts'
import { peerCases } from './peers/peer-cases.ts'
import { runCase, type RunOptions, runScript } from './report/case-run.ts'
import { commitName, machineFacts } from './report/machine.ts'
import { ResultFolder } from './report/result-folder.ts'
import { autoCases } from './tuning/auto-cases.ts'

const root = join(import.meta.dirname, '../..')
const inAll: readonly CaseDefinition[] = [
  ...[...loadCases, ...readCases, ...jobCases, ...metaCases, ...autoCases],
  ...[...scaleCases, memoryCase, soakCase],
]
const script = (name: string, what: string, words: string[] = [], tinyWords: string[] = []): ScriptDefinition => ({
  ...{ name, what, script: `${name}.ts`, words, tinyWords, isInAll: name === 'doors' },
})
const doorWords = (rounds: number, mib: number, small: number): string[] =>
  ['--rounds', rounds, '--mib', mib, '--small', small, '--json', 'RESULTS'].map(String)
const scripts: readonly ScriptDefinition[] = [
  script('doors', 'the ports of the gateway beside nginx', doorWords(3, 256, 2000), doorWords(1, 64, 100)),
  script('fuse', 'a mount beside the local disk; needs root and fio', [], ['--rounds', '1', '--mib', '64']),
  script('memory-rounds', 'memory over rounds of free and load', [], ['--rounds', '2', '--warm', '1']),
  script('short-circuit', 'blocks read as files and over the data port', [], ['--rounds', '1', '--mib', '64']),
  script('goosefs-read', "reads through GooseFS's protocol", [], ['--rounds', '1', '--mib', '64', '--small', '50']),
  script('small-blocks', 'small blocks in segments and in files', [], ['--rounds', '1', '--blocks', '500']),
  script('bandwidth', 'bandwidth limits, and the wait of a reader during a load', [], ['--seconds', '11']),
  script('million', 'loads of very many very small files', [], ['--files', '2000']),
  script('metadata-scale', 'a master with very many files', [], ['--files', '20000', '--first', '5000']),
]

const options = {
  runs: { type: 'string' },
  scale: { type: 'string' },
  quick: { type: 'boolean', default: false },
  full: { type: 'boolean', default: false },
  resume: { type: 'boolean', default: false },
  out: { type: 'string' },
  origin: { type: 'string', default: 'nginx' },
  'origin-folder': { type: 'string' },
  list: { type: 'boolean', default: false },
} as const

/** What is written wrongly is one line, as at every command. */
function refuse(problem: string): never {
  process.stderr.write(`bench: ${problem}\n`)
  process.exit(64)
}

function wordsOf(): ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>> {
  try {
    return parseArgs({ allowPositionals: true, options })
  } catch (thrown) {
    const [sentence] = (thrown instanceof Error ? thrown.message : String(thrown)).split('. ', 1)
    return refuse(
      `${sentence}; options: ${Object.keys(options)
        .map((name) => `--${name}`)
        .join(' ')}`,
    )
  }
}

const { values, positionals } = wordsOf()
const [runs, scale] = [Number(values.runs ?? (values.quick ? 1 : 3)), Number(values.scale ?? (values.quick ? 0.01 : 1))]
if (!Number.isInteger(runs) || runs < 1) refuse(`--runs ${values.runs}: write a whole number of 1 or more`)
if (!(scale > 0 && scale <= 1)) refuse(`--scale ${values.scale}: write a number above 0 and up to 1`)
const originKind =
  originKinds.find((kind) => kind === values.origin) ??
  refuse(`--origin ${values.origin}: write one of ${originKinds.join(', ')}`)

function chosen<T extends { readonly name: string }>(definitions: readonly T[], group: string): T[] {
  const fits = (name: string): boolean =>
    positionals.some((word) => word === group || word === name || name.startsWith(`${word}-`))
  return definitions.filter(({ name }) => fits(name))
}

function told({ name, unit, ways, goals, text, failed }: CaseReport): void {
  process.stdout.write(`\n${name}\n${text ?? (failed === undefined ? '' : `  failed: ${failed}\n`)}`)
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

/** Of a group, cases have no more runs than are worth their time; a case that is named has all. */
function runsOf(definition: CaseDefinition | ScriptDefinition): number {
  const isGroup = positionals.some((word) => word === 'all' || word === 'peers')
  const most = 'runsMax' in definition && (isGroup || values.runs === undefined) ? definition.runsMax : undefined
  return Math.min(runs, most ?? runs)
}

async function runAll(
  definitions: readonly (CaseDefinition | ScriptDefinition)[],
  results: ResultFolder,
  suffix: string,
): Promise<void> {
  const temporary = mkdtempSync(join(tmpdir(), 'skein-bench-origin-'))
  // Started by root, nginx reads as somebody else.
  chmodSync(temporary, 0o755)
  const originFolder = resolve(values['origin-folder'] ?? temporary)
  let tools: BenchTools | undefined
  let [group, isStopped]: [string | undefined, boolean] = [undefined, false]
  const end = async (): Promise<void> => {
    await tools?.close()
    tools = undefined
  }
  const stop = (): void => {
    isStopped = true
    void end().finally(() => {
      rmSync(temporary, { recursive: true, force: true, maxRetries: 10 })
      process.exit(130)
    })
  }
  for (const signal of stopSignals) process.once(signal, stop)
  const runOptions: RunOptions = { runs, scale, suffix, isStopped: () => isStopped }
  const [machine, commit, failed] = [machineFacts(tmpdir()), commitName(), [] as string[]]
  try {
    for (const definition of definitions) {
      const before = results.read().cases[`${definition.name}${suffix}`]
      const wanted = runsOf(definition)
      const isDone =
        before !== undefined &&
        before.failed === undefined &&
        before.circumstances.commit === commit &&
        before.scale === scale &&
        ('script' in definition || before.runs >= wanted)
      if (values.resume && isDone) continue
      if (!('group' in definition) || definition.group !== group) await end()
      let reports: readonly CaseReport[]
      if ('script' in definition) reports = await runScript(definition, runOptions)
      else {
        group = definition.group
        tools ??= new BenchTools({ scale, isFull: values.full, originFolder, originKind })
        reports = [await runCase(definition, tools, { ...runOptions, runs: wanted })]
      }
      // What was stopped is not what failed.
      if (isStopped) return await new Promise(() => undefined)
      results.keep(machine, reports)
      for (const report of reports) told(report)
      failed.push(...reports.filter((report) => report.failed !== undefined).map(({ name }) => name))
    }
  } finally {
    if (!isStopped) {
      await end()
      rmSync(temporary, { recursive: true, force: true, maxRetries: 10 })
      for (const signal of stopSignals) process.removeListener(signal, stop)
    }
  }
  if (failed.length > 0) throw new Error(`failed: ${failed.join(', ')}`)
}

const usual = join(root, 'tuning/results')
const everything = [
  ...chosen(inAll, 'all'),
  ...chosen(peerCases, 'peers'),
  ...chosen(scripts, 'programs'),
  ...(positionals.includes('all') ? scripts.filter(({ isInAll }) => isInAll) : []),
]
const definitions = [...new Set(everything)]
if (values.list) {
  for (const { name, what } of [...inAll, ...peerCases, ...scripts])
    process.stdout.write(`${name.padEnd(20)} ${what}\n`)
} else if (positionals.length === 1 && positionals[0] === 'targets') {
  process.stdout.write(targetsMarkdown(new ResultFolder(resolve(values.out ?? usual)).read().cases))
} else if (definitions.length === 0) {
  for (const { name, what } of [...inAll, ...peerCases, ...scripts])
    process.stdout.write(`${name.padEnd(20)} ${what}\n`)
  refuse('name a case, the beginning of its name, all, peers, programs, or targets')
} else {
  const results = new ResultFolder(
    resolve(values.out ?? (scale === 1 ? usual : mkdtempSync(join(tmpdir(), 'skein-bench-results-')))),
  )
  await runAll(definitions, results, originKind === 'nginx' ? '' : `@${originKind}`)
  process.stdout.write(`\nResults: ${results.path}\n`)
}
