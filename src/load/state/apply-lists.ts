// Why: a list of a million paths comes in parts, before the load that it is for, and must outlive
// restarts as the load does. How: a row a part; the list belongs to the loads that name it, and
// goes with the last of them, or, when no load ever named it, after its time.
import type { IndexItem, IndexRecord } from './list-parts.ts'
import type { OrderedTable, Tables } from './load-tables.ts'

/** A part of a list; the same part again changes nothing. */
export interface IndexPartStaged {
  readonly type: 'IndexPartStaged'
  readonly nowMs: number
  readonly indexId: string
  readonly namespace: string
  readonly part: number
  readonly items: readonly IndexItem[]
}
/** Deletes some rows of a list that no load names; sent again until it is gone. */
export interface IndexDropped {
  readonly type: 'IndexDropped'
  readonly nowMs: number
  readonly indexId: string
  readonly rowsMax: number
}
export type IndexCommand = IndexPartStaged | IndexDropped

/** @returns false when it changed nothing */
export function applyIndexCommand(tables: Tables, command: IndexCommand): boolean {
  return command.type === 'IndexPartStaged' ? partStaged(tables, command) : dropped(tables, command)
}

function partStaged(tables: Tables, { indexId, namespace, part, items, nowMs }: IndexPartStaged): boolean {
  const record = tables.indexes.get([indexId])
  // Loads read it by now: it stays as it is. All of its paths are in one namespace.
  if (
    (record?.loads ?? 0) > 0 ||
    (record?.namespace ?? namespace) !== namespace ||
    tables.indexParts.get([indexId, part]) !== undefined
  )
    return false
  tables.indexParts.put([indexId, part], items)
  tables.indexes.put([indexId], {
    namespace,
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

/** Numbers the lists, so that those that nobody loads can be found. */
function noteStaged(tables: Tables, indexId: string, isNew: boolean): void {
  if (!isNew) return
  const number = (tables.counters.get(['index']) ?? 0) + 1
  tables.counters.put(['index'], number)
  tables.stagedIndexes.put([number], indexId)
}

/** Whether all parts of a list are there. */
export function isWhole(record: Pick<IndexRecord, 'parts' | 'lastPart'> | undefined): boolean {
  return record !== undefined && record.parts === record.lastPart + 1
}

/** One load more names the list. @returns the list as it is now; undefined when it is not there */
export function holdIndex(tables: Tables, indexId: string): IndexRecord | undefined {
  const record = tables.indexes.get([indexId])
  if (record !== undefined) tables.indexes.put([indexId], { ...record, loads: record.loads + 1 })
  return record
}

/** One load less names the list; dropUnheld then finds it. */
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

/** A list that no load names and nobody has touched for so long. */
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
