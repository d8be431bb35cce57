// Why: where a process's memory is shows who holds it: V8's heap, buffers outside of it, or the C
// library, whose part is what the others leave of the resident memory. How: gauges that ask when
// they are asked.
import type { MetricRegistry } from './registry.ts'

/** Shows the memory of this process among the metrics. */
export function observeProcessMemory(metrics: Pick<MetricRegistry, 'observe'>): void {
  metrics.observe('process.memory.resident', () => process.memoryUsage.rss())
  metrics.observe('process.memory.heap.used', () => process.memoryUsage().heapUsed)
  metrics.observe('process.memory.heap.total', () => process.memoryUsage().heapTotal)
  metrics.observe('process.memory.external', () => process.memoryUsage().external)
  metrics.observe('process.memory.buffers', () => process.memoryUsage().arrayBuffers)
}
