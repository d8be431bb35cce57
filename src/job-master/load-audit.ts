// Why: COMPLETED is said only after the master confirmed every replica of every block. How: the load's sets are walked
// page by page; what is short is asked again for a grace time (reports lag behind completions), waits for workers
// that may come back, and is then repaired by new sets, or given up when the rounds or the patience are used up.
import { isSkeinError, toSkeinError } from '../base/errors.ts'
import { planRepairs, shortageFailure, type AuditSubject } from '../load/audit.ts'
import type { RepairPlanned, Reopened, Replacement } from '../load/commands.ts'
import type { FileFailure, LoadRecord } from '../load/load.ts'
import type { AuditedFile } from '../wire/generated/master.ts'
import type { RunningLoad } from './running-load.ts'
import { planReplacement } from './set-service.ts'

const setsPerPage = 64
const filesPerCall = 1000

/** Audits the whole load. True when it must run again because repairs were planned. */
export async function auditLoad(runner: RunningLoad, round: number, signal: AbortSignal): Promise<boolean> {
  for (let from = 0; ;) {
    const rows = runner.deps.tables.sets.scan([runner.loadId], from, setsPerPage)
    const last = rows.at(-1)
    if (last === undefined) return false
    from = last.id + 1
    const subjects = new Map<number, AuditSubject>()
    for (const { id, value } of rows) for (const piece of value.pieces) subjects.set(piece.fileId, { set: id, cached: value.cached, piece })
    const wanted = withoutFailed(runner, [...subjects.keys()])
    for (let index = 0; index < wanted.length; index += filesPerCall) {
      const part = wanted.slice(index, index + filesPerCall)
      const lacking = await lackingFiles(runner, part, signal)
      if (lacking.length > 0 && (await repair(runner, round, lacking, subjects, signal))) return true
      await setReplication(runner, part, signal)
    }
  }
}

function withoutFailed(runner: RunningLoad, fileIds: readonly number[]): number[] {
  if (runner.load().counts.filesFailed === 0) return [...fileIds]
  return fileIds.filter((fileId) => runner.deps.tables.failures.get([runner.loadId, fileId]) === undefined)
}

/** The files that are not whole after every wait that may help. */
async function lackingFiles(runner: RunningLoad, fileIds: readonly number[], signal: AbortSignal): Promise<AuditedFile[]> {
  const { clock, options, cluster, master } = runner.deps
  const { replication } = runner.load().options
  const started = clock.monotonicMs()
  for (let waitMs = 50; ; waitMs = Math.min(waitMs * 2, 1000)) {
    const { files } = await calling(runner, signal, () => master.auditFiles({ fileIds: [...fileIds], replication }, { signal }))
    if (files.every((file) => file.gone)) return files
    await cluster.refresh(signal)
    const waited = clock.monotonicMs() - started
    const awaited = workersAwaited(runner, replication)
    if (awaited === '' && waited >= options.auditGraceMs) return files
    if (awaited !== '' && runner.outOfPatience() && waited >= options.auditGraceMs) return files
    runner.waitFor(awaited)
    await runner.pause(waitMs, signal)
  }
}

/** Workers that a repair should wait for: too few are live, or one is gone that may come back with its blocks. */
function workersAwaited(runner: RunningLoad, replication: number): string {
  const { cluster } = runner.deps
  const live = cluster.liveCount()
  if (live < replication) return `waiting for workers: ${live} live, ${replication} needed`
  const absent = cluster.absentBriefly()
  return absent.length > 0 ? `waiting for worker ${absent.join(', ')}` : ''
}

/** Plans what to do about files that are not whole. True when sets were planned. */
async function repair(
  runner: RunningLoad,
  round: number,
  lacking: readonly AuditedFile[],
  subjects: ReadonlyMap<number, AuditSubject>,
  signal: AbortSignal,
): Promise<boolean> {
  const { options, cluster, clock } = runner.deps
  const load = runner.load()
  const { replication, batchSize } = load.options
  const reopened: Reopened[] = []
  const failed: FileFailure[] = []
  const replaced: Replacement[] = []
  const short: { subject: AuditSubject; shortages: AuditedFile['shortages'] }[] = []
  const hopeless = round >= options.repairRoundsMax || cluster.liveCount() < replication
  for (const file of lacking) {
    const subject = subjects.get(file.fileId)
    if (subject === undefined) continue
    if (file.gone) {
      reopened.push({ fileId: file.fileId, cached: subject.cached, bytes: 0 })
      replaced.push(await replacementOf(runner, load, subject, round, signal))
    } else if (hopeless) {
      reopened.push({ fileId: file.fileId, cached: subject.cached, bytes: 0 })
      failed.push(shortageFailure(subject.piece, file.shortages, replication, 'unavailable', 'its workers did not come back'))
    } else short.push({ subject, shortages: file.shortages })
  }
  const plan = planRepairs(short, { replication, batchFiles: batchSize, batchBytes: options.batchBytes }, cluster.placement)
  const command: RepairPlanned = {
    type: 'RepairPlanned',
    nowMs: clock.nowMs(),
    loadId: runner.loadId,
    reopened: [...reopened, ...plan.reopened],
    sets: plan.sets,
    failed: [...failed, ...plan.failed],
    replaced,
  }
  await runner.submit(command)
  runner.notify(true)
  runner.deps.dispatcher.notify()
  return runner.load().openSets > 0
}

/** The master does not know the file id any more: the object has another version, or is gone. */
async function replacementOf(
  runner: RunningLoad,
  load: LoadRecord,
  subject: AuditSubject,
  round: number,
  signal: AbortSignal,
): Promise<Replacement> {
  const { piece, set } = subject
  const { namespaceId } = load
  try {
    const { file } = await calling(runner, signal, () => runner.deps.master.refreshFile({ namespaceId, key: piece.key }, { signal }))
    return planReplacement(runner.deps, load, set, piece, file, round + 1)
  } catch (thrown) {
    if (!isSkeinError(thrown, 'not_found')) throw thrown
    // With a reason it is not the object that is gone, but its bucket or namespace.
    return planReplacement(runner.deps, load, set, piece, undefined, round + 1, thrown.reason === undefined ? undefined : thrown.message)
  }
}

/** The replication target belongs to the files, so that the replication checker agrees with the load. */
async function setReplication(runner: RunningLoad, fileIds: readonly number[], signal: AbortSignal): Promise<void> {
  const min = runner.load().options.replication
  const whole = withoutFailed(runner, fileIds)
  if (whole.length > 0) await calling(runner, signal, () => runner.deps.master.setReplication({ fileIds: whole, min, max: -1 }, { signal }))
}

/** Calls the master, waiting for as long as it is down. @throws SkeinError that is not retryable */
async function calling<T>(runner: RunningLoad, signal: AbortSignal, call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      const answer = await call()
      runner.waitFor('')
      return answer
    } catch (thrown) {
      const error = toSkeinError(thrown)
      if (signal.aborted || !error.retryable) throw error
      runner.waitFor(`the master does not answer: ${error.message}`)
      await runner.pause(500, signal)
    }
  }
}
