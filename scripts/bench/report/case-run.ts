// Why: all cases are run alike: their ways in turn, each round begun by another one, and a case
// that fails is a line of the report. How: see run.ts; nothing here knows a case.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { WayResult } from '../doors/door-case.ts'
import type { CaseDefinition, RunResult, ScriptDefinition } from '../harness/bench-case.ts'
import { type CaseReport, caseReport, type Circumstances } from '../harness/bench-results.ts'
import { type BenchTools, stopSignals } from '../harness/bench-tools.ts'
import { commitName, loadAverages } from './machine.ts'

const nothing = { amount: 0, unit: '', ways: [], goals: [] }

export interface RunOptions {
  readonly runs: number
  readonly scale: number
  /** Of the name of a case, such as `@radosgw`. */
  readonly suffix: string
  readonly isStopped: () => boolean
}

type Head = Pick<CaseReport, 'name' | 'what' | 'circumstances' | 'runs' | 'scale'>

function beginning({ name, what }: { name: string; what: string }, options: RunOptions, runs: number): () => Head {
  const [beganMs, at, loadAtStart] = [performance.now(), new Date().toISOString(), loadAverages()]
  return () => {
    const tookSeconds = Number(((performance.now() - beganMs) / 1000).toFixed(1))
    const measured = { at, commit: commitName(), node: process.version, loadAtStart }
    const circumstances: Circumstances = { ...measured, loadAtEnd: loadAverages(), tookSeconds }
    return { name: `${name}${options.suffix}`, what, circumstances, runs, scale: options.scale }
  }
}

export async function runCase(definition: CaseDefinition, tools: BenchTools, options: RunOptions): Promise<CaseReport> {
  const { name } = definition
  const { runs } = options
  const head = beginning(definition, options, runs)
  try {
    const prepared = await definition.prepare(tools)
    const ways = prepared.ways.filter(({ missing }) => missing === undefined)
    const broken = new Map<string, string>()
    const results = new Map<string, RunResult[]>(ways.map((way) => [way.name, []]))
    for (let round = 0; round < runs; round += 1) {
      // Another way begins each round, so that none is always first.
      const order = ways.map((_, index) => ways[(index + round) % ways.length]).filter((way) => way !== undefined)
      for (const way of order) {
        if (options.isStopped()) throw new Error('the run was stopped')
        if (broken.has(way.name)) continue
        tools.settle()
        const result = await way.run().catch((thrown: unknown) => {
          if (way.kind === 'ours' || options.isStopped()) throw thrown
          // Without a peer the others still say something.
          broken.set(way.name, `it failed: ${lastLine(thrown)}`)
        })
        if (result === undefined) continue
        results.get(way.name)?.push(result)
        process.stderr.write(`${name}: ${way.name}: ${result.seconds.toFixed(2)} s\n`)
      }
    }
    for (const way of broken.keys()) results.delete(way)
    const told = prepared.ways.map((way) => ({ ...way, missing: way.missing ?? broken.get(way.name) }))
    return caseReport(head(), { ...prepared, ways: told }, results)
  } catch (thrown) {
    return failure(head(), thrown)
  }
}

function failure(head: Head, thrown: unknown): CaseReport {
  process.stderr.write(`${head.name} failed: ${(thrown as Error).stack ?? String(thrown)}\n`)
  return { ...head, ...nothing, failed: lastLine(thrown) }
}

function lastLine(thrown: unknown): string {
  const [line = ''] = (thrown as Error).message.trim().split('\n').slice(-1)
  return line.replaceAll('|', '/').slice(0, 400)
}

/** A benchmark with a program of its own; with `--json`, also its cases. */
export async function runScript(definition: ScriptDefinition, options: RunOptions): Promise<readonly CaseReport[]> {
  const { name, script, words, tinyWords } = definition
  const head = beginning(definition, options, 1)
  const folder = mkdtempSync(join(tmpdir(), 'skein-bench-script-'))
  try {
    const json = join(folder, 'results.json')
    const own = options.scale === 1 ? words : tinyWords
    const all = [join(import.meta.dirname, '..', script), ...own.map((word) => (word === 'RESULTS' ? json : word))]
    process.stderr.write(`${name}: node ${all.join(' ')}\n`)
    const text = await printed(all)
    const whole = { ...head(), ...nothing, text }
    if (!own.includes('RESULTS')) return [whole]
    return [whole, ...doorReports(head(), JSON.parse(readFileSync(json, 'utf8')) as WayResult[])]
  } catch (thrown) {
    return [failure(head(), thrown)]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** It is ended when the run is stopped. */
async function printed(words: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const stop = (): void => void child.kill('SIGTERM')
  for (const signal of stopSignals) process.once(signal, stop)
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece))
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    if (code !== 0) throw new Error(`node ${words.join(' ')} ended with ${code}`)
    return text
  } finally {
    for (const signal of stopSignals) process.removeListener(signal, stop)
  }
}

/** Cases of the doors in the form of all others; their medians come with them. */
function doorReports(head: Head, results: readonly WayResult[]): CaseReport[] {
  const cases = Map.groupBy(results, (result) => result.case)
  return [...cases].map(([what, ways]) => {
    const first = ways[0]
    const reports = ways.map(({ way, rate, processorSeconds }, index) => {
      const kind = index === 0 ? ('ours' as const) : ('limit' as const)
      const measured = { seconds: [1 / rate], medianSeconds: 1 / rate, rate, processorSeconds }
      return { name: way, kind, ...measured, peaks: {}, figures: {}, firstIsFaster: (first?.rate ?? 0) / rate }
    })
    const name = `${head.name}-${what.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}`
    const unit = first?.unit ?? ''
    return { ...head, name, what, amount: 1, unit, ways: reports, goals: [] }
  })
}
