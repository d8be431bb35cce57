// Why: a person compares the points of a sweep at a glance: speed, memory, errors, the best one
// marked. How: a table for the terminal, bars for a report, and the best point as a profile. Pure.
import { formatBytes } from '../../../base/bytes.ts'
import { pointText, type SweepPoint } from '../../../tuning/sweep-grid.ts'
import type { PointSummary } from '../../../tuning/sweep-state.ts'
import { printable } from '../../frame/printable.ts'
import { barChartSvg } from '../picture/bar-chart-svg.ts'

const megabyte = 1024 ** 2
const colors = { speed: '#2563eb', memory: '#f59e0b', failed: '#dc2626' } as const
const characterWidth = 6.5

/** @param isOwn whether memory and processor time are known */
export function sweepText(points: readonly PointSummary[], isOwn: boolean): string {
  const keys = Object.keys(points[0]?.values ?? {})
  const head = ['', ...keys, 'Seconds', 'MB/s', 'Files/s', 'Failed', 'Retried', ...(isOwn ? ['Peak', 'CPU s'] : [])]
  const rows = points.map((point) => [
    point.isBest ? '*' : '',
    ...keys.map((key) => point.values[key] ?? ''),
    figure(point.seconds, 2),
    figure(megabytes(point.bytesPerSecond), 1),
    figure(point.filesPerSecond, 0),
    String(point.failed),
    String(point.retried),
    ...(isOwn
      ? [point.peakBytes === undefined ? '-' : formatBytes(point.peakBytes), figure(point.processorSeconds, 2)]
      : []),
  ])
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  const lines = all.map((row) => row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  '))
  const problems = points.flatMap(({ values, problem }) => (problem === '' ? [] : [`${pointText(values)}: ${problem}`]))
  const best = points.find(({ isBest }) => isBest)
  const bestText =
    best === undefined
      ? 'Best: none: no point has a load without failed files'
      : `Best (*): ${pointText(best.values)}, ${figure(megabytes(best.bytesPerSecond), 1)} MB/s`
  return [...lines, '', ...problems, bestText].map((line) => printable(line.trimEnd())).join('\n')
}

/** @param title such as the path */
export function sweepSvg(points: readonly PointSummary[], title: string, subtitle: string): string {
  const labels = points.map(({ values, isBest }) => `${isBest ? '* ' : ''}${shortText(values)}`)
  const most = (valueOf: (point: PointSummary) => number | undefined): number =>
    Math.max(...points.map((point) => valueOf(point) ?? 0))
  const fastest = most(({ bytesPerSecond }) => bytesPerSecond)
  const [largest, worst] = [most(({ peakBytes }) => peakBytes), most(({ failed }) => failed)]
  const share = (part: number | undefined, whole: number): number => (whole === 0 ? 0 : (part ?? 0) / whole)
  return barChartSvg({
    title,
    subtitle,
    legend: [
      { text: 'MB/s', color: colors.speed },
      { text: 'peak memory', color: colors.memory },
      { text: 'failed files', color: colors.failed },
    ],
    labelWidth: Math.round(Math.max(80, ...labels.map(({ length }) => length * characterWidth + 24))),
    rows: points.map((point, index) => ({
      label: printable(labels[index] ?? ''),
      isMarked: point.isBest,
      bars: [
        {
          share: share(point.bytesPerSecond, fastest),
          text: `${figure(megabytes(point.bytesPerSecond), 1)} MB/s`,
          color: colors.speed,
        },
        { share: share(point.peakBytes, largest), text: formatBytes(point.peakBytes ?? 0), color: colors.memory },
        { share: share(point.failed, worst), text: String(point.failed), color: colors.failed },
      ],
    })),
  })
}

/** The last word of each key is enough in a picture: `pool=8 size=4MB`. */
function shortText(point: SweepPoint): string {
  return Object.entries(point)
    .map(([key, value]) => `${key.split('.').slice(-2).join('.')}=${value}`)
    .join(' ')
}

/** Settings as a properties file. @param about lines for its head */
export function settingsFile(settings: Readonly<Record<string, string>>, about: readonly string[]): string {
  const head = about.map((line) => `# ${printable(line)}\n`).join('')
  const lines = Object.entries(settings).map(([key, value]) => `${key}=${value.replaceAll('\\', '\\\\')}\n`)
  return head + lines.join('')
}

function megabytes(bytes: number | undefined): number | undefined {
  return bytes === undefined ? undefined : bytes / megabyte
}

function figure(value: number | undefined, digits: number): string {
  return value === undefined ? '-' : value.toFixed(digits)
}
