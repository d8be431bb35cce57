// Why: a list of a million paths arrives in parts before its load, and must survive restarts like
// the load. How: one row per part. The list belongs to the loads that name it, and is deleted with
// the last of them, or when it expires without a load.
import type { IndexItem, IndexRecord } from './list-parts.ts'
import type { OrderedTable, Tables } from './load-tables.ts'

/** One part of a list. The same part again changes nothing. */
export interface IndexPartStaged {
  readonly type: 'IndexPartStaged'
  readonly nowMs: number
  readonly indexId: string
  readonly namespace: string
  readonly part: number
  readonly items: readonly IndexItem[]
}
/** Deletes some rows of a list without loads. Repeated until the list is gone. */
export interface IndexDropped {
  readonly type: 'IndexDropped'
  readonly nowMs: number
  readonly indexId: string
  readonly rowsMax: number
}
/** Instead of the first name that all paths of a list have. They are in the root mount, then. */
export const severalNamesOfIndex = '/'

export type IndexCommand = IndexPartStaged | IndexDropped

/** @returns false when the command changed nothing */
export function applyIndexCommand(tables: Tables, command: IndexCommand): boolean {
  return command.type === 'IndexPartStaged' ? partStaged(tables, command) : dropped(tables, command)
}

function partStaged(tables: Tables, { indexId, namespace, part, items, nowMs }: IndexPartStaged): boolean {
  const record = tables.indexes.get([indexId])
  // A list that loads already read does not change.
  if ((record?.loads ?? 0) > 0 || tables.indexParts.get([indexId, part]) !== undefined) return false
  tables.indexParts.put([indexId, part], items)
  tables.indexes.put([indexId], {
    namespace: (record?.namespace ?? namespace) === namespace ? namespace : severalNamesOfIndex,
    stagedMs: nowMs,
    parts: (record?.parts ?? 0) + 1,
    lastPart: Math.max(record?.lastPart ?? 0, part),
    items: (record?.items ?? 0) + items.length,
    exact: (record?.exact ?? false) || items.some((item) => item.etag !== undefined),
    loads: 0,
  })
  noteStaged(tables, indexId, record === undefined)
  return true
}

/** Numbers the lists, so that lists without loads can be found. */
function noteStaged(tables: Tables, indexId: string, isNew: boolean): void {
  if (!isNew) return
  const number = (tables.counters.get(['index']) ?? 0) + 1
  tables.counters.put(['index'], number)
  tables.stagedIndexes.put([number], indexId)
}

/** Whether all parts of a list exist. */
export function isWhole(record: Pick<IndexRecord, 'parts' | 'lastPart'> | undefined): boolean {
  return record !== undefined && record.parts === record.lastPart + 1
}

/**
 * Adds a load to the list.
 * @returns the list after the change; undefined when it does not exist
 */
export function holdIndex(tables: Tables, indexId: string): IndexRecord | undefined {
  const record = tables.indexes.get([indexId])
  if (record !== undefined) tables.indexes.put([indexId], { ...record, loads: record.loads + 1 })
  return record
}

/** Removes a load from the list. dropUnheld deletes lists without loads. */
export function letIndexGo(tables: Tables, indexId: string, nowMs: number): void {
  const record = tables.indexes.get([indexId])
  if (record !== undefined) tables.indexes.put([indexId], { ...record, loads: record.loads - 1, stagedMs: nowMs })
}

function dropped(tables: Tables, { indexId, rowsMax }: IndexDropped): boolean {
  const record = tables.indexes.get([indexId])
  if (record === undefined || record.loads > 0) return false
  const rows = tables.indexParts.scan([indexId], 0, rowsMax)
  for (const { id } of rows) tables.indexParts.delete([indexId, id])
  if (rows.length === rowsMax) {
    tables.indexes.put([indexId], { ...record, parts: record.parts - rows.length })
    return true
  }
  tables.indexes.delete([indexId])
  for (const { id, value } of scanAll(tables.stagedIndexes)) if (value === indexId) tables.stagedIndexes.delete([id])
  return true
}

/** Returns a list without loads that was not changed for this time. */
export function indexToDrop(tables: Tables, nowMs: number, keepMs: number): string | undefined {
  for (const { value } of scanAll(tables.stagedIndexes)) {
    const record = tables.indexes.get([value])
    if (record !== undefined && record.loads <= 0 && nowMs - record.stagedMs >= keepMs) return value
  }
  return undefined
}

function scanAll(table: OrderedTable<string>): { readonly id: number; readonly value: string }[] {
  return table.scan([], 0, Number.MAX_SAFE_INTEGER)
}
