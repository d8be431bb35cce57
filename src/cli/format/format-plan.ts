// Why: what a load would do is read by people before they begin it. Pure.
import { formatBytes } from '../../base/bytes.ts'
import { formatDuration } from '../../base/durations.ts'
import type { PlanReport } from '../../wire/generated/job.ts'
import { printable } from '../frame/printable.ts'

/** `--plan`: one `name: value` a line, then a line a worker. */
export function planText(plan: PlanReport): string {
  const lines: (readonly [string, string])[] = [
    ['Plan of', plan.path],
    ['Objects', `${plan.files}, ${sized(plan.bytes)}`],
    ...(plan.filesExcluded > 0 ? [['Not selected', String(plan.filesExcluded)] as const] : []),
    ['Cached already', `${plan.filesCached}, ${sized(plan.bytesCached)}`],
    ...(plan.filesFailing > 0 ? [['Cannot be loaded', String(plan.filesFailing)] as const] : []),
    ...plan.failing.map(({ path, reason }) => [`  ${path}`, reason] as const),
    ['To load', `${sized(plan.bytesToLoad)} in ${plan.blocks} blocks, ${plan.tasks} tasks`],
    ['To write', `${sized(plan.bytesToWrite)}, all replicas`],
    ['Requests to the origin', `${plan.getRequests} GET, ${plan.listRequests} LIST and HEAD`],
    ['Cost', costText(plan)],
    ['Capacity', `${sized(plan.capacityBytes)}, ${sized(plan.freeBytes)} free`],
    ['To evict', sized(plan.evictBytes)],
    ...(plan.missingBytes > 0 ? [['Missing capacity', sized(plan.missingBytes)] as const] : []),
    ['Time', timeText(plan)],
    ...(plan.placement.length > 0 ? [['Placement', ''] as const] : []),
  ]
  const rows = plan.placement.map((row) => {
    return (
      `  ${row.workerId} on ${row.hostname}: ` +
      `${sized(row.bytes)} in ${row.blocks} blocks, ${sized(row.freeBytes)} free`
    )
  })
  return [...lines.map(([name, value]) => `${name}: ${value}`.trimEnd()), ...rows].map(printable).join('\n')
}

function timeText({ estimateLowMs: low, estimateHighMs: high, rateBasis, error }: PlanReport): string {
  if (low === undefined || high === undefined)
    return `unknown: ${error === '' ? rateBasis : 'the load would be refused'}`
  const range = low === high ? formatDuration(low) : `${formatDuration(low)} to ${formatDuration(high)}`
  return `${range} (${rateBasis})`
}

function costText({ cost, currency, costBasis }: PlanReport): string {
  if (cost === undefined) return `not known: ${costBasis.replace(/^no price is known: /, 'no price is given; ')}`
  // Small loads cost less than a cent.
  const digits = cost !== 0 && cost < 1 ? 6 : 2
  return `${cost.toFixed(digits)} ${currency}: ${costBasis}`
}

/** The bytes as they are, and readable. */
function sized(bytes: number): string {
  return bytes > 5 * 1024 ? `${bytes} bytes (${formatBytes(bytes)})` : `${bytes} bytes`
}
