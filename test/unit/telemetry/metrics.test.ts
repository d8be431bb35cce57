// Why: dashboards are built on what docs/metrics.md says of the metrics.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { documentMetrics } from '../../../src/telemetry/document-metrics.ts'
import { metricAreas, type MetricDefinition, metricTable } from '../../../src/telemetry/metric-table.ts'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'

const definitions = Object.entries<MetricDefinition>(metricTable)

describe('docs/metrics.md', () => {
  it('has the tables of metrics as the definitions make them', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../docs/metrics.md'), 'utf8')
    expect(page.slice(page.indexOf('## ')), 'run npm run document').toBe(documentMetrics())
  })

  it('has every metric, its labels and their values', () => {
    expect(documentMetrics().match(/^\| `/gm)).toHaveLength(definitions.length)
    expect(documentMetrics()).toMatch(
      /^\| `skein_worker_blocks_removed_total` \| counter \| `reason`: `evicted`, `corrupt` \| Blocks /m,
    )
  })
})

describe('every metric', () => {
  it.each(definitions)('%s is named as Prometheus wants it', (name, { type, help, labels = {}, buckets }) => {
    expect(name).toMatch(/^(?:process|nodejs|skein)(?:_[a-z][a-z0-9]*)+$/)
    expect(name.endsWith('_total'), 'a counter ends in _total, and only a counter').toBe(type === 'counter')
    const words = name.split('_')
    expect(words, 'a word twice').toHaveLength(new Set(words).size)
    expect(name, 'a type in a name').not.toMatch(/_(?:count|sum|bucket|counter|gauge|histogram)(?:_|$)/)
    expect(name, 'a unit that is no base unit').not.toMatch(/_(?:ms|millis\w*|minutes|kb|mb|[a-z]+bytes)(?:_|$)/)
    for (const unit of ['seconds', 'bytes'])
      if (words.includes(unit)) expect(name, 'a unit that is not last').toMatch(new RegExp(`_${unit}(?:_total)?$`))
    expect(Object.keys(labels)).not.toContain('le')
    if (type === 'histogram') {
      expect(name).toMatch(/_seconds$/)
      expect(buckets).toEqual(buckets?.toSorted((a, b) => a - b))
    }
    expect(help).toMatch(/^[A-Z0-9].*\.$/)
  })
})

describe('the text for Prometheus', () => {
  it('has counters and histograms of the role from the start, and gauges once they can be read', () => {
    const names = (role: string): string[] =>
      [...new MetricRegistry(role).prometheusText().matchAll(/^# TYPE (\S+) /gm)].map(([, name = '']) => name)
    for (const role of ['master', 'worker', 'job-master', 'job-worker']) {
      const own = metricAreas.filter(({ roles }) => (roles as readonly string[]).includes(role))
      const started = own.flatMap(({ metrics }) => Object.entries<MetricDefinition>(metrics))
      expect(names(role)).toEqual(started.filter(([, { type }]) => type !== 'gauge').map(([name]) => name))
    }
    expect(names('local')).toEqual(definitions.filter(([, { type }]) => type !== 'gauge').map(([name]) => name))
    const worker = new MetricRegistry('worker')
    expect(worker.prometheusText()).toContain('\nskein_worker_blocks_removed_total{reason="corrupt"} 0\n')
    worker.observe('skein_worker_blocks', () => 7)
    expect(worker.prometheusText()).toContain('\n# TYPE skein_worker_blocks gauge\nskein_worker_blocks 7\n')
  })

  it('has a series for each combination of labels', () => {
    const metrics = new MetricRegistry()
    metrics.add('skein_worker_read_bytes_total', 5, { source: 'local' })
    metrics.add('skein_worker_read_bytes_total', 2, { source: 'ufs' })
    metrics.add('skein_worker_read_bytes_total', 1, { source: 'local' })
    expect(metrics.get('skein_worker_read_bytes_total', { source: 'local' })).toBe(6)
    expect(metrics.get('skein_worker_read_bytes_total', { source: 'remote' })).toBe(0)
    expect(metrics.prometheusText().split('\n').slice(1)).toEqual([
      '# TYPE skein_worker_read_bytes_total counter',
      'skein_worker_read_bytes_total{source="local"} 6',
      'skein_worker_read_bytes_total{source="ufs"} 2',
      '',
    ])
  })

  it('counts in each bucket of a histogram what is at most its bound', () => {
    const metrics = new MetricRegistry()
    for (const seconds of [0.5, 1, 1.5, 86_401])
      metrics.record('skein_job_load_duration_seconds', seconds, { outcome: 'partial' })
    const lines = metrics.prometheusText().split('\n')
    const bucket = (bound: string): string | undefined => lines.find((line) => line.includes(`le="${bound}"`))
    expect(bucket('1')).toBe('skein_job_load_duration_seconds_bucket{outcome="partial",le="1"} 2')
    expect(bucket('5')).toBe('skein_job_load_duration_seconds_bucket{outcome="partial",le="5"} 3')
    expect(bucket('86400')).toMatch(/ 3$/)
    expect(bucket('+Inf')).toMatch(/ 4$/)
    expect(lines).toContain('skein_job_load_duration_seconds_sum{outcome="partial"} 86404')
    expect(lines).toContain('skein_job_load_duration_seconds_count{outcome="partial"} 4')
  })

  it('adds up what several ports observe, and writes infinity as Prometheus does', () => {
    const metrics = new MetricRegistry()
    metrics.observeMore('skein_rpc_connections', () => 2)
    metrics.observeMore('skein_rpc_connections', () => 3)
    metrics.observe('process_max_fds', () => Number.POSITIVE_INFINITY)
    expect(metrics.prometheusText()).toMatch(/^skein_rpc_connections 5$/m)
    expect(metrics.prometheusText()).toMatch(/^process_max_fds \+Inf$/m)
  })
})
