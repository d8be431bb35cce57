// Why: an atomic load becomes visible in one step, or not at all. How: while the load runs, it
// keeps renewing the staging in which the master hides its files. When the audit has found every
// block, the master swaps the files in. The swap may be requested more than once.
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import { pathsOverlap } from '../../base/paths.ts'
import { equalRunningLoad } from '../../load/state/apply-load.ts'
import type { SubmitLoad } from '../../load/state/load-commands.ts'
import { formatLoadId, stagingOf } from '../../load/load.ts'
import type { Tables } from '../../load/state/load-tables.ts'
import type { RunningLoad } from '../running-load.ts'

const againMs = 500
const keepEveryMsMin = 250
/** Well below the maximum of a timer. */
const keepEveryMsMax = 3_600_000
const setsPerPage = 16
const filesPerCall = 1000

/**
 * Runs the steps of a load. The staging of an atomic load is renewed meanwhile, however short its
 * expiry is. If it has expired anyway, because no job master was running, `expired` ends the steps:
 * from then on the staging would be incomplete, and removals above all would be lost.
 */
export async function whileKeptAside(
  runner: RunningLoad,
  steps: (expired: AbortSignal) => Promise<void>,
): Promise<void> {
  const ended = new AbortController()
  const expired = new AbortController()
  const keeping = keepAside(runner, expired, ended.signal)
  try {
    await steps(expired.signal)
  } finally {
    ended.abort()
    await keeping
  }
}

/** Renews the staging with a lookup of the first object of the path. Does not throw. */
async function keepAside(runner: RunningLoad, expired: AbortController, signal: AbortSignal): Promise<void> {
  const { master, clock } = runner.context
  const { path, options, stagingId, inRoot = false } = runner.load()
  const keptMs = stagingOf({ path, options }, 0).stagingExpiresMs
  // A load that continues after a restart checks at once whether its staging still exists.
  for (let isNew = stagingId === undefined; keptMs !== undefined && !signal.aborted; isNew = true) {
    try {
      if (isNew) await clock.sleep(Math.min(Math.max(keptMs / 4, keepEveryMsMin), keepEveryMsMax), signal)
      if (runner.load().swapping === true) return
      const staging = stagingOf(runner.load(), clock.nowMs())
      await master.syncPage({ path, inRoot, cursor: '', limit: 1, ...staging }, { signal })
    } catch (thrown) {
      // Retried later: a master that is down deletes no staging.
      if (!isSkeinError(thrown, 'failed_precondition', 'staging_expired') || signal.aborted) continue
      // After the swap the staging is no longer needed.
      if (runner.load().swapping !== true) expired.abort(thrown)
      return
    }
  }
}

/**
 * Swaps the files in. Waits while the master is down.
 * @throws SkeinError when the staging was deleted, or the signal's reason
 */
export async function commitAtomicLoad(runner: RunningLoad, signal: AbortSignal): Promise<void> {
  const { stagingId } = stagingOf(runner.load(), 0)
  if (stagingId === undefined) return
  for (;;) {
    try {
      const { changed } = await runner.context.master.commitStaging({ stagingId }, { signal })
      if (changed === 0) await checkAllIsThere(runner, signal)
      runner.waitFor('')
      return
    } catch (thrown) {
      const error = toSkeinError(thrown)
      if (signal.aborted || !error.retryable) throw error
      runner.waitFor(`the master does not respond: ${error.message}`)
      await runner.pause(againMs, signal)
    }
  }
}

/**
 * The master has nothing to swap in if nothing was new, if it did so before, or if the staging had
 * expired; in the last case the files are gone.
 * @throws SkeinError failed_precondition
 */
async function checkAllIsThere(
  { context: { tables, master }, loadId }: RunningLoad,
  signal: AbortSignal,
): Promise<void> {
  for (let from = 0; ;) {
    const rows = tables.sets.scan([loadId], from, setsPerPage)
    const last = rows.at(-1)
    if (last === undefined) return
    from = last.id + 1
    const fileIds = [...new Set(rows.flatMap(({ value }) => value.pieces.map((piece) => piece.fileId)))]
    for (let index = 0; index < fileIds.length; index += filesPerCall) {
      const { files } = await master.auditFiles(
        { fileIds: fileIds.slice(index, index + filesPerCall), replication: 1 },
        { signal },
      )
      if (files.some(({ gone }) => gone))
        throw new SkeinError(
          'failed_precondition',
          'nothing was swapped in: the staged data had expired; load again with a longer --expire-time',
        )
    }
  }
}

/**
 * An atomic load must not overlap with another load: that load would make its files visible, or
 * rely on versions that are replaced.
 * @throws SkeinError failed_precondition
 */
export function checkNoOverlap(
  tables: Tables,
  request: Pick<SubmitLoad, 'path' | 'options' | 'indexId' | 'inRoot'>,
): void {
  // A repeated submission joins the running load.
  if (equalRunningLoad(tables, request) !== undefined) return
  const { path, options } = request
  for (const { id } of tables.active.scan([], 0, Number.MAX_SAFE_INTEGER)) {
    const load = tables.loads.get([id])
    if (load === undefined || !pathsOverlap(load.path, path)) continue
    const isAtomic = load.options.atomic === true
    if (!isAtomic && options.atomic !== true) continue
    const what = isAtomic ? 'an atomic load' : 'a load'
    throw new SkeinError(
      'failed_precondition',
      `${what} of ${load.path} is running (${formatLoadId(id)}): wait for it, or cancel it`,
      {
        reason: 'overlapping_load',
      },
    )
  }
}
