// Why: workers must know which loads are running, from the master's heartbeat answers or directly.
// How: the ids of the loads that have not ended, and the number up to which this list is complete.
import { formatLoadId } from '../../load/load.ts'
import type { Tables } from '../../load/state/load-tables.ts'
import type { LoadIds } from '../../wire/generated/master.ts'

/** Running loads. Workers protect the blocks that these loads wrote, and no others. */
export function runningLoadsOf(tables: Pick<Tables, 'active' | 'counters'>): LoadIds {
  const ids = tables.active.scan([], 0, Number.MAX_SAFE_INTEGER).map(({ id }) => formatLoadId(id))
  return { ids, before: (tables.counters.get(['load']) ?? 0) + 1 }
}
