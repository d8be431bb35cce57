// Why: the sets of a million files do not fit in memory. How: the tables of load/ are rows of
// MessagePack with ordered arrays as keys, in the state that journal/ keeps. Commands are applied
// in its transactions.
import type { Applied, CommandState } from '../journal/command-state.ts'
import type { LmdbState } from '../journal/state/lmdb-state.ts'
import type { StateTable, Uncopied } from '../journal/state-table.ts'
import { apply } from '../load/state/apply-load.ts'
import type { LoadCommand, LoadEffect } from '../load/state/load-commands.ts'
import type { OrderedTable, Row, RowKey, Tables } from '../load/state/load-tables.ts'
import { decodeValue, encodeValue } from './row-codec.ts'

export class LoadTables implements CommandState<LoadCommand, LoadEffect> {
  readonly tables: Tables
  readonly #state: LmdbState

  /** The caller closes the state. */
  constructor(state: LmdbState) {
    this.#state = state
    const table = <V>(name: string): OrderedTable<V> => new RowTable<V>(state.bytesTable(name))
    this.tables = {
      counters: table('counters'),
      loads: table('loads'),
      active: table('active'),
      requestKeys: table('request-keys'),
      keysOfLoad: table('keys-of-load'),
      ended: table('ended'),
      sets: table('sets'),
      open: table('open'),
      files: table('files'),
      fileSets: table('file-sets'),
      failures: table('failures'),
      indexes: table('indexes'),
      indexParts: table('index-parts'),
      stagedIndexes: table('staged-indexes'),
      rates: table('rates'),
      schedules: table('schedules'),
      scheduleNames: table('schedule-names'),
      scheduleRuns: table('schedule-runs'),
    }
  }

  get lastApplied(): bigint {
    return this.#state.lastApplied
  }

  get uncopied(): Uncopied {
    return this.#state.uncopied
  }

  sizeBytes(): number {
    return this.#state.sizeBytes()
  }

  snapshot(): Promise<bigint> {
    return this.#state.snapshot()
  }

  apply(commands: readonly LoadCommand[], lastApplied: bigint, bytes: number): Applied<LoadEffect>[] {
    return this.#state.transact(
      lastApplied,
      () => commands.map((command) => ({ result: apply(this.tables, command) })),
      bytes,
    )
  }
}

class RowTable<V> implements OrderedTable<V> {
  readonly #rows: StateTable<(number | string)[], Buffer>

  constructor(rows: StateTable<(number | string)[], Buffer>) {
    this.#rows = rows
  }

  get(key: RowKey): V | undefined {
    const bytes = this.#rows.get([...key])
    return bytes === undefined ? undefined : (decodeValue(bytes) as V)
  }

  put(key: RowKey, value: V): void {
    this.#rows.put([...key], encodeValue(value))
  }

  delete(key: RowKey): void {
    this.#rows.delete([...key])
  }

  scan(prefix: RowKey, from: number, limit: number): Row<V>[] {
    const range = this.#rows.range({ start: [...prefix, from], end: [...prefix, Number.MAX_SAFE_INTEGER], limit })
    return Array.from(range, ({ key, value }) => ({ id: lastNumber(key), value: decodeValue(value) as V }))
  }
}

function lastNumber(key: unknown): number {
  return Number(Array.isArray(key) ? key.at(-1) : key)
}
