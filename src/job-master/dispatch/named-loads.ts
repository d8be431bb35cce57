// Why: workers must know which loads run, by way of the master's heartbeats or directly. How: the
// loads that have not ended, and up to which number that is all of them.
import { formatLoadId } from '../../load/load.ts'
import type { Tables } from '../../load/state/load-tables.ts'
import type { LoadIds } from '../../wire/generated/master.ts'

/** Those that run, for workers: they protect what these wrote, and nothing of others. */
export function runningLoadsOf(tables: Pick<Tables, 'active' | 'counters'>): LoadIds {
  const ids = tables.active.scan([], 0, Number.MAX_SAFE_INTEGER).map(({ id }) => formatLoadId(id))
  return { ids, before: (tables.counters.get(['load']) ?? 0) + 1 }
}
