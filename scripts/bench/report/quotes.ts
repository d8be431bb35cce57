// Why: a figure that compares Skein with another program is true of one run on one machine, so
// pages quote it from tuning/results/latest.json and from nowhere else. How: a comment before the
// figure names where it comes from, and `npm run document` writes it; test/tidy refuses others.
//   <!-- bench CASE / WAY / FIELD -->1.28       FIELD: ratio (how many times as fast the first
//                                               way of the case is), seconds, rate, peakMiB, or
//                                               one of the figures of the way
//   <!-- bench machine -->...<!-- /bench -->    when and where all that was measured
//   <!-- bench targets -->...<!-- /bench -->    the table of targets
// Pure.
import { figure, targetsMarkdown } from '../harness/bench-markdown.ts'
import type { BenchReport, CaseReport } from '../harness/bench-results.ts'

const mebibyte = 1024 * 1024
const quotePattern = /<!-- bench ([^/>]+) \/ ([^/>]+) \/ (\w+) -->([\d.,]*\d)?/g
const blockPattern = /<!-- bench (machine|targets) -->[^]*?<!-- \/bench -->/g

/** The page with the figures of this report. @throws Error when a figure is named that it lacks */
export function quoted(text: string, report: BenchReport): string {
  return text
    .replaceAll(quotePattern, (_all, name: string, way: string, field: string) => {
      return `<!-- bench ${name} / ${way} / ${field} -->${quotedFigure(report, name, way, field)}`
    })
    .replaceAll(blockPattern, (_all, block: string) => {
      const inside = block === 'machine' ? machineText(report) : `\n${targetRows(report)}\n`
      return `<!-- bench ${block} -->${inside}<!-- /bench -->`
    })
}

function quotedFigure({ cases }: BenchReport, name: string, wayName: string, field: string): string {
  const way = cases[name]?.ways.find((one) => one.name === wayName)
  const value = {
    ...way?.figures,
    ...{ ratio: way?.firstIsFaster, seconds: way?.medianSeconds, rate: way?.rate },
    peakMiB: Math.max(...Object.values(way?.peaks ?? {})) / mebibyte,
  }[field]
  if (value === undefined || !Number.isFinite(value))
    throw new Error(`tuning/results/latest.json has no ${field} of ${wayName} in ${name}`)
  return figure(value)
}

function machineText({ machine, cases }: BenchReport): string {
  const measured = Object.values(cases).filter(({ failed }) => failed === undefined)
  const range = (of: (report: CaseReport) => string): string => {
    const all = [...new Set(measured.map(of))].toSorted()
    return all.length > 1 ? `${all[0]} to ${all.at(-1)}` : (all[0] ?? 'never')
  }
  const loads = measured.flatMap(({ circumstances: { loadAtStart, loadAtEnd } }) =>
    [loadAtStart, loadAtEnd].map((load) => Number(load.split(' ')[0])),
  )
  const scales = measured.map(({ scale }) => scale)
  const tiny = scales.some((scale) => scale < 1) ? `, sizes x ${Math.min(...scales)}` : ''
  return (
    `${range(({ circumstances }) => circumstances.at.slice(0, 10))}, version ` +
    `${range(({ circumstances }) => circumstances.commit)}, ` +
    `Node.js ${range(({ circumstances }) => circumstances.node)}: ` +
    `${machine['processor']}, ${machine['cores']} cores, ${machine['memory, GiB']} GiB of memory, ` +
    `${machine['system']}; load average ` +
    `${Math.min(...loads)} to ${Math.max(...loads)}${tiny}`
  )
}

function targetRows({ cases }: BenchReport): string {
  return targetsMarkdown(cases).split('\n').slice(2).join('\n').trimEnd()
}

const peerPattern = /\b(?:rclone|s5cmd|nginx|juicefs|alluxio|aws s3|aws cli|curl|goofys|s3fs)\b/i
const speedPattern = new RegExp(
  [
    /\d\s*(?:x as\b|times\b|[KMG]i?B\/s|\/s\b|u?s\/GiB|of the time\b)/,
    /\d % (?:faster|slower|less|more|of the (?:speed|time))/,
    /takes \d[\d.]* m?s\b|\b(?:twice|half) as fast\b/,
  ]
    .map(({ source }) => source)
    .join('|'),
)
/** What follows has a command and a date in each row, and compares with what is no longer here. */
const endPattern = /<!-- bench: figures below have a command of their own -->[^]*$/

/** Lines that compare with a peer by a figure that is not quoted. */
export function unquotedComparisons(text: string): string[] {
  return text
    .replace(endPattern, '')
    .replaceAll(blockPattern, '')
    .replaceAll(/^\s*```[^]*?^\s*```/gm, '')
    .replaceAll(quotePattern, '')
    .split('\n')
    .filter((line) => peerPattern.test(line) && speedPattern.test(line))
}
