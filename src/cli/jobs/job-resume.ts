// Why: `skein job resume ID`: a load that did not bring in everything is gone on with, as a new
// load.
import type { Command } from 'commander'
import { type CommandContext, openCluster, writeResult } from '../frame/context.ts'
import { followLoad } from '../load/follow-load.ts'
import { followHint } from '../load/load-events.ts'
import { reportLoad } from '../load/report-load.ts'

export function addResume(parent: Command, context: CommandContext): void {
  parent
    .command('resume')
    .description('resume a load that is PARTIAL, FAILED or CANCELLED; only missing blocks are loaded')
    .argument('<id>')
    .option('--async', 'return as soon as the load is resumed')
    .action(async (id: string, flags: { async?: true }) => resume(context, id, flags.async === true))
}

async function resume(context: CommandContext, resumed: string, leave: boolean): Promise<void> {
  const jobs = (await openCluster(context)).jobMaster()
  const { loadId, joined } = await jobs.resumeLoad({ loadId: resumed }, { signal: context.signal })
  if (leave) {
    const text = `${resumed} continues as ${loadId}; ${followHint(loadId)}`
    writeResult(context, { loadId, joined, resumedFrom: resumed }, text)
    return
  }
  context.io.stderr(`${resumed} continues as ${loadId}\n`)
  const status = await followLoad(context, jobs, loadId, context.signal)
  await reportLoad(context, (await context.config('client')).home, jobs, status)
}
