// Why: `skein schedule create | update | ls | stat | run | pause | resume | delete | history`:
// loads that run by themselves. How: what is after `--` are the words of `fs distributedLoad`,
// understood by the same parser when the schedule is made, so that a wrong one is found out by day.
import type { Command } from 'commander'
import { SkeinError } from '../../base/errors.ts'
import type { Schedule, ScheduleRun } from '../../wire/generated/schedule.ts'
import { type CommandContext, openCluster, writeResult } from '../frame/context.ts'
import { exitCodes, usageError } from '../frame/exit-codes.ts'
import { scheduleListText, scheduleRunsText, scheduleText } from '../format/format-schedule.ts'
import { wholeNumber } from '../frame/numbers.ts'
import { printable } from '../frame/printable.ts'
import { warnOfBandwidth } from '../load/load-flags.ts'
import { scheduledLoad } from './schedule-arguments.ts'
import { addTimeFlags, newTimes, type TimeFlags, timesAgain, withTimes } from './schedule-time-flags.ts'

export function addCommands(parent: Command, context: CommandContext): void {
  addTimeFlags(
    parent
      .command('create')
      .description('create a schedule for a load; put the arguments of fs distributedLoad after --')
      .argument('<name>')
      .argument('[words...]', '-- <path> [options of fs distributedLoad]'),
  ).action(async (name: string, words: readonly string[], flags: TimeFlags) => create(context, name, words, flags))
  addTimeFlags(
    parent
      .command('update')
      .description('change the times of a schedule or, after --, its load; runs and history stay')
      .argument('<name>')
      .argument('[words...]', '-- <path> [options of fs distributedLoad]: replaces all previous arguments'),
  )
    .option('--no-overlap', 'wait for the previous run to end')
    .action(async (name: string, words: readonly string[], flags: TimeFlags) => update(context, name, words, flags))
  parent
    .command('ls')
    .description('list schedules')
    .action(async () => {
      const { schedules } = await (await openCluster(context)).schedules().listSchedules({}, { signal: context.signal })
      writeResult(context, { schedules }, scheduleListText(schedules))
    })
  const described = [
    ['stat', 'show the details of a schedule', 'getSchedule'],
    ['pause', 'pause a schedule; a running load continues', 'pauseSchedule'],
    ['resume', 'resume a paused schedule', 'resumeSchedule'],
  ] as const
  for (const [command, description, method] of described) {
    parent
      .command(command)
      .description(description)
      .argument('<name>')
      .action(async (name: string) => {
        const schedule = await (await openCluster(context)).schedules()[method]({ name }, { signal: context.signal })
        writeResult(context, schedule, scheduleText(schedule))
      })
  }
  parent
    .command('run')
    .description('start a run now')
    .argument('<name>')
    .action(async (name: string) => runNow(context, name))
  parent
    .command('delete')
    .description('delete a schedule and its history; its loads stay listed')
    .argument('<name>')
    .action(async (name: string) => {
      await (await openCluster(context)).schedules().deleteSchedule({ name }, { signal: context.signal })
      writeResult(context, { name, deleted: true }, `Schedule ${printable(name)} is deleted`)
    })
  parent
    .command('history')
    .description('list the runs of a schedule, newest first')
    .argument('<name>')
    .option('--limit <n>', 'maximum number of runs', '50')
    .action(async (name: string, flags: { limit: string }) => {
      const limit = wholeNumber('--limit', flags.limit, 1, 1000)
      const { runs } = await (
        await openCluster(context)
      )
        .schedules()
        .listScheduleRuns({ name, limit }, { signal: context.signal })
      writeResult(context, { runList: runs }, scheduleRunsText(runs))
    })
}

async function create(
  context: CommandContext,
  name: string,
  words: readonly string[],
  flags: TimeFlags,
): Promise<void> {
  const times = newTimes(flags)
  const { path, options, cluster } = await scheduledLoad(context, words)
  warnOfBandwidth(context, options.bandwidth)
  const schedule = await cluster
    .schedules()
    .createSchedule({ name, ...times, path, options }, { signal: context.signal })
  writeSchedule(context, schedule)
}

async function update(
  context: CommandContext,
  name: string,
  words: readonly string[],
  flags: TimeFlags,
): Promise<void> {
  const changes = timesAgain(flags)
  if (words.length === 0 && Object.keys(changes).length === 0)
    throw usageError('no change given: use a time option, or put the arguments of fs distributedLoad after --')
  const load = words.length === 0 ? undefined : await scheduledLoad(context, words)
  warnOfBandwidth(context, load?.options.bandwidth)
  const cluster = load?.cluster ?? (await openCluster(context))
  const { definition } = await cluster.schedules().getSchedule({ name }, { signal: context.signal })
  if (definition === undefined)
    throw new SkeinError('internal', `the job master shows schedule ${name} without a definition`)
  const what = load === undefined ? {} : { path: load.path, options: load.options }
  const changed = { ...withTimes(definition, changes), ...what }
  writeSchedule(context, await cluster.schedules().updateSchedule(changed, { signal: context.signal }))
}

function writeSchedule(context: CommandContext, { warning = '', ...schedule }: Schedule): void {
  if (warning !== '') context.io.stderr(`skein: warning: ${printable(warning)}\n`)
  writeResult(context, schedule, scheduleText(schedule))
}

async function runNow(context: CommandContext, name: string): Promise<void> {
  const run: ScheduleRun = await (
    await openCluster(context)
  )
    .schedules()
    .runSchedule({ name }, { signal: context.signal })
  if (run.state === 'REFUSED' || run.state === 'SKIPPED') context.setExitCode(exitCodes.failed)
  const load =
    run.loadId === ''
      ? printable(run.reason) || 'the run starts soon'
      : `load ${run.loadId}; follow it with: skein job progress ${run.loadId} --watch`
  writeResult(context, run, `Run ${run.number} of ${printable(name)}: ${run.state}, ${load}`)
}
