// Why: the metrics of the process are the first to show that it runs out of memory, descriptors or
// CPU, or that its event loop is blocked. How: gauges that are computed when they are read. Node.js
// measures the event loop and reports garbage collections.
import { readdirSync, readFileSync } from 'node:fs'
import { constants, type IntervalHistogram, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import type { Clock } from '../base/clock.ts'
import type { MetricRegistry } from './registry.ts'

const lagResolutionMs = 20
/** Minimum window of the lag metrics; the usual interval between scrapes. */
const lagWindowMs = 15_000
const microsPerSecond = 1e6
const nanosPerSecond = 1e9

/**
 * Observes CPU, memory, descriptors, event loop lag and garbage collections of this process.
 * @returns a function that stops the observation
 */
export function observeProcess(
  metrics: Pick<MetricRegistry, 'observe' | 'record'>,
  clock: Pick<Clock, 'monotonicMs'>,
): () => void {
  metrics.observe('process_cpu_seconds_total', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / microsPerSecond
  })
  metrics.observe('process_resident_memory_bytes', () => process.memoryUsage.rss())
  metrics.observe('process_start_time_seconds', () => performance.timeOrigin / 1000)
  if (process.platform === 'linux') {
    metrics.observe('process_open_fds', () => readdirSync('/proc/self/fd').length)
    metrics.observe('process_max_fds', () => maxOpenFiles(readFileSync('/proc/self/limits', 'utf8')))
  }
  metrics.observe('nodejs_heap_size_used_bytes', () => process.memoryUsage().heapUsed)
  metrics.observe('nodejs_heap_size_total_bytes', () => process.memoryUsage().heapTotal)
  metrics.observe('nodejs_external_memory_bytes', () => process.memoryUsage().external)
  metrics.observe('nodejs_array_buffer_memory_bytes', () => process.memoryUsage().arrayBuffers)
  const stopLag = observeLag(metrics, clock)
  const stopCollections = observeCollections(metrics)
  return () => {
    stopLag()
    stopCollections()
  }
}

/** The soft limit of `Max open files`; `unlimited` is infinite. Format: proc_pid_limits(5). */
export function maxOpenFiles(limits: string): number {
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1]
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft ?? Number.NaN)
}

/**
 * Observes the lag of the last window. A window ends at the first scrape after it is long enough,
 * so that no lag is missed, and several Prometheus servers see the same values.
 */
function observeLag(metrics: Pick<MetricRegistry, 'observe'>, clock: Pick<Clock, 'monotonicMs'>): () => void {
  const current = monitorEventLoopDelay({ resolution: lagResolutionMs })
  let begunMs = clock.monotonicMs()
  let ended: Lag | undefined
  const lag = (): Lag => {
    if (clock.monotonicMs() - begunMs < lagWindowMs) return ended ?? lagOf(current)
    ended = lagOf(current)
    current.reset()
    begunMs = clock.monotonicMs()
    return ended
  }
  metrics.observe('nodejs_eventloop_lag_p50_seconds', () => lag().p50)
  metrics.observe('nodejs_eventloop_lag_p99_seconds', () => lag().p99)
  metrics.observe('nodejs_eventloop_lag_max_seconds', () => lag().max)
  current.enable()
  return () => void current.disable()
}

interface Lag {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

function lagOf(histogram: IntervalHistogram): Lag {
  // Node.js measures from one of its timers to the next. Without lag, that is the resolution.
  const seconds = (nanos: number): number =>
    histogram.count === 0 ? 0 : Math.max(0, nanos / nanosPerSecond - lagResolutionMs / 1000)
  return {
    p50: seconds(histogram.percentile(50)),
    p99: seconds(histogram.percentile(99)),
    max: seconds(histogram.max),
  }
}

const { NODE_PERFORMANCE_GC_MAJOR, NODE_PERFORMANCE_GC_INCREMENTAL, NODE_PERFORMANCE_GC_WEAKCB } = constants
const kinds = new Map<unknown, 'major' | 'incremental' | 'weakcb'>([
  [NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [NODE_PERFORMANCE_GC_WEAKCB, 'weakcb'],
])

/** Node's entries have a detail, but their type does not. */
interface CollectionEntry {
  /** Milliseconds. */
  readonly duration: number
  readonly detail?: { readonly kind?: number }
}

function observeCollections(metrics: Pick<MetricRegistry, 'record'>): () => void {
  const observer = new PerformanceObserver((entries) => {
    for (const entry of entries.getEntries() as CollectionEntry[]) {
      const kind = kinds.get(entry.detail?.kind) ?? 'minor'
      metrics.record('nodejs_gc_duration_seconds', entry.duration / 1000, { kind })
    }
  })
  observer.observe({ entryTypes: ['gc'] })
  return () => observer.disconnect()
}
