// Why: the metrics of the process must say what the kernel and Node say, in seconds and bytes.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { maxOpenFiles, observeProcess } from '../../../src/telemetry/process-metrics.ts'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'

let nowMs = 0
let metrics: MetricRegistry
let stop: () => void

beforeEach(() => {
  metrics = new MetricRegistry()
  stop = observeProcess(metrics, { monotonicMs: () => nowMs })
})
afterEach(() => stop())

function blockEventLoop(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

it('CPU, memory, start and descriptors are those of this process', () => {
  const before = process.cpuUsage()
  const seconds = metrics.get('process_cpu_seconds_total')
  expect(seconds).toBeGreaterThanOrEqual((before.user + before.system) / 1e6)
  expect(seconds).toBeLessThan((before.user + before.system) / 1e6 + 1)
  expect(Math.abs(metrics.get('process_start_time_seconds') - (Date.now() / 1000 - process.uptime()))).toBeLessThan(60)
  expect(metrics.get('process_resident_memory_bytes')).toBeGreaterThan(metrics.get('nodejs_heap_size_used_bytes'))
  expect(metrics.get('nodejs_heap_size_used_bytes')).toBeGreaterThan(1e6)
})

it.runIf(process.platform === 'linux')('open descriptors are counted against the limit', () => {
  expect(metrics.get('process_open_fds')).toBeGreaterThan(3)
  expect(metrics.get('process_max_fds')).toBeGreaterThan(metrics.get('process_open_fds'))
})

it('the limit of open files is the soft one', () => {
  const limits =
    'Limit      Soft Limit  Hard Limit  Units\n' +
    'Max open files            1024                 4096                 files\n'
  expect(maxOpenFiles(limits)).toBe(1024)
  expect(maxOpenFiles(limits.replace('1024', 'unlimited'))).toBe(Number.POSITIVE_INFINITY)
})

it('a blocked event loop shows as lag, until the window after it has ended', async () => {
  await expect.poll(() => metrics.get('nodejs_eventloop_lag_p50_seconds')).toBeGreaterThan(0)
  // Longer than a busy machine lets a test wait.
  blockEventLoop(2000)
  await expect.poll(() => metrics.get('nodejs_eventloop_lag_max_seconds')).toBeGreaterThan(1.5)
  expect(metrics.get('nodejs_eventloop_lag_p50_seconds')).toBeLessThan(1.5)
  nowMs += 15_000
  expect(metrics.get('nodejs_eventloop_lag_max_seconds')).toBeGreaterThan(1.5)
  nowMs += 14_999
  expect(metrics.get('nodejs_eventloop_lag_max_seconds'), 'another scrape sees the same').toBeGreaterThan(1.5)
  nowMs += 1
  expect(metrics.get('nodejs_eventloop_lag_max_seconds')).toBeLessThan(1.5)
})

it('garbage collections are counted by kind', async () => {
  const garbage = (): void => {
    for (let n = 0; n < 200; n += 1) Array.from({ length: 10_000 }, (_, index) => ({ index }))
  }
  const minorSeconds = (): number => {
    garbage()
    return metrics.get('nodejs_gc_duration_seconds', { kind: 'minor' })
  }
  await expect.poll(minorSeconds).toBeGreaterThan(0)
  expect(metrics.get('nodejs_gc_duration_seconds', { kind: 'minor' })).toBeLessThan(10)
})
