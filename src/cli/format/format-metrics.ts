// Why: the text shapes of `fsadmin report metrics` and `ufs`, which GooseFS clients parse. Pure.
// Source: Alluxio 2.9's MetricsCommand and UfsCommand.
import { formatBytes } from '../../base/bytes.ts'
import type { ClusterMetric, NamespaceInfo } from '../../wire/generated/master.ts'
import { mountTableText } from './format-namespace.ts'

/** `fsadmin report metrics`: a line a figure. */
export function metricsText(metrics: readonly ClusterMetric[]): string {
  return metrics.map((metric) => `${metric.name}  (Type: ${metric.type}, Value: ${valueText(metric)})`).join('\n')
}

function valueText({ value, unit }: ClusterMetric): string {
  if (unit === 'BYTES') return formatBytes(value)
  if (unit === 'BYTES_PER_MINUTE') return `${formatBytes(value)}/MIN`
  return String(value)
}

/** `fsadmin report ufs`: a heading and a line a mount. */
export function ufsText(namespaces: readonly NamespaceInfo[]): string {
  const heading = 'GooseFS under storage system information: '
  return namespaces.length === 0 ? heading : `${heading}\n${mountTableText(namespaces)}`
}
