// Why: an atomic load becomes visible in one step, or not at all. How: while it runs the master keeps its files aside, under
// the load's path; once the audit has found every block the master swaps them in, which it may be asked more than once.
import { SkeinError, toSkeinError } from '../base/errors.ts'
import { formatLoadId, stagingOf, type LoadOptions } from '../load/load.ts'
import type { Tables } from '../load/tables.ts'
import type { RunningLoad } from './running-load.ts'

const againMs = 500

/** Waits for a master that is down. @throws SkeinError when what was put aside was given up, or the signal's reason */
export async function commitAtomicLoad(runner: RunningLoad, signal: AbortSignal): Promise<void> {
  const { stagingId } = stagingOf(runner.load(), 0)
  if (stagingId === undefined) return
  for (;;) {
    try {
      await runner.deps.master.commitStaging({ stagingId }, { signal })
      runner.waitFor('')
      return
    } catch (thrown) {
      const error = toSkeinError(thrown)
      if (signal.aborted || !error.retryable) throw error
      runner.waitFor(`the master does not answer: ${error.message}`)
      await runner.pause(againMs, signal)
    }
  }
}

/**
 * Two loads of which one is atomic must not work on the same files: the other one would make them visible, or count on
 * versions that go. @throws SkeinError failed_precondition
 */
export function checkNoOverlap(tables: Tables, path: string, options: Pick<LoadOptions, 'atomic'>): void {
  for (const { id } of tables.active.scan([], 0, Number.MAX_SAFE_INTEGER)) {
    const load = tables.loads.get([id])
    if (load === undefined || !overlap(load.path, path)) continue
    const isAtomic = load.options.atomic === true
    // The same atomic load again joins the one that runs.
    if (isAtomic === (options.atomic === true) && (!isAtomic || load.path === path)) continue
    const what = isAtomic ? 'an atomic load' : 'a load'
    throw new SkeinError('failed_precondition', `${what} of ${load.path} is running (${formatLoadId(id)}): wait for it, or cancel it`, {
      reason: 'overlapping_load',
    })
  }
}

function overlap(one: string, other: string): boolean {
  const [a, b] = [withSlash(one), withSlash(other)]
  return a.startsWith(b) || b.startsWith(a)
}

function withSlash(path: string): string {
  return path.endsWith('/') ? path : `${path}/`
}
