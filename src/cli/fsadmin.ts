// Why: `skein fsadmin report [summary|capacity|jobservice]`: the cluster at a glance.
import type { Command } from 'commander'
import { type CommandContext, openCluster, writeResult } from './context.ts'
import { usageError } from './exit-codes.ts'
import { capacityText, jobServiceText, summaryText } from './format-report.ts'

const reports = {
  summary: reportSummary,
  capacity: reportCapacity,
  jobservice: reportJobService,
} as const

export function addCommands(parent: Command, context: CommandContext): void {
  parent
    .command('report')
    .description('summary (default), capacity or jobservice')
    .argument('[what]', Object.keys(reports).join(' | '), 'summary')
    .action(async (what: string) => {
      if (!Object.hasOwn(reports, what)) throw usageError(`there is no report '${what}'; there are ${Object.keys(reports).join(', ')}`)
      await reports[what as keyof typeof reports](context)
    })
}

async function reportSummary(context: CommandContext): Promise<void> {
  const cluster = await openCluster(context)
  const summary = await cluster.master().getClusterSummary({}, { signal: context.signal })
  writeResult(context, summary, summaryText(summary))
}

async function reportCapacity(context: CommandContext): Promise<void> {
  const master = (await openCluster(context)).master()
  const { workers } = await master.listWorkers({}, { signal: context.signal })
  const { nowMs } = await master.getClusterSummary({}, { signal: context.signal })
  writeResult(context, { workers }, capacityText(workers, nowMs))
}

async function reportJobService(context: CommandContext): Promise<void> {
  const cluster = await openCluster(context)
  const summary = await cluster.jobMaster().getJobServiceSummary({}, { signal: context.signal })
  const { nowMs } = await cluster.master().getClusterSummary({}, { signal: context.signal })
  writeResult(context, summary, jobServiceText(summary, nowMs))
}
