// Why: `skein fsadmin report`: the cluster at a glance; `fsadmin backup`: what only the master
// knows, in a file; `fsadmin doctor`: what is wrong with the cluster; `fsadmin decommission` and
// `forget`: a worker leaves it without loss, or is lost for good. How: the master copies the
// worker's blocks away; whoever waits asks how many are left.
import type { Command } from 'commander'
import { formatBytes } from '../../base/bytes.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { Cluster } from '../../client/file-system.ts'
import type { DecommissionResponse } from '../../wire/generated/lifecycle.ts'
import { adopt, type AdoptFlags } from './fsadmin-adopt.ts'
import { type CommandContext, openCluster, writeResult } from '../frame/context.ts'
import { exitCodes, usageError } from '../frame/exit-codes.ts'
import { isOfSnapshot, problemsOf, type StateCheck, stateProblems } from '../format/format-doctor.ts'
import { metricsText, ufsText } from '../format/format-metrics.ts'
import { mountsOf } from '../format/format-namespace.ts'
import { capacityText, jobServiceText, summaryText } from '../format/format-report.ts'
import { longCallMs } from '../frame/long-call.ts'
import { printable } from '../frame/printable.ts'
import { suggested } from '../frame/suggested.ts'

const reports = {
  summary: reportSummary,
  capacity: reportCapacity,
  jobservice: reportJobService,
  metrics: reportMetrics,
  ufs: reportUfs,
} as const

export function addCommands(parent: Command, context: CommandContext): void {
  const report = parent
    .command('report')
    .description('summary (default), capacity, jobservice, metrics or ufs')
    .argument('[what]', Object.keys(reports).join(' | '), 'summary')
    .action(async (what: string) => {
      if (!Object.hasOwn(reports, what))
        throw usageError(`there is no report '${what}'; there are ${Object.keys(reports).join(', ')}`)
      await reports[what as keyof typeof reports](context)
    })
  suggested(report, 'what', Object.keys(reports))
  parent
    .command('backup')
    .description(
      "write the master's metadata to a file (on the master's machine), while it serves; the key of the secrets is not in it",
    )
    .argument('[directory]', "absolute; default: `backups` in the master's home")
    .action(async (directory: string | undefined) => backup(context, directory ?? ''))
  parent
    .command('doctor')
    .description('name what is wrong with the cluster')
    .option('--deep', "walk a copy of the master's and the job master's state too, every row of it")
    .action(async (flags: { deep?: true }) => doctor(context, flags.deep === true))
  parent
    .command('decommission')
    .description('copy the blocks of a worker to others and give it no new ones')
    .argument('<worker>', 'its id, hostname, or host:port')
    .option('--cancel', 'let it take blocks again')
    .option('--wait', 'until none of its blocks is needed any more')
    .action(async (worker: string, flags: { cancel?: true; wait?: true }) => {
      if (worker.trim() === '') throw usageError('the worker is missing: name its id, hostname, or host:port')
      if (flags.cancel === true && flags.wait === true)
        throw usageError('--cancel has nothing to wait for: leave --wait out')
      await decommission(context, worker, flags.cancel === true, flags.wait === true)
    })
  parent
    .command('adopt')
    .description('take over workers that hold blocks of another cluster; see and recover what only they have')
    .argument('[id]', 'the cluster, or the later state of this one, as `fsadmin doctor` names it')
    .option('--list', 'files whose bytes exist nowhere else and that this master does not know')
    .option('--recover', 'write these files again, where their namespaces are, and let their old blocks go')
    .option('--into <path>', 'with --recover: write them all below this directory, for namespaces that are gone')
    .option('--release', 'delete their bytes for good')
    .action(async (id: string | undefined, flags: AdoptFlags) => adopt(context, id, flags))
  parent
    .command('forget')
    .description('take a lost worker that does not come back out of the reports')
    .argument('<worker>', 'its id, hostname, or host:port')
    .action(async (worker: string) => {
      if (worker.trim() === '') throw usageError('the worker is missing: name its id, hostname, or host:port')
      await forget(context, worker)
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
  try {
    while (!isOver()) {
      if (clock.monotonicMs() >= nextLineMs) {
        io.stderr(`worker ${printable(worker)}: ${blocksLeftText(answer)}\n`)
        nextLineMs = clock.monotonicMs() + lineEveryMs
      }
      await clock.sleep(pollMs, signal)
      answer = await ask()
    }
  } catch (thrown) {
    if (!signal.aborted) throw thrown
    const again = `run 'skein fsadmin decommission ${printable(worker)}' to see how far it is, and with --cancel to end it`
    throw new SkeinError('cancelled', `stopped waiting; the decommissioning of ${printable(worker)} goes on: ${again}`)
  }
  writeResult(context, { ...answer, cancelled: cancel }, decommissionText(worker, cancel, answer))
}

function decommissionText(worker: string, cancel: boolean, answer: DecommissionResponse): string {
  const name = `Worker ${printable(worker)}`
  if (cancel) return `${name} takes blocks again.`
  if (answer.done) return `${name} is decommissioned: it may be stopped.`
  return `${name} is being decommissioned: ${blocksLeftText(answer)}. It may be stopped when none is left; --wait waits for that.`
}

/** With the reason why they are still there. */
function blocksLeftText({ blocksLeft, waitingFor = '' }: DecommissionResponse): string {
  return `${blocksLeft} ${blocksLeft === 1 ? 'block' : 'blocks'} left${waitingFor === '' ? '' : ` (${printable(waitingFor)})`}`
}

async function forget(context: CommandContext, worker: string): Promise<void> {
  const cluster = await openCluster(context)
  const { workerId } = await cluster.lifecycle().forgetWorker({ worker }, { signal: context.signal })
  writeResult(context, { workerId, forgotten: true }, `Worker ${printable(worker)} is forgotten.`)
}

async function backup(context: CommandContext, directory: string): Promise<void> {
  const cluster = await openCluster(context)
  const written = await cluster.master().backup({ directory }, { signal: context.signal, deadlineMs: longCallMs })
  const { path, files, bytes } = written
  writeResult(
    context,
    written,
    `Successfully backed up the metadata of ${files} files to ${printable(path)} (${formatBytes(bytes)})`,
  )
}

/** Exit code 1 when something is wrong. */
async function doctor(context: CommandContext, deep: boolean): Promise<void> {
  const { signal } = context
  const cluster = await openCluster(context)
  const summary = await cluster.master().getClusterSummary({}, { signal })
  const { workers } = await cluster.master().listWorkers({}, { signal })
  const jobs = await cluster
    .jobMaster()
    .getJobServiceSummary({}, { signal })
    .catch((thrown: unknown) => toSkeinError(thrown))
  // First: what reads on in a damaged state may end the master before anything is said.
  const checks = deep ? await stateChecks(context, cluster, !(jobs instanceof SkeinError)) : []
  const isDamaged = checks.some(
    ({ role, findings }) => role === 'master' && findings.some((finding) => !isOfSnapshot(finding)),
  )
  // Before the workers have reported, everything would seem to be nowhere.
  const checked =
    summary.safeMode || isDamaged
      ? undefined
      : await cluster
          .lifecycle()
          .checkConsistency({ path: '/', repair: false, cachedOnly: true }, { signal, deadlineMs: longCallMs })
  const problems = problemsOf(summary, workers, jobs instanceof SkeinError ? jobs.message : jobs, checked?.unreadable)
  problems.push(...stateProblems(checks))
  const rows = checks.map((check) => `\n${check.rows} rows of the state of the ${check.role} were looked at.`).join('')
  const document = deep ? { problems, states: checks } : { problems }
  writeResult(
    context,
    document,
    (problems.length === 0 ? 'Nothing is wrong.' : problems.map(printable).join('\n')) + rows,
  )
  if (problems.length > 0) context.setExitCode(exitCodes.failed)
}

/** A walk takes seconds for each million rows, and ends by itself after ten minutes. */
const checkMs = 15 * 60_000

async function stateChecks(
  context: CommandContext,
  cluster: Cluster,
  jobMasterAnswers: boolean,
): Promise<StateCheck[]> {
  const options = { signal: context.signal, deadlineMs: checkMs }
  const checks = [{ role: 'master', ...(await cluster.master().checkState({}, options)) }]
  if (jobMasterAnswers) checks.push({ role: 'job master', ...(await cluster.jobMaster().checkJobState({}, options)) })
  return checks
}

async function reportMetrics(context: CommandContext): Promise<void> {
  const cluster = await openCluster(context)
  const { metrics } = await cluster.master().getClusterMetrics({}, { signal: context.signal })
  writeResult(context, { metrics }, metricsText(metrics))
}

async function reportUfs(context: CommandContext): Promise<void> {
  const cluster = await openCluster(context)
  const { namespaces } = await cluster.master().listNamespaces({}, { signal: context.signal })
  writeResult(context, { mounts: mountsOf(namespaces) }, ufsText(namespaces))
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
