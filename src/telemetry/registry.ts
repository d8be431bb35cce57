// Why: one object holds all metric values of a process. How: a metric has one series per
// combination of its labels. All are written as Prometheus text. Source: the text exposition format
// 0.0.4, https://prometheus.io/docs/instrumenting/exposition_formats/.
import {
  type CounterName,
  type HistogramName,
  type LabelsOf,
  metricAreas,
  type MetricDefinition,
  type MetricName,
  metricTable,
  type NumberName,
} from './metric-table.ts'

type Labels = Readonly<Record<string, string>>

interface Series {
  value: number
  /** If set, it supplies the value instead of `value`. */
  read?: () => number
  /**
   * Histograms only: the count of each bucket, the last one without an upper bound. `value` is the
   * sum of the values.
   */
  readonly counts: number[]
}

export class MetricRegistry {
  /** Metric -> labels as text -> series. */
  readonly #metrics = new Map<MetricName, Map<string, Series>>()

  /**
   * @param role its counters and histograms are shown as 0 from the start, because Prometheus does
   *   not count the first appearance of a series as an increase
   */
  constructor(role?: string) {
    for (const { roles, metrics } of metricAreas) {
      if (role !== 'local' && !(roles as readonly string[]).includes(role ?? '')) continue
      for (const [name, definition] of Object.entries<MetricDefinition>(metrics)) {
        if (definition.type === 'gauge') continue
        for (const labels of labelSets(definition)) this.#series(name as MetricName, labels)
      }
    }
  }

  /** Adds to a counter. */
  add<Name extends CounterName>(name: Name, amount: number, ...[labels]: LabelsOf<Name>): void {
    this.#series(name, labels).value += amount
  }

  /** Adds a value to a histogram. */
  record<Name extends HistogramName>(name: Name, value: number, ...[labels]: LabelsOf<Name>): void {
    const series = this.#series(name, labels)
    const bounds: readonly number[] = metricTable[name].buckets
    const bucket = bounds.findIndex((bound) => value <= bound)
    const index = bucket === -1 ? bounds.length : bucket
    series.counts[index] = (series.counts[index] ?? 0) + 1
    series.value += value
  }

  /** Sets a function that supplies the value of a gauge or counter on each read. */
  observe<Name extends NumberName>(name: Name, read: () => number, ...[labels]: LabelsOf<Name>): void {
    this.#series(name, labels).read = read
  }

  /** As `observe`, if several sources are shown as their sum. */
  observeMore<Name extends NumberName>(name: Name, read: () => number, ...[labels]: LabelsOf<Name>): void {
    const series = this.#series(name, labels)
    const others = series.read
    series.read = others === undefined ? read : () => others() + read()
  }

  /** The value of a counter or gauge, or the sum of the values of a histogram. */
  get<Name extends MetricName>(name: Name, ...[labels]: LabelsOf<Name>): number {
    const series = this.#metrics.get(name)?.get(labelText(labels))
    return series === undefined ? 0 : valueOf(series)
  }

  /** All values as Prometheus text. */
  prometheusText(): string {
    let text = ''
    for (const [name, byLabels] of this.#metrics) {
      const definition: MetricDefinition = metricTable[name]
      const help = definition.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
      text += `# HELP ${name} ${help}\n# TYPE ${name} ${definition.type}\n`
      for (const [labels, series] of byLabels) {
        if (definition.type === 'histogram') text += histogramText(name, labels, series, definition.buckets ?? [])
        else text += lineOf(name, labels, valueOf(series))
      }
    }
    return text
  }

  #series(name: MetricName, labels: Labels | undefined): Series {
    const byLabels = this.#metrics.get(name) ?? new Map<string, Series>()
    this.#metrics.set(name, byLabels)
    const text = labelText(labels)
    const series = byLabels.get(text) ?? { value: 0, counts: [] }
    byLabels.set(text, series)
    return series
  }
}

function valueOf({ value, read }: Series): number {
  return read?.() ?? value
}

/** Such as `outcome="ok"`. The values come from the table and need no escaping. */
function labelText(labels: Labels | undefined): string {
  let text = ''
  // Each request of a door comes here several times.
  for (const label in labels) text += `${text === '' ? '' : ','}${label}="${labels[label]}"`
  return text
}

function histogramText(name: string, labels: string, series: Series, bounds: readonly number[]): string {
  let count = 0
  let text = ''
  for (const [index, bound] of [...bounds, '+Inf'].entries()) {
    count += series.counts[index] ?? 0
    text += lineOf(`${name}_bucket`, `${labels}${labels === '' ? '' : ','}le="${bound}"`, count)
  }
  return `${text}${lineOf(`${name}_sum`, labels, series.value)}${lineOf(`${name}_count`, labels, count)}`
}

function lineOf(name: string, labels: string, value: number): string {
  const number = Math.abs(value) === Number.POSITIVE_INFINITY ? `${value < 0 ? '-' : '+'}Inf` : String(value)
  return `${name}${labels === '' ? '' : `{${labels}}`} ${number}\n`
}

/** Every combination of the values of a metric's labels. */
function labelSets({ labels = {} }: MetricDefinition): Labels[] {
  let sets: Labels[] = [{}]
  for (const [label, values] of Object.entries(labels))
    sets = sets.flatMap((set) => values.map((value) => ({ ...set, [label]: value })))
  return sets
}
