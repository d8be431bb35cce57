// Why: one place that holds a process's metric values. How: a number a name, written out as
// Prometheus text (text exposition format 0.0.4).
import { metricTable, type MetricDefinition, type MetricName } from './metric-table.ts'

export class MetricRegistry {
  readonly #values = new Map<MetricName, number>()
  readonly #gauges = new Map<MetricName, () => number>()

  /** Adds to a counter. */
  add(name: MetricName, amount = 1): void {
    this.#values.set(name, (this.#values.get(name) ?? 0) + amount)
  }

  /** Sets a gauge. */
  set(name: MetricName, value: number): void {
    this.#values.set(name, value)
  }

  /** Makes a gauge read its value when it is asked for. */
  observe(name: MetricName, read: () => number): void {
    this.#gauges.set(name, read)
  }

  /** The same for one of several that are shown as their sum. */
  observeMore(name: MetricName, read: () => number): void {
    const others = this.#gauges.get(name)
    this.#gauges.set(name, others === undefined ? read : () => others() + read())
  }

  get(name: MetricName): number {
    return this.#gauges.get(name)?.() ?? this.#values.get(name) ?? 0
  }

  /** All values that were ever set, as Prometheus text. */
  prometheusText(): string {
    const names = new Set([...this.#values.keys(), ...this.#gauges.keys()])
    return [...names]
      .map((name) => {
        const { type, help } = metricTable[name]
        const series = seriesOf(name, metricTable[name])
        return `# HELP ${series} ${help}\n# TYPE ${series} ${type}\n${series} ${this.get(name)}\n`
      })
      .join('')
  }
}

/** The name of a metric's series. */
export function seriesOf(name: string, { type, unit }: Pick<MetricDefinition, 'type' | 'unit'>): string {
  return `skein_${name.replaceAll('.', '_')}_${unit}${type === 'counter' ? '_total' : ''}`
}
