// Why: `skein schedule create | ls | stat | run | pause | resume | delete | history`: loads that run by themselves. How: what is
// after `--` are the words of `fs distributedLoad`, understood by the same parser when the schedule is made, so that a wrong
// one is found out by day.
import type { Command } from 'commander'
import type { ScheduleRun } from '../wire/generated/schedule.ts'
import { type CommandContext, openCluster, writeResult } from './context.ts'
import { exitCodes, usageError } from './exit-codes.ts'
import { scheduleListText, scheduleRunsText, scheduleText } from './format-schedule.ts'
import { durationMs, notEmpty, wholeNumber } from './numbers.ts'
import { printable } from './printable.ts'
import { scheduledLoad } from './schedule-arguments.ts'

interface CreateFlags {
  readonly cron?: string
  readonly timezone?: string
  readonly jitter?: string
  readonly catchUp?: string
  readonly after?: string
  readonly readyBy?: string
  readonly overlap?: true
}

const catchUpWords = ['latest', 'all', 'none']

export function addCommands(parent: Command, context: CommandContext): void {
  parent
    .command('create')
    .description('load a path again and again; write the words of distributedLoad after --')
    .argument('<name>')
    .argument('[words...]', '-- <path> [options of fs distributedLoad]')
    .option('--cron <times>', "minute hour day month weekday, such as '0 2 * * *'; with seconds first, six fields")
    .option('--timezone <name>', 'of the times, such as Asia/Shanghai (default: UTC)')
    .option('--jitter <duration>', 'begin up to so much later, the same for the same run')
    .option('--catch-up <which>', 'which of the missed runs to make up for: latest (default), all, none')
    .option('--after <name>', 'run when a run of this schedule has completed')
    .option('--ready-by <HH:MM>', 'begin early enough to be done by then')
    .option('--overlap', 'begin although the run before goes on')
    .action(async (name: string, words: readonly string[], flags: CreateFlags) => create(context, name, words, flags))
  parent
    .command('ls')
    .description('list schedules')
    .action(async () => {
      const { schedules } = await (await openCluster(context)).schedules().listSchedules({}, { signal: context.signal })
      writeResult(context, { schedules }, scheduleListText(schedules))
    })
  const described = [
    ['stat', 'all there is to know of a schedule', 'getSchedule'],
    ['pause', 'run no more until resumed; a run that goes on is left alone', 'pauseSchedule'],
    ['resume', 'run again, from now on', 'resumeSchedule'],
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
    .description('run now, whatever its times')
    .argument('<name>')
    .action(async (name: string) => runNow(context, name))
  parent
    .command('delete')
    .description('delete a schedule and its history; its loads stay')
    .argument('<name>')
    .action(async (name: string) => {
      await (await openCluster(context)).schedules().deleteSchedule({ name }, { signal: context.signal })
      writeResult(context, { name, deleted: true }, `Schedule ${printable(name)} is deleted`)
    })
  parent
    .command('history')
    .description('the runs of a schedule, the latest first')
    .argument('<name>')
    .option('--limit <n>', 'how many', '50')
    .action(async (name: string, flags: { limit: string }) => {
      const limit = wholeNumber('--limit', flags.limit, 1, 1000)
      const { runs } = await (await openCluster(context)).schedules().listScheduleRuns({ name, limit }, { signal: context.signal })
      writeResult(context, { runList: runs }, scheduleRunsText(runs))
    })
}

async function create(context: CommandContext, name: string, words: readonly string[], flags: CreateFlags): Promise<void> {
  const { catchUp = 'latest' } = flags
  if (!catchUpWords.includes(catchUp)) throw usageError(`--catch-up is ${catchUpWords.join(', ')}, not '${catchUp}'`)
  const jitterMs = flags.jitter === undefined ? 0 : durationMs('--jitter', flags.jitter)
  checkTimeFlags(flags)
  const { path, options, cluster } = await scheduledLoad(context, words)
  const definition = {
    ...{ name, cron: flags.cron ?? '', timezone: flags.timezone ?? '', jitterMs, catchUp, after: flags.after ?? '' },
    ...{ readyBy: flags.readyBy ?? '', overlap: flags.overlap === true, path, options },
  }
  const schedule = await cluster.schedules().createSchedule(definition, { signal: context.signal })
  const { warning = '', ...made } = schedule
  if (warning !== '') context.io.stderr(`skein: warning: ${printable(warning)}\n`)
  writeResult(context, made, scheduleText(made))
}

/** What would be given for nothing. @throws SkeinError invalid_argument (usage) */
function checkTimeFlags(flags: CreateFlags): void {
  const { after, cron, readyBy, timezone, jitter, catchUp } = flags
  for (const [option, text] of Object.entries({ cron, timezone, after, 'ready-by': readyBy }))
    if (text !== undefined) notEmpty(`--${option}`, text)
  if (after === undefined) return
  const ofTimes = { cron, 'ready-by': readyBy, timezone, jitter, 'catch-up': catchUp }
  const useless = Object.entries(ofTimes).find(([, text]) => text !== undefined)?.[0]
  if (useless !== undefined) throw usageError(`--after and --${useless} do not go together: no time of day starts such a schedule`)
}

async function runNow(context: CommandContext, name: string): Promise<void> {
  const run: ScheduleRun = await (await openCluster(context)).schedules().runSchedule({ name }, { signal: context.signal })
  if (run.state === 'REFUSED' || run.state === 'SKIPPED') context.setExitCode(exitCodes.failed)
  const load =
    run.loadId === ''
      ? printable(run.reason) || 'it begins soon'
      : `load ${run.loadId}; follow it with: skein job progress ${run.loadId} --watch`
  writeResult(context, run, `Run ${run.number} of ${printable(name)}: ${run.state}, ${load}`)
}
