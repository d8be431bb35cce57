// Why: figures of benchmarks are quoted, so medians, ratios and goals must be those of the runs,
// and what was not measured must be seen.
import { describe, expect, it } from 'vitest'
import type { BenchCase, RunResult } from '../../../scripts/bench/harness/bench-case.ts'
import { benchMarkdown, caseSvg, figure } from '../../../scripts/bench/harness/bench-markdown.ts'
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
    { way: 'skein', figure: 'peak', most: 2e6 },
  ],
}
const results = new Map([
  ['skein', [run(1, { figures: { p99Ms: 30 } }), run(3, { peaks: { program: 3e6, other: 1 } }), run(2)]],
  ['rclone', [run(10), run(12), run(8)]],
  ['curl', [run(1.9), run(2.5), run(1)]],
  ['bare', [run(2.5), run(2.4)]],
])
const about = { name: 'load-x', what: 'loads x', at: '2026-01-31T00:00:00.000Z', runs: 3, scale: 1 }
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
      [3e6, false],
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
    expect(benchMarkdown({ machine: {}, cases: { a: tiny } })).toMatch(/sizes x 0\.01\)\n\n```text\nprinted\n```/)
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
