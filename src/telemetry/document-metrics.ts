// Why: docs/metrics.md is made from the definitions, so that the two cannot drift apart. Pure; a
// test compares them.
import { metricTable, type MetricDefinition } from './metric-table.ts'
import { seriesOf } from './registry.ts'

/** The metrics as a markdown table; ends in a newline. */
export function documentMetrics(): string {
  const rows = Object.entries<MetricDefinition>(metricTable)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([name, definition]) =>
        `| \`${seriesOf(name, definition)}\` | ${definition.type} | ${definition.help.replaceAll('|', '\\|')} |\n`,
    )
  return `| metric | type | meaning |\n|---|---|---|\n${rows.join('')}`
}
