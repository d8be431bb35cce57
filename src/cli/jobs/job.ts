// Why: `skein job ls | history | stat | cancel | progress | leader`: following and stopping loads
// that run in the job master.
import type { Command } from 'commander'
import { SkeinError } from '../../base/errors.ts'
import type { JobServiceDefinition, LoadStatus } from '../../wire/generated/job.ts'
import type { Service } from '../../wire/service.ts'
import { type CommandContext, openCluster, writeResult } from '../frame/context.ts'
import { exitCodeOfLoad } from '../frame/exit-codes.ts'
import { loadFiles } from '../../client/load-looks.ts'
import { addResume } from './job-resume.ts'
import { followLoad } from '../load/follow-load.ts'
import {
  loadFileLine,
  loadListText,
  loadProblemText,
  loadStatText,
  tuningText,
  workersText,
} from '../format/format-load.ts'
import { jsonText } from '../frame/json-document.ts'
import { loadIdOf, wholeNumber } from '../frame/numbers.ts'
import { progressOf, progressText } from '../load/progress.ts'
import { reportLoad } from '../load/report-load.ts'

export function addCommands(parent: Command, context: CommandContext): void {
  parent
    .command('ls')
    .description('list loads, newest first')
    .option('--limit <n>', 'maximum number of loads', '100')
    .action(async (flags: { limit: string }) => list(context, wholeNumber('--limit', flags.limit, 1, 100_000)))
  parent
    .command('history')
    .description('list ended loads, newest first')
    .option('--limit <n>', 'maximum number of loads', '100')
    .option('--before <id>', 'only loads older than this one')
    .action(async (flags: { limit: string; before?: string }) =>
      history(
        context,
        wholeNumber('--limit', flags.limit, 1, 100_000),
        flags.before === undefined ? '' : loadIdOf('--before', flags.before),
      ),
    )
  parent
    .command('leader')
    .description("print the job master's address")
    .action(async () => leader(context))
  addResume(parent, context)
  parent
    .command('stat')
    .description('show the details of a load')
    .argument('<id>')
    .option('-v', 'also show how the store is read and why, and list the files')
    .action(async (id: string, flags: { v?: true }) => stat(context, id, flags.v === true))
  parent
    .command('cancel')
    .description('cancel a load; cached blocks stay')
    .argument('<id>')
    .action(async (id: string) => cancel(context, id))
  parent
    .command('progress')
    .description('show the progress of a load')
    .argument('<id>')
    .option('--watch', 'follow the load until it ends; exit with the exit code of the load')
    .action(async (id: string, flags: { watch?: true }) =>
      flags.watch === true ? watch(context, id) : progress(context, id),
    )
}

async function list(context: CommandContext, limit: number): Promise<void> {
  const loads = await pagesOf(context, limit, '', false)
  writeResult(context, { loads }, loadListText(loads))
}

async function history(context: CommandContext, limit: number, beforeLoadId: string): Promise<void> {
  const loads = await pagesOf(context, limit, beforeLoadId, true)
  writeResult(context, { loads }, loadListText(loads))
}

/** The job master gives no more than so many at once. */
const pageMax = 1000

async function pagesOf(
  context: CommandContext,
  limit: number,
  beforeLoadId: string,
  endedOnly: boolean,
): Promise<LoadStatus[]> {
  const jobs = (await openCluster(context)).jobMaster()
  const loads: LoadStatus[] = []
  let before = beforeLoadId
  while (loads.length < limit) {
    const page = Math.min(pageMax, limit - loads.length)
    const request = { limit: page, ...(before === '' ? {} : { beforeLoadId: before }), ...(endedOnly && { endedOnly }) }
    const answer = await jobs.listLoads(request, { signal: context.signal })
    loads.push(...answer.loads)
    if (answer.loads.length < page) break
    before = answer.loads.at(-1)?.loadId ?? ''
  }
  return loads
}

async function leader(context: CommandContext): Promise<void> {
  const cluster = await openCluster(context)
  const { rpcAddress, webAddress } = await cluster.master().getJobMaster({}, { signal: context.signal })
  if (rpcAddress === '')
    throw new SkeinError(
      'unavailable',
      `no job master is registered with the master at ${cluster.address}: is it running?`,
    )
  writeResult(context, { rpcAddress, webAddress }, rpcAddress)
}

async function stat(context: CommandContext, loadId: string, verbose: boolean): Promise<void> {
  const { io, signal, options } = context
  const jobs = (await openCluster(context)).jobMaster()
  const status = await jobs.getLoad({ loadId }, { signal })
  const tuning = verbose ? tuningText(status.tuning?.jobWorkers ?? [], Number.POSITIVE_INFINITY) : ''
  const text = tuning === '' ? loadStatText(status) : `${loadStatText(status)}\nTuning:\n${tuning}`
  if (!verbose || options.format === 'text') writeResult(context, status, text)
  if (!verbose) return
  let separator = `${jsonText(status).slice(0, -1)},"fileList":[`
  for await (const page of loadFiles(jobs, loadId, false, signal)) {
    if (page.length === 0) continue
    const isText = options.format === 'text'
    const lines = isText
      ? page.map((file) => `${loadFileLine(file)}\n`).join('')
      : separator + page.map(jsonText).join(',')
    await io.writeBytes(Buffer.from(lines))
    separator = ','
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
  const parts = [
    `${loadId} ${progressText(progressOf(status, []))}`,
    workersText(status.workers?.workers ?? []),
    tuningText(status.tuning?.jobWorkers ?? [], 1),
  ]
  writeResult(context, status, parts.filter((part) => part !== '').join('\n'))
}

async function watch(context: CommandContext, loadId: string): Promise<void> {
  const jobs = (await openCluster(context)).jobMaster()
  if (context.options.format === 'json') return await watchEvents(context, jobs, loadId)
  const status = await followLoad(context, jobs, loadId, context.signal)
  await reportLoad(context, (await context.config('client')).home, jobs, status)
}

/** A line an event; the last one has the result. */
async function watchEvents(
  context: CommandContext,
  jobs: Service<JobServiceDefinition>,
  loadId: string,
): Promise<void> {
  const { io, signal } = context
  const status = await followLoad(context, jobs, loadId, signal, {
    eachEvent: (event) => io.stdout(`${jsonText(event)}\n`),
  })
  context.setExitCode(exitCodeOfLoad(status))
  const problem = loadProblemText(status)
  if (problem !== undefined) io.stderr(`skein: ${problem}\n`)
}
