// Why: pictures for reports are made alike. How: rows with a label and horizontal bars, as plain
// SVG without scripts or fonts of its own; text from users is escaped. Pure.
import { escapedXml } from '../../../base/xml/xml-write.ts'

const barHeight = 8
const rowGap = 6
const barWidth = 480
const top = 74

export interface ChartBar {
  /** Length, 0 to 1. Nothing is drawn for 0, and something for anything else. */
  readonly share: number
  readonly text: string
  readonly color: string
}

export interface ChartRow {
  readonly label: string
  readonly bars: readonly ChartBar[]
  readonly isMarked?: boolean
}

export interface BarChart {
  /** Well-formed Unicode, as all texts. */
  readonly title: string
  readonly subtitle: string
  readonly legend: readonly { readonly text: string; readonly color: string }[]
  /** Of the labels, in pixels. */
  readonly labelWidth: number
  readonly rows: readonly ChartRow[]
}

export function barChartSvg({ title, subtitle, legend, labelWidth, rows }: BarChart): string {
  const left = labelWidth
  const heights = rows.map(({ bars }) => bars.length * barHeight + rowGap)
  const tops = heights.map((_, index) => heights.slice(0, index).reduce((sum, height) => sum + height, top))
  const height = heights.reduce((sum, each) => sum + each, top) + 20
  const width = left + barWidth + 90
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
      'font-family="sans-serif" font-size="12">',
    `<rect width="${width}" height="${height}" fill="white"/>`,
    text(16, 24, title, 'font-size="15" font-weight="bold"'),
    text(16, 44, subtitle, 'fill="#444"'),
    ...legend.flatMap((one, index) => [
      rectangle(left + index * 130, 52, 10, one.color),
      text(left + index * 130 + 16, 60, one.text, 'fill="#444"'),
    ]),
    ...rows.flatMap(({ label, bars, isMarked }, row) => {
      const y = tops[row] ?? top
      const middle = y + (bars.length * barHeight) / 2 + 4
      return [
        text(left - 8, middle, label, `text-anchor="end"${isMarked === true ? ' font-weight="bold"' : ''}`),
        ...bars.flatMap((bar, index) => drawn(left, y + index * barHeight, bar)),
      ]
    }),
    '</svg>\n',
  ].join('\n')
}

function drawn(left: number, y: number, { share, text: content, color }: ChartBar): string[] {
  if (share === 0) return []
  const width = Math.max(1, Math.round(share * barWidth))
  return [
    rectangle(left, y, width, color),
    text(left + width + 4, y + barHeight - 1, content, 'font-size="8" fill="#444"'),
  ]
}

function rectangle(x: number, y: number, width: number, color: string): string {
  return `<rect x="${x}" y="${y}" width="${width}" height="${barHeight}" fill="${color}"/>`
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${x}" y="${y}" ${attributes}>${escapedXml(content)}</text>`
}
