// Why: one look at what the whole cluster reads, writes and holds. How: workers send counters that
// grow since their own start; what each grew by is added up here, a restarted worker's from 0
// again, so that the sums never fall while the master lives. Bytes per minute are what the sums
// grew by in the last minute.
import type { Clock } from '../../base/clock.ts'
import type { ClusterMetric, ClusterSummary } from '../../wire/generated/master.ts'

/**
 * A counter of the workers -> the cluster's name for the sum (Alluxio's), its unit, and whether it
 * has a throughput.
 */
const sums = [
  ['worker.blocks.corrupt', 'BlocksCorrupt', 'COUNT'],
  ['worker.blocks.evicted', 'BlocksEvicted', 'COUNT'],
  ['worker.blocks.promoted', 'BlocksPromoted', 'COUNT'],
  ['worker.bytes.read.local', 'BytesReadLocal', 'BYTES'],
  ['worker.bytes.read.remote', 'BytesReadRemote', 'BYTES'],
  ['worker.bytes.read.ufs', 'BytesReadUfs', 'BYTES'],
  ['worker.bytes.written', 'BytesWritten', 'BYTES'],
] as const
type Counter = (typeof sums)[number][0]

interface Sample {
  readonly atMs: number
  readonly totals: ReadonlyMap<Counter, number>
}

const windowMs = 60_000
const sampleEveryMs = 2000
/** Workers come and go with new ids; of those that are long gone only the sums are kept. */
const workersKept = 10_000

export class ClusterMetricSums {
  readonly #clock: Clock
  readonly #totals = new Map<Counter, number>(sums.map(([counter]) => [counter, 0]))
  /** Worker -> its counters as it last told them, those heard last at the end. */
  readonly #told = new Map<string, ReadonlyMap<Counter, number>>()
  /** The oldest first; the first one is the last from before the window, if there is one. */
  readonly #samples: Sample[] = []

  constructor(clock: Clock) {
    this.#clock = clock
    this.#sample()
  }

  /**
   * Takes in a worker's counters: absolute values since its start; what is not known here is passed
   * over.
   */
  add(workerId: string, counters: Readonly<Record<string, number>>): void {
    const before = this.#told.get(workerId)
    const now = new Map<Counter, number>()
    for (const [counter] of sums) {
      const value = counters[counter]
      if (value === undefined || !Number.isFinite(value) || value < 0) continue
      const old = before?.get(counter) ?? 0
      // Less than before: the worker has started anew.
      this.#totals.set(counter, this.#total(counter) + (value < old ? value : value - old))
      now.set(counter, value)
    }
    this.#told.delete(workerId)
    this.#told.set(workerId, now)
    const [oldest] = this.#told.keys()
    if (this.#told.size > workersKept && oldest !== undefined) this.#told.delete(oldest)
    if (this.#clock.monotonicMs() - (this.#samples.at(-1)?.atMs ?? 0) >= sampleEveryMs) this.#sample()
  }

  /** All figures, by name. `blocks`: replicas on live workers. */
  metrics(summary: ClusterSummary, blocks: number): ClusterMetric[] {
    const gauge = (name: string, value: number, unit: string): ClusterMetric => ({
      name: `Cluster.${name}`,
      type: 'GAUGE',
      value,
      unit,
    })
    const metrics: ClusterMetric[] = [
      gauge('BlocksCached', blocks, 'COUNT'),
      gauge('CapacityFree', Math.max(0, summary.capacityBytes - summary.usedBytes), 'BYTES'),
      gauge('CapacityTotal', summary.capacityBytes, 'BYTES'),
      gauge('CapacityUsed', summary.usedBytes, 'BYTES'),
      gauge('Files', summary.files, 'COUNT'),
      gauge('LostWorkers', summary.lostWorkers, 'COUNT'),
      gauge('Workers', summary.liveWorkers, 'COUNT'),
    ]
    const since = this.#windowStart()
    for (const [counter, name, unit] of sums) {
      const value = this.#total(counter)
      metrics.push({ name: `Cluster.${name}`, type: 'COUNTER', value, unit })
      if (unit === 'BYTES')
        metrics.push(gauge(`${name}Throughput`, value - (since.get(counter) ?? 0), 'BYTES_PER_MINUTE'))
    }
    return metrics.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  #windowStart(): ReadonlyMap<Counter, number> {
    const fromMs = this.#clock.monotonicMs() - windowMs
    const before = this.#samples.findLast((sample) => sample.atMs <= fromMs)
    return (before ?? this.#samples[0])?.totals ?? new Map()
  }

  #sample(): void {
    const atMs = this.#clock.monotonicMs()
    this.#samples.push({ atMs, totals: new Map(this.#totals) })
    while ((this.#samples[1]?.atMs ?? atMs) <= atMs - windowMs) this.#samples.shift()
  }

  #total(counter: Counter): number {
    return this.#totals.get(counter) ?? 0
  }
}
