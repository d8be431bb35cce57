// Why: `skein fsadmin report`: the cluster at a glance; `fsadmin backup`: what only the master
// knows, in a file; `fsadmin doctor`: what is wrong with the cluster; `fsadmin decommission` and
// `forget`: a worker leaves it without loss, or is lost for good. How: the master copies the
// worker's blocks away; whoever waits asks how many are left.
import type { Command } from 'commander'
import { formatBytes } from '../../base/bytes.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { Cluster } from '../../client/cluster.ts'
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
        throw usageError(`unknown report '${what}'; use one of ${Object.keys(reports).join(', ')}`)
      await reports[what as keyof typeof reports](context)
    })
  suggested(report, 'what', Object.keys(reports))
  parent
    .command('backup')
    .description(
      "back up the master's metadata to a file on the master's host while the master runs; " +
        'the secret key is not included',
    )
    .argument('[directory]', 'absolute path; default: `backups` in the home of the master')
    .action(async (directory: string | undefined) => backup(context, directory ?? ''))
  parent
    .command('doctor')
    .description('check the cluster and list problems')
    .option('--deep', 'also check every row in a copy of the state of the master and the job master')
    .action(async (flags: { deep?: true }) => doctor(context, flags.deep === true))
  parent
    .command('decommission')
    .description('copy the blocks of a worker to other workers and send it no new blocks')
    .argument('<worker>', 'worker id, hostname, or host:port')
    .option('--cancel', 'stop the decommissioning; the worker accepts blocks again')
    .option('--wait', 'wait until no block of the worker is needed')
    .action(async (worker: string, flags: { cancel?: true; wait?: true }) => {
      if (worker.trim() === '') throw usageError('the worker is missing: give a worker id, hostname, or host:port')
      if (flags.cancel === true && flags.wait === true) throw usageError('--cancel and --wait cannot be combined')
      await decommission(context, worker, flags.cancel === true, flags.wait === true)
    })
  parent
    .command('adopt')
    .description(
      'adopt workers that hold blocks of another cluster; list, recover or release blocks that exist only there',
    )
    .argument('[id]', 'id of the other cluster or of a later state of this cluster, as shown by `fsadmin doctor`')
    .option('--list', 'list files that are unknown to this master and whose blocks exist nowhere else')
    .option('--recover', 'write these files to their namespaces and delete the old blocks')
    .option(
      '--into <path>',
      'with --recover: write all files below this directory, for example if their namespace was deleted',
    )
    .option('--release', 'permanently delete the blocks of these files')
    .action(async (id: string | undefined, flags: AdoptFlags) => adopt(context, id, flags))
  parent
    .command('forget')
    .description('remove a lost worker from the reports')
    .argument('<worker>', 'worker id, hostname, or host:port')
    .action(async (worker: string) => {
      if (worker.trim() === '') throw usageError('the worker is missing: give a worker id, hostname, or host:port')
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
    const command = `skein fsadmin decommission ${printable(worker)}`
    const again = `run '${command}' to show the progress, or with --cancel to stop it`
    throw new SkeinError(
      'cancelled',
      `stopped waiting; the decommissioning of ${printable(worker)} continues: ${again}`,
    )
  }
  writeResult(context, { ...answer, cancelled: cancel }, decommissionText(worker, cancel, answer))
}

function decommissionText(worker: string, cancel: boolean, answer: DecommissionResponse): string {
  const name = `Worker ${printable(worker)}`
  if (cancel) return `${name} accepts blocks again.`
  if (answer.done) return `${name} is decommissioned. You can stop it.`
  return (
    `${name} is being decommissioned: ${blocksLeftText(answer)}. ` +
    'Stop it when no block is left; use --wait to wait for that.'
  )
}

/** With the reason why they are still there. */
function blocksLeftText({ blocksLeft, waitingFor = '' }: DecommissionResponse): string {
  return (
    `${blocksLeft} ${blocksLeft === 1 ? 'block' : 'blocks'} ` +
    `left${waitingFor === '' ? '' : ` (${printable(waitingFor)})`}`
  )
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
  const rows = checks.map((check) => `\n${check.rows} rows of the state of the ${check.role} were checked.`).join('')
  const document = deep ? { problems, states: checks } : { problems }
  writeResult(
    context,
    document,
    (problems.length === 0 ? 'No problems found.' : problems.map(printable).join('\n')) + rows,
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
  const checks: StateCheck[] = [{ role: 'master', ...(await cluster.master().checkState({}, options)) }]
  if (jobMasterAnswers) checks.push({ role: 'job master', ...(await cluster.jobMaster().checkJobState({}, options)) })
  return checks
}

async function reportMetrics(context: CommandContext): Promise<void> {
  const cluster = await openCluster(context)
  const call = { signal: context.signal }
  const [{ metrics: sums }, { files }] = await Promise.all([
    cluster.master().getClusterMetrics({}, call),
    cluster.master().getClusterSummary({}, call),
  ])
  // Operators for Kubernetes take the number of files from this line.
  const metrics = [...sums, { name: 'Master.FilesCompleted', type: 'COUNTER', value: files, unit: 'COUNT' }]
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
