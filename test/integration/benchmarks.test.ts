// Why: benchmarks run seldom, and must run when they are needed. How: a case of each kind with very
// few files; what they measure is not looked at.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BenchReport } from '../../scripts/bench/harness/bench-results.ts'
import { isInstalled, startChild } from '../support/child.ts'

const script = join(import.meta.dirname, '../../scripts/bench/run.ts')
let out: string

beforeAll(() => {
  out = mkdtempSync(join(tmpdir(), 'skein-bench-test-'))
})
afterAll(() => rmSync(out, { recursive: true, force: true }))

const bench = (...words: readonly string[]): Promise<number | null> =>
  startChild(process.execPath, [script, ...words, '--out', out], { logFile: join(out, 'log') }).ended

describe.skipIf(!isInstalled('nginx'))('npm run bench', () => {
  it('runs cases in turn, and keeps every run', async () => {
    const words = [
      'load-small',
      'latency-large',
      'read-hot-random-4k',
      'submit-rate',
      '--runs',
      '2',
      '--scale',
      '0.002',
    ]
    expect(await bench(...words), readFileSync(join(out, 'log'), 'utf8')).toBe(0)
    const { cases, machine } = JSON.parse(readFileSync(join(out, 'latest.json'), 'utf8')) as BenchReport
    expect(Object.keys(cases)).toEqual(['load-small', 'latency-large', 'read-hot-random-4k', 'submit-rate'])
    expect(machine['cores']).toBeGreaterThan(0)
    for (const { ways } of Object.values(cases))
      for (const { missing, seconds, processorSeconds, peaks } of ways.filter((way) => way.missing === undefined)) {
        expect([missing, seconds.length, processorSeconds > 0]).toEqual([undefined, 2, true])
        expect(Math.max(...Object.values(peaks))).toBeGreaterThan(0)
      }
    expect(cases['load-small']?.ways.map(({ name }) => name)).toEqual([
      'skein',
      'rclone',
      's5cmd',
      'curl',
      'bare program',
    ])
    expect(readFileSync(join(out, 'latest.md'), 'utf8')).toContain('## submit-rate')
    expect(readdirSync(out)).toContain('load-small.svg')
  })

  it('names the cases where none is chosen', async () => {
    const child = startChild(process.execPath, [script], { logFile: join(out, 'log') })
    expect(await child.ended).not.toBe(0)
    expect(child.stdout()).toMatch(/\nreplicate +the set large onto/)
  })
})
