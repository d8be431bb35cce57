// Why: the sizes of a million files are understood at a glance, in a terminal. How: one line per
// power of two (or more), with a bar for the files and their share of the bytes. Pure.
import { formatBytes } from '../../base/bytes.ts'
import { percentileErrorMax, type SizeHistogram } from '../../tuning/size-histogram.ts'
import { sizeText } from '../../config/tuning-values.ts'

const rowsMax = 24
const barMin = 10
const barMax = 60
const blocks = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const

/** @param columns width of the terminal */
export function histogramText(sizes: SizeHistogram, columns: number): string {
  const { files, bytes, mean, min, max, percentiles } = sizes.summary()
  if (files === 0) return 'Files: 0'
  const figures = [
    `Files: ${files}  Total: ${formatBytes(bytes)}  Mean: ${formatBytes(mean)}`,
    `Min: ${formatBytes(min)}  Median: ${formatBytes(percentiles.p50)}  Max: ${formatBytes(max)}`,
    Object.entries(percentiles)
      .map(([name, size]) => `${name} ${formatBytes(size)}`)
      .join('  '),
    `Count, total, mean, min and max are exact; percentiles within ${(100 * percentileErrorMax).toFixed(1)} %.`,
  ]
  return [...figures, '', ...rowsText(sizes, columns)].join('\n')
}

function rowsText(sizes: SizeHistogram, columns: number): string[] {
  const rows = sizes.rows(rowsMax)
  const most = Math.max(...rows.map((row) => row.files))
  const counts = rows.map((row) => String(row.files))
  const labels = rows.map((row) => (row.from === 0 ? 'empty' : `from ${sizeText(row.from)}`))
  const widths = { label: widest(labels, 4), count: widest(counts, 5) }
  const room = columns - widths.label - widths.count - 26
  const width = Math.max(barMin, Math.min(barMax, room))
  const head = `${'Size'.padEnd(widths.label)}  ${'Files'.padStart(widths.count)}        ${''.padEnd(width)}  Bytes`
  const lines = rows.map((row, index) => {
    const bar = barText(row.files / most, width).padEnd(width)
    const share = `${percentText(row.files / sizes.files)}  ${bar}  ${percentText(ratio(row.bytes, sizes.bytes))}`
    return `${(labels[index] ?? '').padEnd(widths.label)}  ${(counts[index] ?? '').padStart(widths.count)} ${share}`
  })
  return [head, ...lines]
}

/** In eighths of a column; something is never nothing. */
function barText(share: number, width: number): string {
  const eighths = share === 0 ? 0 : Math.max(1, Math.round(share * width * 8))
  return '█'.repeat(Math.floor(eighths / 8)) + (blocks[eighths % 8] ?? '')
}

function percentText(share: number): string {
  return `${(100 * share).toFixed(1).padStart(5)}%`
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole
}

function widest(texts: readonly string[], least: number): number {
  return Math.max(least, ...texts.map((text) => text.length))
}
