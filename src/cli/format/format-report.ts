// Why: the text shapes of `fsadmin report` that GooseFS clients parse. Pure. Sources: GooseFS's
// documentation (summary); Alluxio 2.9's CapacityCommand and JobServiceMetricsCommand.
import { formatBytes } from '../../base/bytes.ts'
import type { JobServiceSummary } from '../../wire/generated/job.ts'
import type { ClusterSummary, TierUsage, WorkerInfo } from '../../wire/generated/master.ts'
import { formatDate } from './format-file.ts'

/** The summary's in GooseFS's documentation, which differs from its other reports. */
const summaryIndent = '  '
const indent = '    '

/** `fsadmin report summary`. */
export function summaryText(summary: ClusterSummary): string {
  const tiers = (bytesOf: (tier: TierUsage) => number): string[] =>
    summary.tiers.map((tier) => `    Tier: ${tier.alias}  Size: ${formatBytes(bytesOf(tier))}`)
  const lines = [
    `Master Address: ${summary.masterAddress}`,
    `Web Port: ${summary.webPort}`,
    `Rpc Port: ${summary.rpcPort}`,
    `Started: ${formatDate(summary.startedMs)}`,
    `Uptime: ${uptimeText(summary.nowMs - summary.startedMs)}`,
    `Version: ${summary.version}`,
    `Safe Mode: ${summary.safeMode}`,
    'Zookeeper Enabled: false',
    `Live Workers: ${summary.liveWorkers}`,
    `Lost Workers: ${summary.lostWorkers}`,
    `Total Capacity: ${formatBytes(summary.capacityBytes)}`,
    ...tiers((tier) => tier.capacityBytes),
    `Used Capacity: ${formatBytes(summary.usedBytes)}`,
    ...tiers((tier) => tier.usedBytes),
    `Free Capacity: ${formatBytes(Math.max(0, summary.capacityBytes - summary.usedBytes))}`,
  ]
  if (summary.unwritten !== undefined) lines.push(`Files That Cannot Be Persisted: ${summary.unwritten.total}`)
  return `GooseFS cluster summary: \n${lines.map((line) => `${summaryIndent}${line}`).join('\n')}`
}

/** `0 day(s), 1 hour(s), 28 minute(s), and 57 second(s)` (Alluxio's convertMsToClockTime). */
export function uptimeText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const days = Math.floor(seconds / 86_400)
  const hours = Math.floor((seconds % 86_400) / 3600)
  const minutes = Math.floor((seconds % 3600) / 60)
  return `${days} day(s), ${hours} hour(s), ${minutes} minute(s), and ${seconds % 60} second(s)`
}

interface Usage {
  readonly capacity: number
  readonly used: number
}

/**
 * `fsadmin report capacity`: sums over the live workers, as in the summary; then two rows a worker
 * below a line that starts `Worker Name`.
 */
export function capacityText(workers: readonly WorkerInfo[], nowMs: number): string {
  const live = workers.filter((worker) => worker.live)
  const capacity = sum(live.map((worker) => worker.capacityBytes))
  const used = sum(live.map((worker) => worker.usedBytes))
  const tiers = [...tiersOf(live)]
  const percent = capacity === 0 ? undefined : Math.floor((100 * used) / capacity)
  const head = [
    'Capacity information for all workers: ',
    `${indent}Total Capacity: ${formatBytes(capacity)}`,
    ...tiers.map(([alias, usage]) => `${indent}${indent}Tier: ${alias}  Size: ${formatBytes(usage.capacity)}`),
    `${indent}Used Capacity: ${formatBytes(used)}`,
    ...tiers.map(([alias, usage]) => `${indent}${indent}Tier: ${alias}  Size: ${formatBytes(usage.used)}`),
    ...(percent === undefined
      ? []
      : [`${indent}Used Percentage: ${percent}%`, `${indent}Free Percentage: ${100 - percent}%`]),
  ]
  if (workers.length === 0) return head.join('\n')
  const columns = [...new Set(['MEM', 'SSD', 'HDD', ...tiers.map(([alias]) => alias)])]
  const rows = workers.flatMap((worker) => workerRows(worker, columns, nowMs))
  return [...head, '', row(['Worker Name', 'Last Heartbeat', 'Storage', 'Total', ...columns]), ...rows].join('\n')
}

function workerRows(worker: WorkerInfo, columns: readonly string[], nowMs: number): string[] {
  const tiers = tiersOf([worker])
  const seconds = String(Math.max(0, Math.floor((nowMs - worker.lastHeartbeatMs) / 1000)))
  const percent = worker.capacityBytes === 0 ? '' : ` (${Math.floor((100 * worker.usedBytes) / worker.capacityBytes)}%)`
  return [
    row([
      worker.hostname,
      seconds,
      'Capacity',
      formatBytes(worker.capacityBytes),
      ...columns.map((alias) => formatBytes(tiers.get(alias)?.capacity ?? 0)),
    ]),
    row([
      '',
      '',
      'Used',
      formatBytes(worker.usedBytes) + percent,
      ...columns.map((alias) => formatBytes(tiers.get(alias)?.used ?? 0)),
    ]),
  ]
}

/** CapacityCommand's `%-16s %-16s %-13s %-16s %-13s %-13s %-13s`. */
function row(cells: readonly string[]): string {
  const widths = [16, 16, 13, 16]
  return cells.map((cell, index) => cell.padEnd(widths[index] ?? 13)).join(' ')
}

function tiersOf(workers: readonly WorkerInfo[]): Map<string, Usage> {
  const tiers = new Map<string, Usage>()
  for (const directory of workers.flatMap((worker) => worker.directories)) {
    const before = tiers.get(directory.tier) ?? { capacity: 0, used: 0 }
    tiers.set(directory.tier, {
      capacity: before.capacity + directory.quotaBytes,
      used: before.used + directory.usedBytes,
    })
  }
  return tiers
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

/** `fsadmin report jobservice`: one line a job worker, then one a status, then the queue. */
export function jobServiceText(summary: JobServiceSummary, nowMs: number): string {
  const workers = summary.jobWorkers.map((worker) => {
    const seconds = Math.max(0, Math.floor((nowMs - worker.lastHeartbeatMs) / 1000))
    const tasks = `Task Pool Size: ${String(worker.activeTasksMax).padEnd(7)}Active Tasks: ${worker.tasksRunning}`
    return (
      `Worker: ${worker.hostname.padEnd(10)}  ${worker.live ? 'LIVE' : 'LOST'}  ${tasks}  Last Heartbeat: ` +
      `${seconds}s`
    )
  })
  const statuses = [
    ['RUNNING', summary.runningLoads],
    ['COMPLETED', summary.completedLoads],
    ['FAILED', summary.failedLoads],
    ['CANCELED', summary.cancelledLoads],
  ].map(([status, count]) => `Status: ${String(status).padEnd(10)}Count: ${count}`)
  return [
    ...workers,
    '',
    ...statuses,
    '',
    `Live Job Workers: ${summary.liveJobWorkers}`,
    `Tasks Out: ${summary.tasksOut}`,
    `Queue: ${summary.queue} (${summary.queueHealthy ? 'answers' : 'does not answer'})`,
  ].join('\n')
}
