// Why: figures of benchmarks are quoted, so medians, ratios and goals must be those of the runs,
// and what was not measured must be seen.
import { describe, expect, it } from 'vitest'
import type { BenchCase, RunResult } from '../../../scripts/bench/harness/bench-case.ts'
import { benchMarkdown, caseSvg, figure, targetsMarkdown } from '../../../scripts/bench/harness/bench-markdown.ts'
import { caseReport, median } from '../../../scripts/bench/harness/bench-results.ts'

const run = (seconds: number, more: Partial<RunResult> = {}): RunResult => ({
  ...{ seconds, processorSeconds: seconds / 2, peaks: { program: 1e6 } },
  ...more,
})
const never = (): never => {
  throw new Error('not run here')
}
const bench: BenchCase = {
  amount: 100,
  unit: 'files',
  ways: [
    { name: 'skein', kind: 'ours', run: never },
    { name: 'rclone', kind: 'peer', run: never },
    { name: 's5cmd', kind: 'peer', missing: 's5cmd is not installed', run: never },
    { name: 'curl', kind: 'limit', run: never },
    { name: 'bare', kind: 'limit', run: never },
  ],
  goals: [
    { way: 'skein', beside: 'rclone', ratio: 4 },
    { way: 'skein', beside: 'limit', ratio: 0.9 },
    { way: 'skein', beside: 's5cmd', ratio: 2 },
    { way: 'skein', figure: 'p99Ms', most: 10 },
    { way: 'skein', figure: 'peak', most: 2 },
  ],
}
const results = new Map([
  ['skein', [run(1, { figures: { p99Ms: 30 } }), run(3, { peaks: { program: 3e6, other: 1 } }), run(2)]],
  ['rclone', [run(10), run(12), run(8)]],
  ['curl', [run(1.9), run(2.5), run(1)]],
  ['bare', [run(2.5), run(2.4)]],
])
const circumstances = {
  ...{ at: '2026-01-31T00:00:00.000Z', commit: 'abc1234', node: 'v24.0.0' },
  ...{ loadAtStart: '0.10 0.20 0.30', loadAtEnd: '1.10 1.20 1.30', tookSeconds: 12.3 },
}
const about = { name: 'load-x', what: 'loads x', circumstances, runs: 3, scale: 1 }
const report = caseReport(about, bench, results)

describe('the report of a benchmark', () => {
  it('has medians, ratios of medians, and the largest memory of any run', () => {
    expect(report.ways.map(({ medianSeconds }) => medianSeconds)).toEqual([2, 10, Number.NaN, 1.9, 2.45])
    expect(report.ways[0]).toMatchObject({ rate: 50, processorSeconds: 1, peaks: { program: 3e6, other: 1 } })
    expect(report.ways[1]?.firstIsFaster).toBe(5)
    expect(median([4, 1, 3, 2])).toBe(2.5)
  })

  it('judges goals by what was measured: the fastest limit, and no peer that is missing', () => {
    expect(report.goals.map(({ reached, isMet }) => [Number(reached.toFixed(3)), isMet])).toEqual([
      [5, true],
      [0.95, true],
      [30, false],
      [2.861, false],
    ])
  })

  it('names a peer that could not be had, and every run', () => {
    const text = benchMarkdown({ machine: { cores: 2 }, cases: { [report.name]: report } })
    expect(text).toContain('| s5cmd | peer | not measured: s5cmd is not installed |')
    expect(text).toContain('| skein (p99Ms 30) | ours | 2.00 (1.00 3.00 2.00) | 50 | 1.00 | program 3, other 0 |')
    expect(text).toContain('| 5.00 x as fast |')
    expect(text).toContain('- **not met**: skein: p99Ms at most 10: 30')
    expect(text).toContain('- cores: 2')
    const tiny = { ...report, scale: 0.01, text: 'printed\n' }
    expect(benchMarkdown({ machine: {}, cases: { a: tiny } })).toMatch(
      /sizes x 0\.01\)\n\n2026-01-31.*\n\n```text\nprinted\n```/,
    )
  })

  it('says when, what and how busy the machine was, and what failed', () => {
    const text = benchMarkdown({ machine: {}, cases: { [report.name]: report } })
    expect(text).toContain('2026-01-31T00:00:00.000Z, version abc1234, Node.js v24.0.0')
    expect(text).toContain('load average at the start 0.10 0.20 0.30, at the end 1.10 1.20 1.30')
    const failed = { ...report, ways: [], goals: [], failed: 'nginx ended' }
    const lines = benchMarkdown({ machine: {}, cases: { a: failed } })
    expect(lines).toContain('\nnot measured: nginx ended\n')
    expect(lines).toContain('| load-x | the case failed | | |')
  })

  it('has one table of all targets', () => {
    const lines = targetsMarkdown({ [report.name]: report }).split('\n')
    expect(lines).toContain('| load-x | skein: at least 4 x as fast as rclone | 5 | met |')
    expect(lines).toContain('| load-x | skein: p99Ms at most 10 | 30 | **not met** |')
  })

  it('compares work of different sizes by rates, and figures of two ways with each other', () => {
    const ways = [
      { name: 'few', kind: 'ours' as const, amount: 10, run: never },
      { name: 'many', kind: 'ours' as const, amount: 100, run: never },
    ]
    const goals = [
      { way: 'many', beside: 'few', ratio: 1 },
      { way: 'many', over: 'few', figure: 'cost', least: 0.85, most: 1.15 },
    ]
    const costs = new Map([
      ['few', [run(1, { figures: { cost: 10 } })]],
      ['many', [run(5, { figures: { cost: 12 } })]],
    ])
    const made = caseReport(about, { amount: 10, unit: 'files', ways, goals }, costs)
    expect(made.ways.map(({ rate }) => rate)).toEqual([10, 20])
    expect(made.ways[1]?.firstIsFaster).toBe(0.5)
    expect(made.goals.map(({ reached, isMet }) => [reached, isMet])).toEqual([
      [2, true],
      [1.2, false],
    ])
    expect(made.goals[1]?.text).toBe('many: cost at least 0.85 and at most 1.15 times that of few')
  })

  it('is drawn without what was not measured', () => {
    const svg = caseSvg(report)
    expect(svg).toMatch(/^<svg [\s\S]*<\/svg>\n$/)
    expect(svg).not.toContain('s5cmd')
    expect(svg.match(/files\/s</g)).toHaveLength(4)
  })

  it('prints three digits that count', () => {
    expect([0.012345, 1.2345, 123.45, 0].map(figure)).toEqual(['0.0123', '1.23', '123', '0'])
  })
})
