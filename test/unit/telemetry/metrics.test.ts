// Why: dashboards are built on what docs/metrics.md says of the metrics.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { documentMetrics } from '../../../src/telemetry/document-metrics.ts'
import { metricTable } from '../../../src/telemetry/metric-table.ts'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'

test('docs/metrics.md has the table of metrics as the definitions make it', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/metrics.md'), 'utf8')
  expect(page.slice(page.indexOf('| metric |')), 'run npm run document').toBe(documentMetrics())
})

test('every series of the endpoint is in the table under the same name', () => {
  const metrics = new MetricRegistry()
  for (const name of Object.keys(metricTable)) metrics.set(name as keyof typeof metricTable, 1)
  const table = documentMetrics()
  const series = [...metrics.prometheusText().matchAll(/^([a-z_]+) 1$/gm)].map(([, name]) => name)
  expect(series).toHaveLength(Object.keys(metricTable).length)
  for (const name of series) expect(table).toContain(`| \`${name ?? ''}\` |`)
})

test('loads, tasks, schedules, the origin and the queue are measured', () => {
  for (const wanted of [
    'job.loads.time',
    'job.files.loaded',
    'job.bytes.loaded',
    'job.tasks.retried',
    'schedule.runs.started',
    'ufs.read.bytes',
    'queue.down',
  ])
    expect(Object.keys(metricTable)).toContain(wanted)
})
