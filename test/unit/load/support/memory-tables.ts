// The tables of load/ in maps, for tests. Rows are copied in and out, as a database does.
import type { OrderedTable, Row, RowKey, Tables } from '../../../../src/load/state/load-tables.ts'

export class MemoryTable<V> implements OrderedTable<V> {
  readonly rows = new Map<string, { readonly key: RowKey; readonly value: V }>()

  get(key: RowKey): V | undefined {
    return structuredClone(this.rows.get(JSON.stringify(key))?.value)
  }
  put(key: RowKey, value: V): void {
    this.rows.set(JSON.stringify(key), { key: [...key], value: structuredClone(value) })
  }
  delete(key: RowKey): void {
    this.rows.delete(JSON.stringify(key))
  }
  scan(prefix: RowKey, from: number, limit: number): Row<V>[] {
    return [...this.rows.values()]
      .filter(
        ({ key }) =>
          key.length === prefix.length + 1 &&
          prefix.every((part, index) => key[index] === part) &&
          Number(key.at(-1)) >= from,
      )
      .map(({ key, value }) => ({ id: Number(key.at(-1)), value: structuredClone(value) }))
      .toSorted((a, b) => a.id - b.id)
      .slice(0, limit)
  }
}

export function memoryTables(): Tables {
  return {
    counters: new MemoryTable(),
    loads: new MemoryTable(),
    active: new MemoryTable(),
    requestKeys: new MemoryTable(),
    keysOfLoad: new MemoryTable(),
    ended: new MemoryTable(),
    sets: new MemoryTable(),
    open: new MemoryTable(),
    files: new MemoryTable(),
    fileSets: new MemoryTable(),
    failures: new MemoryTable(),
    indexes: new MemoryTable(),
    indexParts: new MemoryTable(),
    stagedIndexes: new MemoryTable(),
    rates: new MemoryTable(),
    schedules: new MemoryTable(),
    scheduleNames: new MemoryTable(),
    scheduleRuns: new MemoryTable(),
  }
}
