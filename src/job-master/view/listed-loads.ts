// Why: users page through lists of loads: all of them, or the ended ones. How: read from the
// tables, newest first. A page starts below the last load of the previous page.
import { SkeinError } from '../../base/errors.ts'
import { hasEnded, parseLoadId, type LoadRecord } from '../../load/load.ts'
import type { Tables } from '../../load/state/load-tables.ts'
import type { ListLoadsRequest } from '../../wire/generated/job.ts'

const listMax = 1000
const rowsAtOnce = 256

/**
 * Returns the loads of one page.
 * @throws SkeinError invalid_argument for an invalid id
 */
export function listedLoads(tables: Pick<Tables, 'loads' | 'counters'>, request: ListLoadsRequest): LoadRecord[] {
  const limit = Math.min(request.limit === 0 ? listMax : request.limit, listMax)
  const { beforeLoadId = '', endedOnly = false } = request
  const before = beforeLoadId === '' ? (tables.counters.get(['load']) ?? 0) + 1 : parseLoadId(beforeLoadId)
  if (before === undefined)
    throw new SkeinError('invalid_argument', `'${beforeLoadId}' is not a load id: use an id such as L42`)
  const listed: LoadRecord[] = []
  // Ids have no gaps until loads expire, so a scan downwards finds the next ones.
  for (let below = before; below > 1 && listed.length < limit; below -= rowsAtOnce) {
    const rows = tables.loads.scan([], Math.max(1, below - rowsAtOnce), Math.min(rowsAtOnce, below - 1))
    for (const { id, value } of rows.toReversed()) {
      if (id >= below || value.expiring || (endedOnly && !hasEnded(value.mode))) continue
      if (listed.length < limit) listed.push(value)
    }
  }
  return listed
}
