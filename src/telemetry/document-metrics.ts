// Why: docs/metrics.md is generated from the definitions, so they always agree. Pure; a test
// compares them.
import { metricAreas, type MetricDefinition } from './metric-table.ts'

/** The metrics as one markdown table per group of roles. Ends in a newline. */
export function documentMetrics(): string {
  return metricAreas
    .map(({ title, metrics }) => {
      const rows = Object.entries<MetricDefinition>(metrics)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(
          ([name, definition]) =>
            `| \`${name}\` | ${definition.type} | ${labelsOf(definition)} | ${helpOf(definition)} |\n`,
        )
      return `## ${title}\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n${rows.join('')}`
    })
    .join('\n')
}

function labelsOf({ labels = {} }: MetricDefinition): string {
  return Object.entries(labels)
    .map(([label, values]) => `\`${label}\`: ${values.map((value) => `\`${value}\``).join(', ')}`)
    .join('; ')
}

function helpOf({ help }: MetricDefinition): string {
  return help.replaceAll('|', '\\|')
}
