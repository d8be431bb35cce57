// Why: what `fsadmin doctor` takes for wrong, and how it says so: what, where, and what to do.
// Pure.
import type { JobServiceSummary } from '../../wire/generated/job.ts'
import type { UnreadableFiles } from '../../wire/generated/lifecycle.ts'
import type { ClusterSummary, RefusedWorker, UnwrittenFiles, WorkerInfo } from '../../wire/generated/master.ts'

/** Files that a line names. */
const namedFilesMax = 5

/**
 * One line a problem. @param jobs a text: why the job master does not answer @param unreadable not
 * known yet: undefined
 */
export function problemsOf(
  summary: ClusterSummary,
  workers: readonly WorkerInfo[],
  jobs: JobServiceSummary | string,
  unreadable?: UnreadableFiles,
): string[] {
  const problems: string[] = []
  if (summary.safeMode) problems.push('The master is in safe mode: it waits for block reports of known workers.')
  if (summary.liveWorkers === 0) problems.push('No worker is running, so nothing can be cached. Start a worker.')
  for (const worker of workers) problems.push(...problemsOfWorker(worker))
  for (const worker of summary.refusedWorkers) problems.push(refusedText(worker))
  if (unreadable !== undefined && unreadable.total > 0) problems.push(unreadableText(unreadable))
  if (summary.unwritten !== undefined) problems.push(unwrittenText(summary.unwritten))
  if (typeof jobs === 'string')
    return [...problems, `The job master does not respond, so nothing can be loaded: ${jobs}`]
  if (jobs.liveJobWorkers === 0) problems.push('No job worker is running, so loads wait. Start a job worker.')
  if (!jobs.queueHealthy) problems.push(`The queue ${jobs.queue} does not respond. Loads wait until it responds.`)
  for (const warning of jobs.queueWarnings) problems.push(`${warning}.`)
  return problems
}

/** What a role found when it walked a copy of its state. */
export interface StateCheck {
  readonly role: StateRole
  readonly findings: readonly string[]
  readonly rows: number
}

export type StateRole = 'master' | 'job master'

/** One line per finding, with the next step. */
export function stateProblems(checks: readonly StateCheck[]): string[] {
  return checks.flatMap(({ role, findings }) =>
    findings.map((finding) => `State of the ${role}: ${finding}. ${adviceOn(role, finding, findings)}`),
  )
}

/** The state itself may be whole. */
export function isOfSnapshot(finding: string): boolean {
  return finding.includes('snapshot')
}

/** Writes a new snapshot of a sound state. */
const snapshotAdvice: Readonly<Record<StateRole, string>> = {
  master: "Run 'skein fsadmin backup', which writes a new one.",
  'job master': 'Stop the job master with SIGTERM, which writes a new one, and start it again.',
}
/** When neither the state nor its snapshot can be used. */
const lostAdvice: Readonly<Record<StateRole, string>> = {
  master: 'Restore a backup into an empty home.',
  'job master': 'Start it with an empty directory; its loads and schedules must be submitted again.',
}

function adviceOn(role: StateRole, finding: string, findings: readonly string[]): string {
  const isStateDamaged = !findings.every(isOfSnapshot)
  const isSnapshotDamaged = findings.some(isOfSnapshot)
  if (isStateDamaged && isSnapshotDamaged)
    return `Neither the state nor the snapshot can be used: the ${role} cannot start again. ${lostAdvice[role]}`
  if (isOfSnapshot(finding)) return snapshotAdvice[role]
  return (
    `Start the ${role} again: it restores its state from the snapshot and the journal. ` +
    `If the problem remains: ${lostAdvice[role]}`
  )
}

function problemsOfWorker(worker: WorkerInfo): string[] {
  const name = `Worker ${worker.hostname} (${worker.rpcAddress})`
  if (!worker.live)
    return [`${name} is lost: start it again, or run 'skein fsadmin forget ${worker.workerId}' if it will not return.`]
  const problems = worker.directories.flatMap(({ path, tier, state = '' }) =>
    state === '' || state === 'NORMAL'
      ? []
      : [`${name}: directory ${path} of tier ${tier} is ${state.toLowerCase()}: check its disk.`],
  )
  const { keptBlocks = 0 } = worker
  if (keptBlocks > 0)
    problems.push(
      `${name} keeps ${keptBlocks} blocks that exist nowhere else and whose files are unknown to this master: ` +
        "list them with 'fsadmin adopt --list'.",
    )
  if (worker.capacityBytes === 0)
    problems.push(`${name} has no capacity: set goosefs.worker.tieredstore.level0.dirs.quota.`)
  return problems
}

function refusedText({ hostname, workerId, clusterId, blocks, adopt }: RefusedWorker): string {
  return (
    `Worker ${hostname} (${workerId}) is refused: ` +
    `it holds ${blocks} blocks of cluster ${clusterId}, or of a later state of this cluster. ` +
    'It keeps them. Connect it to its own master, restore that master from a backup, or adopt the worker: ' +
    `skein fsadmin adopt ${adopt}`
  )
}

function unwrittenText({ files, total }: UnwrittenFiles): string {
  const [last] = files.slice(-1)
  const count = total === 1 ? '1 file' : `${total} files`
  return (
    `${count} cannot be written to the store, such as ${last?.path}: ${last?.problem}. ` +
    'If the store has another version, overwrite or move the file; else mend the cause. Attempts go on.'
  )
}

function unreadableText({ paths, total }: UnreadableFiles): string {
  const some = paths.slice(0, namedFilesMax)
  const named = `${some.join(', ')}${total > some.length ? ` and ${total - some.length} more` : ''}`
  const count = total === 1 ? '1 file' : `${total} files`
  return (
    `${count} cannot be read: not written to the store, and with blocks on no live worker: ${named}. ` +
    'Start the workers that hold the blocks. If the store has the files (for example after a restored backup), ' +
    "run 'fs rm --cacheOnly' and then 'fs loadMetadata' for them."
  )
}
