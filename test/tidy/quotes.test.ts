// Why: a figure that compares Skein with another program is true of one run on one machine, so each
// one in README.md and docs is in tuning/results/latest.json, as it is there. How: the marks of
// scripts/bench/report/quotes.ts; planted violations are caught.
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { BenchReport } from '../../scripts/bench/harness/bench-results.ts'
import { quoted, unquotedComparisons } from '../../scripts/bench/report/quotes.ts'
import { ResultFolder } from '../../scripts/bench/report/result-folder.ts'

const root = join(import.meta.dirname, '../..')
const results = new ResultFolder(join(root, 'tuning/results')).read()
// Decisions tell what was measured when they were taken.
const pages = ['README.md', ...globSync('docs/*.md', { cwd: root })].map(
  (path) => [path, readFileSync(join(root, path), 'utf8')] as const,
)
const circumstances = {
  ...{ at: '2026-01-31T00:00:00.000Z', commit: 'abc1234', node: 'v24.0.0' },
  ...{ loadAtStart: '0.10 0.20 0.30', loadAtEnd: '1.10 1.20 1.30', tookSeconds: 12.3 },
}
const way = {
  ...{ name: 'bare program', kind: 'limit' as const, seconds: [2], medianSeconds: 2, rate: 50, processorSeconds: 1 },
  ...{ peaks: { program: 2 * 1024 ** 2 }, figures: { p99Ms: 12.345 }, firstIsFaster: 1.234 },
}
const planted: BenchReport = {
  machine: { processor: 'a processor', cores: 2, 'memory, GiB': 8, system: 'Linux 6' },
  cases: {
    'load-x': {
      ...{ name: 'load-x', what: 'x', circumstances, runs: 3, scale: 1, amount: 100, unit: 'files', ways: [way] },
      goals: [{ text: 'skein: at least 0.9 x as fast as limit', reached: 1.234, isMet: true }],
    },
  },
}

describe('figures beside other programs', () => {
  it.each(pages)('%s has those of the last results', (_path, text) => {
    expect(quoted(text, results)).toBe(text)
  })

  it.each(pages)('%s has no others', (_path, text) => {
    expect(unquotedComparisons(text)).toEqual([])
  })

  it('are quoted with machine and date by the README', () => {
    const readme = pages.find(([path]) => path === 'README.md')?.[1] ?? ''
    expect(readme.match(/<!-- bench [^/]+\/ /g)?.length).toBeGreaterThan(3)
    expect(readme).toMatch(/<!-- bench machine -->\d{4}-\d\d-\d\d/)
  })
})

describe('a quotation', () => {
  const mark = (field: string, figure: string): string => `a <!-- bench load-x / bare program / ${field} -->${figure} b`

  it('becomes the figure of the results', () => {
    for (const [field, figure] of Object.entries({
      ratio: '1.23',
      seconds: '2',
      rate: '50',
      p99Ms: '12.3',
      peakMiB: '2',
    })) {
      expect(quoted(mark(field, figure), planted)).toBe(mark(field, figure))
      expect(quoted(mark(field, '9,876.5'), planted)).toBe(mark(field, figure))
      expect(quoted(mark(field, ''), planted)).toBe(mark(field, figure))
    }
  })

  it('that the results do not have is refused', () => {
    expect(() => quoted(mark('p50Ms', '1'), planted)).toThrow('has no p50Ms of bare program in load-x')
    expect(() => quoted('<!-- bench load-y / skein / ratio -->1', planted)).toThrow('in load-y')
  })

  it('of the machine and of the targets is a text', () => {
    const text = quoted('<!-- bench machine -->old<!-- /bench -->\n<!-- bench targets -->old<!-- /bench -->', planted)
    expect(text).toContain(
      '2026-01-31, version abc1234, Node.js v24.0.0: a processor, 2 cores, 8 GiB of memory, Linux 6; load',
    )
    expect(text).toContain('load average 0.1 to 1.1<!-- /bench -->')
    expect(text).toContain('| load-x | skein: at least 0.9 x as fast as limit | 1.23 | met |')
    expect(text).not.toContain('old')
  })

  it.each([
    ['1 GiB takes 0.75 of the time of `rclone copy`', 1],
    ['GET 2.3 GiB/s beside nginx', 1],
    ['four 3 x as fast as s5cmd', 1],
    ['tested with rclone and s5cmd, 30 requests', 0],
    ['as fast as rclone: <!-- bench load-x / rclone / ratio -->1.2 times', 0],
    ['<!-- bench: figures below have a command of their own -->\nrclone 3 times', 0],
  ])('%s: %i', (text, count) => {
    expect(unquotedComparisons(text)).toHaveLength(count)
  })
})
