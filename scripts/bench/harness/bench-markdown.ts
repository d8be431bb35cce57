// Why: results are read by people, and compared with those of another day. How: one table for each
// case, in the order of the run, and the goals below it; a picture beside it. Pure.
import { barChartSvg } from '../../../src/cli/tune/picture/bar-chart-svg.ts'
import type { BenchReport, CaseReport, WayReport } from './bench-results.ts'

const mebibyte = 1024 * 1024
const colors = { ours: '#2563eb', peer: '#f59e0b', limit: '#6b7280' } as const

export function benchMarkdown({ machine, cases }: BenchReport): string {
  const lines = Object.entries(machine).map(([name, value]) => `- ${name}: ${value}`)
  const parts = Object.values(cases).map(caseMarkdown)
  const head = '# Results\n\nMade by `npm run bench`. Medians; ratios are of medians of one run.\n'
  return `${head}\n${lines.join('\n')}\n\n${targetsMarkdown(cases)}\n${parts.join('\n')}`
}

/** Every goal that a case names, and what was reached. */
export function targetsMarkdown(cases: BenchReport['cases']): string {
  const rows = Object.values(cases).flatMap(({ name, goals, scale, failed }) => {
    if (failed !== undefined) return [`| ${name} | the case failed | | |`]
    const tiny = scale === 1 ? '' : ` (sizes x ${scale})`
    return goals.map(
      ({ text, reached, isMet }) =>
        `| ${name}${tiny} | ${text} | ${figure(reached)} | ${isMet ? 'met' : '**not met**'} |`,
    )
  })
  return ['## Targets', '', '| case | target | reached | |', '|---|---|---|---|', ...rows, ''].join('\n')
}

function caseMarkdown(report: CaseReport): string {
  const { name, what, circumstances, runs, scale, unit, ways, goals, text, note, failed } = report
  const tiny = scale === 1 ? '' : `, sizes x ${scale}`
  const { at, commit, node, loadAtStart, loadAtEnd, tookSeconds } = circumstances
  const head =
    `## ${name}\n\n${what} (${runs === 1 ? 'one run' : `medians of ${runs} runs`}${tiny})\n\n` +
    `${at}, version ${commit}, Node.js ${node}; load average at the start ${loadAtStart}, at the end ${loadAtEnd}; ` +
    `the case took ${Math.round(tookSeconds)} s\n${note === undefined ? '' : `\n${note}\n`}`
  if (failed !== undefined) return `${head}\nnot measured: ${failed}\n`
  if (text !== undefined) return `${head}\n\`\`\`text\n${text.trimEnd()}\n\`\`\`\n`
  const first = ways[0]?.name ?? ''
  const table = [
    `| way | kind | seconds | ${unit}/s | CPU s | peak memory, MiB | ${first} is |`,
    '|---|---|---|---|---|---|---|',
    ...ways.map((way) => row(way, way.name === first)),
  ]
  const judged = goals.map(
    ({ text: goal, reached, isMet }) => `- ${isMet ? 'met' : '**not met**'}: ${goal}: ${figure(reached)}`,
  )
  return [head, ...table, '', `![${name}](${name}.svg)`, '', ...judged, ...(judged.length > 0 ? [''] : [])].join('\n')
}

function row(way: WayReport, isFirst: boolean): string {
  const { name, kind, missing, seconds, medianSeconds, rate, processorSeconds, peaks, figures, firstIsFaster } = way
  if (missing !== undefined) return `| ${name} | ${kind} | not measured: ${missing} | | | | |`
  const all = seconds.map((each) => each.toFixed(2)).join(' ')
  const memory = Object.entries(peaks).map(([process, bytes]) => `${process} ${Math.round(bytes / mebibyte)}`)
  const more = Object.entries(figures).map(([key, value]) => `${key} ${figure(value)}`)
  const cells = [
    [name, ...(more.length > 0 ? [`(${more.join(', ')})`] : [])].join(' '),
    kind,
    `${medianSeconds.toFixed(2)} (${all})`,
    figure(rate),
    processorSeconds.toFixed(2),
    memory.join(', '),
    isFirst ? '' : `${firstIsFaster.toFixed(2)} x as fast`,
  ]
  return `| ${cells.join(' | ')} |`
}

export function caseSvg({ name, what, circumstances, unit, ways }: CaseReport): string {
  const measured = ways.filter(({ rate }) => rate > 0)
  const fastest = Math.max(...measured.map(({ rate }) => rate))
  return barChartSvg({
    title: name,
    subtitle: `${what}; ${circumstances.at}`,
    legend: Object.entries(colors).map(([text, color]) => ({ text, color })),
    labelWidth: 190,
    rows: measured.map(({ name: label, kind, rate }) => ({
      label,
      isMarked: kind === 'ours',
      bars: [{ share: rate / fastest, text: `${figure(rate)} ${unit}/s`, color: colors[kind] }],
    })),
  })
}

/** Three digits that count. */
export function figure(value: number): string {
  if (Math.abs(value) >= 100) return String(Math.round(value))
  return String(Number(value.toPrecision(3)))
}
