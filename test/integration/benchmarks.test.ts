// Why: benchmarks run seldom, and must run when they are needed. How: a case of each kind with very
// few files; what they measure is not looked at.
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BenchReport } from '../../scripts/bench/harness/bench-results.ts'
import { childEnvironment } from '../support/child-environment.ts'
import { isInstalled, startChild } from '../support/child.ts'
import { until } from '../support/until.ts'

const script = join(import.meta.dirname, '../../scripts/bench/run.ts')
let out: string

beforeAll(() => {
  out = mkdtempSync(join(tmpdir(), 'skein-bench-test-'))
  // Started by root, nginx reads as somebody else.
  chmodSync(out, 0o755)
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

  it('goes on with what is missing, and has a case that fails as a line', async () => {
    const all = join(out, 'resumed')
    const words = ['submit-rate', 'load-large', '--runs', '1', '--scale', '0.002', '--resume', '--out', all]
    const broken = join(out, 'broken')
    mkdirSync(broken)
    // No origin can be made where a file is in the way.
    writeFileSync(join(broken, 'b1x64mib'), '')
    const run = (...more: readonly string[]): Promise<number | null> =>
      startChild(process.execPath, [script, ...words, ...more], { logFile: join(out, 'log') }).ended
    const read = (): BenchReport => JSON.parse(readFileSync(join(all, 'latest.json'), 'utf8')) as BenchReport
    expect(await run('--origin-folder', broken)).toBe(1)
    const before = read().cases
    expect(before['load-large']?.failed).toBeDefined()
    expect(before['submit-rate']?.failed).toBeUndefined()
    expect(readFileSync(join(all, 'latest.md'), 'utf8')).toContain('not measured: ')
    expect(await run()).toBe(0)
    expect(read().cases['load-large']?.failed).toBeUndefined()
    expect(read().cases['submit-rate']).toEqual(before['submit-rate'])
    const child = startChild(process.execPath, [script, 'targets', '--out', all], { logFile: join(out, 'log') })
    expect(await child.ended).toBe(0)
    expect(child.stdout()).toMatch(/\n\| load-large .* at least 1\.4 x as fast as rclone/)
  })

  it('ends everything that it started when it is stopped', async () => {
    const scratch = join(out, 'stopped')
    mkdirSync(scratch)
    const words = [script, 'load-small', '--runs', '100', '--scale', '0.002', '--out', join(scratch, 'results')]
    const child = startChild(process.execPath, words, {
      logFile: join(scratch, 'log'),
      env: childEnvironment({ TMPDIR: scratch }),
    })
    const started = (): number =>
      readdirSync('/proc').filter((pid) => {
        try {
          const [mine, command] = [Number(pid) === child.pid, readFileSync(`/proc/${pid}/cmdline`, 'utf8')]
          return /^\d+$/.test(pid) && !mine && command.includes(scratch)
        } catch {
          return false
        }
      }).length
    await until(
      async () => [started(), readFileSync(join(scratch, 'log'), 'utf8')] as const,
      ([count, log]) => count > 1 && log.includes('load-small: '),
    )
    await child.end('SIGTERM')
    expect(await child.ended).toBe(130)
    await until(
      async () => started(),
      (count) => count === 0,
      10_000,
    )
    expect(readdirSync(scratch).filter((name) => name.startsWith('skein-'))).toEqual([])
  })

  it('names the cases where none is chosen', async () => {
    const child = startChild(process.execPath, [script], { logFile: join(out, 'log') })
    expect(await child.ended).not.toBe(0)
    expect(child.stdout()).toMatch(/\nreplicate +the set large onto/)
  })
})
