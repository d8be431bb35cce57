// Why: a picture of the sizes of files for a report. How: one pair of bars per power of two (or
// more): share of the files, share of the bytes. Pure.
import { formatBytes } from '../../base/bytes.ts'
import { sizeText } from '../../config/tuning-values.ts'
import type { SizeHistogram } from '../../tuning/size-histogram.ts'
import { barChartSvg, type ChartBar } from './picture/bar-chart-svg.ts'

const rowsMax = 24
const [filesColor, bytesColor] = ['#2563eb', '#f59e0b']

/** @param title such as the path; well-formed Unicode */
export function histogramSvg(sizes: SizeHistogram, title: string): string {
  const { files, bytes, mean, percentiles, max } = sizes.summary()
  const subtitle =
    `${files} files, ${formatBytes(bytes)}; mean ${formatBytes(mean)}, median ${formatBytes(percentiles.p50)}, ` +
    `p95 ${formatBytes(percentiles.p95)}, max ${formatBytes(max)}`
  return barChartSvg({
    title,
    subtitle,
    legend: [
      { text: 'files', color: filesColor },
      { text: 'bytes', color: bytesColor },
    ],
    labelWidth: 110,
    rows: sizes.rows(rowsMax).map((row) => ({
      label: row.from === 0 ? 'empty' : `from ${sizeText(row.from)}`,
      bars: [bar(share(row.files, files), filesColor), bar(share(row.bytes, bytes), bytesColor)],
    })),
  })
}

function bar(part: number, color: string): ChartBar {
  return { share: part, text: `${(100 * part).toFixed(1)} %`, color }
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole
}
