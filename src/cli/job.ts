// Why: `skein job ls | stat | cancel | progress`: following and stopping loads that run in the job master.
import type { Command } from 'commander'
import { type CommandContext, openCluster, writeResult } from './context.ts'
import { loadFiles } from './failed-list.ts'
import { followLoad } from './follow-load.ts'
import { loadFileLine, loadListText, loadStatText } from './format-load.ts'
import { wholeNumber } from './numbers.ts'
import { progressOf, progressText } from './progress.ts'
import { reportLoad } from './report-load.ts'

export function addCommands(parent: Command, context: CommandContext): void {
  parent
    .command('ls')
    .description('list loads, the newest first')
    .option('--limit <n>', 'how many', '100')
    .action(async (flags: { limit: string }) => list(context, wholeNumber('--limit', flags.limit, 1, 100_000)))
  parent
    .command('stat')
    .description('all there is to know of a load')
    .argument('<id>')
    .option('-v', 'with its files')
    .action(async (id: string, flags: { v?: true }) => stat(context, id, flags.v === true))
  parent
    .command('cancel')
    .description('cancel a load; what is cached stays')
    .argument('<id>')
    .action(async (id: string) => cancel(context, id))
  parent
    .command('progress')
    .description('how far a load is')
    .argument('<id>')
    .option('--watch', 'until it ends; the exit code is that of the load')
    .action(async (id: string, flags: { watch?: true }) => (flags.watch === true ? watch(context, id) : progress(context, id)))
}

async function list(context: CommandContext, limit: number): Promise<void> {
  const cluster = await openCluster(context)
  const { loads } = await cluster.jobMaster().listLoads({ limit }, { signal: context.signal })
  writeResult(context, { loads }, loadListText(loads))
}

async function stat(context: CommandContext, loadId: string, verbose: boolean): Promise<void> {
  const { io, signal, options } = context
  const jobs = (await openCluster(context)).jobMaster()
  const status = await jobs.getLoad({ loadId }, { signal })
  if (!verbose || options.format === 'text') writeResult(context, status, loadStatText(status))
  if (!verbose) return
  let separator = `${JSON.stringify(status).slice(0, -1)},"fileList":[`
  for await (const page of loadFiles(jobs, loadId, false, signal)) {
    for (const file of page) {
      io.stdout(options.format === 'text' ? `${loadFileLine(file)}\n` : separator + JSON.stringify(file))
      separator = ','
    }
  }
  if (options.format === 'json') io.stdout(`${separator === ',' ? '' : separator}]}\n`)
}

async function cancel(context: CommandContext, loadId: string): Promise<void> {
  const jobs = (await openCluster(context)).jobMaster()
  await jobs.cancelLoad({ loadId }, { signal: context.signal })
  const status = await jobs.getLoad({ loadId }, { signal: context.signal })
  const text = status.endedMs > 0 ? `Load ${loadId} has ended: ${status.state}` : `Load ${loadId} is being cancelled`
  writeResult(context, { loadId, state: status.state, cancelling: status.cancelling }, text)
}

async function progress(context: CommandContext, loadId: string): Promise<void> {
  const jobs = (await openCluster(context)).jobMaster()
  const status = await jobs.getLoad({ loadId }, { signal: context.signal })
  writeResult(context, status, `${loadId} ${progressText(progressOf(status, []))}`)
}

async function watch(context: CommandContext, loadId: string): Promise<void> {
  const jobs = (await openCluster(context)).jobMaster()
  const status = await followLoad(context, jobs, loadId, context.signal)
  await reportLoad(context, (await context.config('client')).home, jobs, status)
}
