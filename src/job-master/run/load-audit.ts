// Why: COMPLETED is said only after the master confirmed every replica of every block. How: the
// load's sets are walked page by page; what is short is asked again for a grace time (reports lag
// behind completions), waits for workers that may come back, and is then repaired by new sets, or
// given up when the rounds or the patience are used up. A round walks through all of the load,
// while the repairs of its first pages run already; what they brought the next round asks.
import { isSkeinError, toSkeinError } from '../../base/errors.ts'
import { planRepairs, shortageFailure, type AuditSubject } from '../../load/plan/audit.ts'
import type { RepairPlanned, Reopened, Replacement } from '../../load/state/load-commands.ts'
import { stagingOf, wishOf, type FileFailure, type LoadRecord } from '../../load/load.ts'
import { releasePlan } from '../../load/plan/planner.ts'
import type { AuditedFile } from '../../wire/generated/master.ts'
import type { RunningLoad } from '../running-load.ts'
import { planReplacement } from '../set/replacement-plan.ts'

const setsPerPage = 64
const filesPerCall = 1000
/** Blocks whose repair is one command, unless they are of one file. */
const shortagesPerCommand = 2000

interface Round {
  readonly number: number
  readonly startedMs: number
  /** Whether it has waited for workers for as long as the load is patient. */
  outOfPatience: boolean
  /** Files that it has taken care of. */
  readonly repaired: Set<number>
}

/** Audits the whole load. True when it must run again because repairs were planned. */
export async function auditLoad(runner: RunningLoad, number: number, signal: AbortSignal): Promise<boolean> {
  const round: Round = {
    number,
    startedMs: runner.context.clock.monotonicMs(),
    outOfPatience: false,
    repaired: new Set(),
  }
  // Sets from here on are repairs of this round.
  const end = runner.load().nextSet
  for (let from = 0; ;) {
    const rows = runner.context.tables.sets.scan([runner.loadId], from, setsPerPage).filter(({ id }) => id < end)
    const last = rows.at(-1)
    // The first repair that opened a set has let the load run again.
    if (last === undefined) return runner.load().mode === 'RUNNING'
    from = last.id + 1
    const subjects = new Map<number, AuditSubject>()
    for (const { id, value } of rows) {
      for (const piece of value.pieces)
        subjects.set(piece.fileId, { set: id, cached: value.cached && !wasRepaired(runner, piece.fileId), piece })
    }
    const wanted = withoutFailed(
      runner,
      [...subjects.keys()].filter((fileId) => !round.repaired.has(fileId)),
    )
    const { replication } = runner.load().options
    for (const [replicas, fileIds] of Map.groupBy(
      wanted,
      (fileId) => subjects.get(fileId)?.piece.replication ?? replication,
    ))
      await auditFiles(runner, round, { replicas, fileIds, subjects }, signal)
  }
}

/** What was cached and got lost has been loaded since: it counts as loaded. */
function wasRepaired({ context: { tables }, loadId }: RunningLoad, fileId: number): boolean {
  return tables.files.get([loadId, fileId]) !== undefined
}

interface Audited {
  readonly fileIds: readonly number[]
  /** That each of them shall have. */
  readonly replicas: number
  readonly subjects: ReadonlyMap<number, AuditSubject>
}

async function auditFiles(
  runner: RunningLoad,
  round: Round,
  { fileIds, replicas, subjects }: Audited,
  signal: AbortSignal,
): Promise<void> {
  for (let index = 0; index < fileIds.length; index += filesPerCall) {
    const part = fileIds.slice(index, index + filesPerCall)
    const lacking = await lackingFiles(runner, round, { fileIds: part, replicas, subjects }, signal)
    for (const files of commandsOf(lacking)) await repair(runner, round, files, subjects, signal)
    // What was set on a file stays, where the load was not told otherwise.
    const keeps = runner.load().options.keepReplication === true
    const isKept = (fileId: number): boolean => {
      const piece = subjects.get(fileId)?.piece
      return keeps && (piece?.replication === undefined || piece.replicationKept === true)
    }
    const whole = part.filter((fileId) => !round.repaired.has(fileId) && !isKept(fileId))
    await setReplication(runner, whole, replicas, signal)
  }
}

function withoutFailed(runner: RunningLoad, fileIds: readonly number[]): number[] {
  if (runner.load().counts.filesFailed === 0) return [...fileIds]
  return fileIds.filter((fileId) => runner.context.tables.failures.get([runner.loadId, fileId]) === undefined)
}

/** The files that are not whole after every wait that may help. */
async function lackingFiles(
  runner: RunningLoad,
  round: Round,
  { fileIds, replicas: replication, subjects }: Audited,
  signal: AbortSignal,
): Promise<AuditedFile[]> {
  const { clock, options, cluster, master } = runner.context
  // What was cached before a load that evicts was not reported lately: where it is missing, it was
  // pushed out.
  const mayLag = ({ fileId }: AuditedFile): boolean =>
    runner.load().options.evict !== true || subjects.get(fileId)?.cached !== true
  for (let waitMs = 50; ; waitMs = Math.min(waitMs * 2, 1000)) {
    const { files } = await calling(runner, signal, () =>
      master.auditFiles({ fileIds: [...fileIds], replication }, { signal }),
    )
    if (files.every((file) => file.gone)) return files
    await cluster.refresh(signal)
    const awaited = workersAwaited(runner, replication)
    const waited = clock.monotonicMs() - round.startedMs >= options.auditGraceMs || !files.some(mayLag)
    if (awaited !== '' && waited && runner.outOfPatience()) round.outOfPatience = true
    if (waited && (awaited === '' || round.outOfPatience)) return files
    runner.waitFor(awaited)
    await runner.pause(waitMs, signal)
  }
}

/**
 * Workers that a repair should wait for: too few are live, or one is gone that may come back with
 * its blocks.
 */
function workersAwaited(runner: RunningLoad, replication: number): string {
  const { cluster } = runner.context
  const live = cluster.liveCount()
  if (live < replication) return `waiting for workers: ${live} live, ${replication} needed`
  const absent = cluster.absentBriefly()
  return absent.length > 0 ? `waiting for worker ${absent.join(', ')}` : ''
}

/** The files, a bounded number of blocks at a time. */
function commandsOf(lacking: readonly AuditedFile[]): AuditedFile[][] {
  const commands: AuditedFile[][] = []
  let blocks = Number.POSITIVE_INFINITY
  for (const file of lacking) {
    blocks += file.shortages.length
    if (blocks > shortagesPerCommand) {
      commands.push([])
      blocks = file.shortages.length
    }
    commands.at(-1)?.push(file)
  }
  return commands
}

/** Plans what to do about files that are not whole. */
async function repair(
  runner: RunningLoad,
  round: Round,
  lacking: readonly AuditedFile[],
  subjects: ReadonlyMap<number, AuditSubject>,
  signal: AbortSignal,
): Promise<void> {
  const { options, cluster, clock } = runner.context
  const load = runner.load()
  const { replication, batchSize } = load.options
  const reopened: Reopened[] = []
  const failed: FileFailure[] = []
  const replaced: Replacement[] = []
  const short: { subject: AuditSubject; shortages: AuditedFile['shortages'] }[] = []
  const live = cluster.liveCount()
  const hopeless =
    live < replication
      ? `its workers did not come back, ${live} of ${replication} are live`
      : round.number >= options.repairRoundsMax
        ? `not repaired in ${round.number} rounds`
        : ''
  // A load that may evict can push out what it had found cached, a little a round; each file only
  // once, then it is its own.
  const mayComeAgain = load.options.evict === true && live >= replication
  for (const file of lacking) {
    const subject = subjects.get(file.fileId)
    if (subject === undefined) continue
    runner.context.shared.lost(file.fileId)
    if (file.gone) {
      const replacement = await replacementOf(runner, load, subject, round.number, signal)
      if (replacement === 'freed') {
        runner.noteFreed(file.fileId)
        continue
      }
      reopened.push({ fileId: file.fileId, cached: subject.cached, bytes: 0 })
      replaced.push(replacement)
    } else if (hopeless !== '' && !(mayComeAgain && subject.cached)) {
      reopened.push({ fileId: file.fileId, cached: subject.cached, bytes: 0 })
      failed.push(shortageFailure(subject.piece, file.shortages, replication, 'unavailable', hopeless))
    } else short.push({ subject, shortages: file.shortages })
  }
  const planner = {
    replication,
    batchFiles: batchSize,
    batchBytes: options.batchBytes,
    wish: { ...wishOf(load.options), overCached: true },
  }
  const placement = cluster.placementOf(runner.loadId)
  const plan = planRepairs(short, planner, placement)
  const command: RepairPlanned = {
    type: 'RepairPlanned',
    nowMs: clock.nowMs(),
    loadId: runner.loadId,
    reopened: [...reopened, ...plan.reopened],
    sets: plan.sets,
    failed: [...failed, ...plan.failed],
    replaced,
  }
  const effect = await runner.submit(command)
  if (effect.type === 'applied') for (const unused of effect.unused) releasePlan(unused, placement)
  runner.notify(true)
  runner.context.dispatcher.notify()
}

/**
 * The master does not know the file id any more: the object has another version, or is gone; or it
 * was all in, and was freed while the load ran. That is as if it had been freed just after: to load
 * it again would read it twice for one load. Only where the same load was asked for again
 * meanwhile, maybe after the file was freed, is it loaded again.
 */
async function replacementOf(
  runner: RunningLoad,
  load: LoadRecord,
  subject: AuditSubject,
  round: number,
  signal: AbortSignal,
): Promise<Replacement | 'freed'> {
  const { piece, set } = subject
  const { namespaceId } = load
  try {
    const request = { namespaceId, key: piece.key, ...stagingOf(load, 0) }
    const { file } = await calling(runner, signal, () => runner.context.master.refreshFile(request, { signal }))
    const isSame =
      file !== undefined &&
      file.problem === '' &&
      piece.etag !== '' &&
      file.etag === piece.etag &&
      file.length === piece.length
    if (isSame && load.joined !== true) return 'freed'
    return planReplacement(runner.context, { load, set, old: piece, file, attempt: round + 1 })
  } catch (thrown) {
    if (!isSkeinError(thrown, 'not_found')) throw thrown
    // With a reason it is not the object that is gone, but its bucket or namespace.
    const goneReason = thrown.reason === undefined ? undefined : thrown.message
    const gone = { load, set, old: piece, file: undefined, attempt: round + 1, goneReason }
    return planReplacement(runner.context, gone)
  }
}

/**
 * The replication target belongs to the files, so that the replication checker agrees with the
 * load.
 */
async function setReplication(
  runner: RunningLoad,
  fileIds: readonly number[],
  min: number,
  signal: AbortSignal,
): Promise<void> {
  const whole = withoutFailed(runner, fileIds)
  if (whole.length === 0) return
  const request = { fileIds: whole, min, max: -1, keepMax: true }
  const { changed } = await calling(runner, signal, () => runner.context.master.setReplication(request, { signal }))
  runner.noteReplicationChanged(changed)
}

/** Calls the master, waiting for as long as it is down. @throws SkeinError that is not retryable */
async function calling<T>(runner: RunningLoad, signal: AbortSignal, call: () => Promise<T>): Promise<T> {
  for (let waited = false; ;) {
    try {
      const answer = await call()
      runner.waitFor('')
      // The master's silence is not the workers': they have their time from now on.
      if (waited) runner.notify(true)
      return answer
    } catch (thrown) {
      const error = toSkeinError(thrown)
      if (signal.aborted || !error.retryable) throw error
      runner.waitFor(`the master does not respond: ${error.message}`)
      waited = true
      await runner.pause(500, signal)
    }
  }
}
