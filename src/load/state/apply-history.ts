// Why: ended loads with a million sets each cannot be kept for ever. How: loads are numbered in the
// order in which they end. The oldest one is deleted row by row, a limited number per command, and
// counts as deleted from the first command on.
import { letIndexGo } from './apply-lists.ts'
import type { LoadExpired } from './load-commands.ts'
import { hasEnded } from '../load.ts'
import type { OrderedTable, Tables } from './load-tables.ts'

/** A repeated submission with this key returns this load. */
export function noteRequestKey(tables: Tables, requestKey: string, loadId: number): void {
  tables.requestKeys.put([requestKey], loadId)
  tables.keysOfLoad.put([loadId, nextNumber(tables, 'requestKey')], requestKey)
}

export function noteEnded(tables: Tables, loadId: number): void {
  tables.ended.put([nextNumber(tables, 'ended')], loadId)
}

/** @returns false when this is not the oldest ended load */
export function applyLoadExpired(tables: Tables, { loadId, rowsMax, nowMs }: LoadExpired): boolean {
  const [first] = tables.ended.scan([], 0, 1)
  const load = tables.loads.get([loadId])
  if (first?.value !== loadId || load === undefined || !hasEnded(load.mode)) return false
  if (!load.expiring) {
    tables.loads.put([loadId], { ...load, expiring: true })
    if (load.indexId !== undefined) letIndexGo(tables, load.indexId, nowMs)
  }
  const keys = tables.keysOfLoad.scan([loadId], 0, rowsMax)
  for (const { id, value } of keys) {
    // After the load expired, the key may have been used for another load.
    if (tables.requestKeys.get([value]) === loadId) tables.requestKeys.delete([value])
    tables.keysOfLoad.delete([loadId, id])
  }
  let left = rowsMax - keys.length
  left -= deleteRows(tables.sets, loadId, left)
  left -= deleteRows(tables.failures, loadId, left)
  left -= deleteRows(tables.open, loadId, left)
  left -= deleteFileRows(tables, loadId, left)
  if (left === 0) return true
  tables.loads.delete([loadId])
  tables.ended.delete([first.id])
  return true
}

/** @returns the number of deleted rows */
function deleteRows(table: OrderedTable<unknown>, loadId: number, rowsMax: number): number {
  if (rowsMax === 0) return 0
  const rows = table.scan([loadId], Number.MIN_SAFE_INTEGER, rowsMax)
  for (const { id } of rows) table.delete([loadId, id])
  return rows.length
}

/** Deletes file rows, each with the few rows that name its sets. */
function deleteFileRows(tables: Tables, loadId: number, rowsMax: number): number {
  if (rowsMax === 0) return 0
  const rows = tables.files.scan([loadId], 0, rowsMax)
  for (const { id: fileId } of rows) {
    for (const { id } of tables.fileSets.scan([loadId, fileId], 0, Number.MAX_SAFE_INTEGER))
      tables.fileSets.delete([loadId, fileId, id])
    tables.files.delete([loadId, fileId])
  }
  return rows.length
}

function nextNumber(tables: Tables, name: string): number {
  const number = (tables.counters.get([name]) ?? 0) + 1
  tables.counters.put([name], number)
  return number
}
