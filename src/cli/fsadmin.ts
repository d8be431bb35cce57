// Why: `skein fsadmin report [summary|capacity|jobservice]`: the cluster at a glance; `fsadmin decommission`: a worker leaves it
// without loss. How: the master copies the worker's blocks away; whoever waits asks how many are left.
import type { Command } from 'commander'
import type { DecommissionResponse } from '../wire/generated/lifecycle.ts'
import { type CommandContext, openCluster, writeResult } from './context.ts'
import { usageError } from './exit-codes.ts'
import { capacityText, jobServiceText, summaryText } from './format-report.ts'
import { printable } from './printable.ts'

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
  parent
    .command('decommission')
    .description('copy the blocks of a worker to others and give it no new ones')
    .argument('<worker>', 'its id, hostname, or host:port')
    .option('--cancel', 'let it take blocks again')
    .option('--wait', 'until none of its blocks is needed any more')
    .action(async (worker: string, flags: { cancel?: true; wait?: true }) => {
      if (worker.trim() === '') throw usageError('the worker is missing: name its id, hostname, or host:port')
      if (flags.cancel === true && flags.wait === true) throw usageError('--cancel has nothing to wait for: leave --wait out')
      await decommission(context, worker, flags.cancel === true, flags.wait === true)
    })
}

const pollMs = 1000
const lineEveryMs = 5000

async function decommission(context: CommandContext, worker: string, cancel: boolean, wait: boolean): Promise<void> {
  const { clock, io, signal } = context
  const cluster = await openCluster(context)
  const ask = (): Promise<DecommissionResponse> => cluster.lifecycle().decommission({ worker, cancel }, { signal })
  let answer = await ask()
  let nextLineMs = clock.monotonicMs()
  const isOver = (): boolean => !wait || answer.done
  while (!isOver()) {
    if (clock.monotonicMs() >= nextLineMs) {
      io.stderr(`worker ${printable(worker)}: ${answer.blocksLeft} blocks left\n`)
      nextLineMs = clock.monotonicMs() + lineEveryMs
    }
    await clock.sleep(pollMs, signal)
    answer = await ask()
  }
  writeResult(context, { ...answer, cancelled: cancel }, decommissionText(worker, cancel, answer))
}

function decommissionText(worker: string, cancel: boolean, { blocksLeft, done }: DecommissionResponse): string {
  const name = `Worker ${printable(worker)}`
  if (cancel) return `${name} takes blocks again.`
  if (done) return `${name} is decommissioned: it may be stopped.`
  return `${name} is being decommissioned: ${blocksLeft} blocks left. It may be stopped when none is; --wait waits for that.`
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
