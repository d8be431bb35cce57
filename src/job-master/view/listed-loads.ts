// Why: the lists of loads that people page through: all of them, or those that have ended. How:
// read from the tables, the newest first; a page begins below a load that the page before ended
// with.
import { SkeinError } from '../../base/errors.ts'
import { hasEnded, parseLoadId, type LoadRecord } from '../../load/load.ts'
import type { Tables } from '../../load/state/load-tables.ts'
import type { ListLoadsRequest } from '../../wire/generated/job.ts'

const listMax = 1000
const rowsAtOnce = 256

/** The loads of one page. @throws SkeinError invalid_argument for an id that is none */
export function listedLoads(tables: Pick<Tables, 'loads' | 'counters'>, request: ListLoadsRequest): LoadRecord[] {
  const limit = Math.min(request.limit === 0 ? listMax : request.limit, listMax)
  const { beforeLoadId = '', endedOnly = false } = request
  const before = beforeLoadId === '' ? (tables.counters.get(['load']) ?? 0) + 1 : parseLoadId(beforeLoadId)
  if (before === undefined)
    throw new SkeinError('invalid_argument', `'${beforeLoadId}' is not a load id: use an id such as L42`)
  const listed: LoadRecord[] = []
  // Ids have no gaps until they expire, so that a scan from below finds the next ones.
  for (let below = before; below > 1 && listed.length < limit; below -= rowsAtOnce) {
    const rows = tables.loads.scan([], Math.max(1, below - rowsAtOnce), Math.min(rowsAtOnce, below - 1))
    for (const { id, value } of rows.toReversed()) {
      if (id >= below || value.expiring || (endedOnly && !hasEnded(value.mode))) continue
      if (listed.length < limit) listed.push(value)
    }
  }
  return listed
}
