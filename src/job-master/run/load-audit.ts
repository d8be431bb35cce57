// Why: a load is COMPLETED only after the master has confirmed every replica of every block. How:
// the sets of the load are checked page by page. If replicas are missing, the audit asks again for
// a grace period, because reports lag behind completions; waits for workers that may return; and
// then repairs with new sets, or gives up when the rounds or the patience are used up. Each round
// checks the whole load. Repairs of its first pages run meanwhile, and the next round checks them.
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
/** Blocks that one command repairs, unless they belong to one file. */
const shortagesPerCommand = 2000

interface Round {
  readonly number: number
  readonly startedMs: number
  /** Whether it has waited for workers as long as the load's patience allows. */
  outOfPatience: boolean
  /** Files that were repaired in this round. */
  readonly repaired: Set<number>
}

/**
 * Audits the whole load.
 * @returns true when repairs were planned and the audit must run again
 */
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
    // The first repair that opened a set has returned the load to RUNNING.
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

/** Files that were cached, got lost and were loaded again count as loaded. */
function wasRepaired({ context: { tables }, loadId }: RunningLoad, fileId: number): boolean {
  return tables.files.get([loadId, fileId]) !== undefined
}

interface Audited {
  readonly fileIds: readonly number[]
  /** Number of replicas that each block must have. */
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
    // The replication of a file is kept, unless the load sets another one.
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

/** Files that are still incomplete after all useful waits. */
async function lackingFiles(
  runner: RunningLoad,
  round: Round,
  { fileIds, replicas: replication, subjects }: Audited,
  signal: AbortSignal,
): Promise<AuditedFile[]> {
  const { clock, options, cluster, master } = runner.context
  // Files that were cached before a load with eviction have no recent reports. If blocks are
  // missing, they were evicted.
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
 * Workers that a repair should wait for: too few are live, or an absent one may return with its
 * blocks.
 */
function workersAwaited(runner: RunningLoad, replication: number): string {
  const { cluster } = runner.context
  const live = cluster.liveCount()
  if (live < replication) return `waiting for workers: ${live} live, ${replication} needed`
  const absent = cluster.absentBriefly()
  return absent.length > 0 ? `waiting for worker ${absent.join(', ')}` : ''
}

/** Splits the files into commands with a limited number of blocks. */
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

/** Plans repairs for incomplete files. */
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
  // A load with eviction may evict a few of the blocks that it had found cached, in each round.
  // Each file is repaired only once for that; then its blocks belong to the load.
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
 * The master no longer knows the file id, because the object has a new version or is gone, or
 * because the file was completely loaded and then freed during the load. A freed file counts as
 * loaded, as if it had been freed just after the load: loading it again would read it twice. It is
 * loaded again only if the same load was requested again meanwhile.
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
    // With a reason, the bucket or the namespace is missing, not the object.
    const goneReason = thrown.reason === undefined ? undefined : thrown.message
    const gone = { load, set, old: piece, file: undefined, attempt: round + 1, goneReason }
    return planReplacement(runner.context, gone)
  }
}

/**
 * The replication is set on the files, so that the replication checker uses the same value as the
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

/**
 * Calls the master and retries while it is down.
 * @throws SkeinError that is not retryable
 */
async function calling<T>(runner: RunningLoad, signal: AbortSignal, call: () => Promise<T>): Promise<T> {
  for (let waited = false; ;) {
    try {
      const answer = await call()
      runner.waitFor('')
      // Time without the master does not count against the workers.
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
