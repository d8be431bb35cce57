// Why: a picture of the sizes of files for a report. How: one pair of bars per power of two (or
// more): share of the files, share of the bytes. Plain SVG without scripts or fonts of its own;
// text from users is escaped. Pure.
import { formatBytes } from '../../base/bytes.ts'
import { escapedXml } from '../../base/xml/xml-write.ts'
import { sizeText } from '../../config/tuning-values.ts'
import type { SizeHistogram } from '../../tuning/size-histogram.ts'

const rowsMax = 24
const rowHeight = 22
const barHeight = 8
const left = 110
const barWidth = 480
const top = 74
const [filesColor, bytesColor] = ['#2563eb', '#f59e0b']

/** @param title such as the path; well-formed Unicode */
export function histogramSvg(sizes: SizeHistogram, title: string): string {
  const { files, bytes, mean, percentiles, max } = sizes.summary()
  const rows = sizes.rows(rowsMax)
  const height = top + rows.length * rowHeight + 20
  const width = left + barWidth + 80
  const figures =
    `${files} files, ${formatBytes(bytes)}; mean ${formatBytes(mean)}, median ${formatBytes(percentiles.p50)}, ` +
    `p95 ${formatBytes(percentiles.p95)}, max ${formatBytes(max)}`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
      'font-family="sans-serif" font-size="12">',
    `<rect width="${width}" height="${height}" fill="white"/>`,
    text(16, 24, title, 'font-size="15" font-weight="bold"'),
    text(16, 44, figures, 'fill="#444"'),
    ...legend(left, 52),
    ...rows.flatMap((row, index) => {
      const y = top + index * rowHeight
      return [
        text(left - 8, y + 13, row.from === 0 ? 'empty' : `from ${sizeText(row.from)}`, 'text-anchor="end"'),
        ...bar(y + 1, share(row.files, files), filesColor),
        ...bar(y + 1 + barHeight, share(row.bytes, bytes), bytesColor),
      ]
    }),
    '</svg>\n',
  ].join('\n')
}

function legend(x: number, y: number): string[] {
  return [
    rectangle(x, y, 10, filesColor),
    text(x + 16, y + barHeight, 'files', 'fill="#444"'),
    rectangle(x + 70, y, 10, bytesColor),
    text(x + 86, y + barHeight, 'bytes', 'fill="#444"'),
  ]
}

/** Something is never nothing. */
function bar(y: number, part: number, color: string): string[] {
  if (part === 0) return []
  const width = Math.max(1, Math.round(part * barWidth))
  return [
    rectangle(left, y, width, color),
    text(left + width + 4, y + barHeight, `${(100 * part).toFixed(1)} %`, 'font-size="8" fill="#444"'),
  ]
}

function rectangle(x: number, y: number, width: number, color: string): string {
  return `<rect x="${x}" y="${y}" width="${width}" height="${barHeight}" fill="${color}"/>`
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${x}" y="${y}" ${attributes}>${escapedXml(content)}</text>`
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole
}
