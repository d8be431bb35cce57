// Why: sets of a million files do not belong in memory. How: the tables of load/ in LMDB, keys as ordered arrays, and
// the last applied sequence in the same transaction. Commits do not wait for the disk (that would hold up the event loop):
// the journal is the truth since the last checkpoint, and a checkpoint syncs. The only file of this folder that imports lmdb.
import { open, type Database, type RootDatabase } from 'lmdb'
import { apply } from '../load/apply.ts'
import type { LoadCommand, LoadEffect } from '../load/commands.ts'
import type { OrderedTable, Row, RowKey, Tables } from '../load/tables.ts'
import type { CommandStore } from './command-log.ts'
import { decodeValue, encodeValue } from './codec.ts'

/** The most it can grow to; address space, not memory. */
const mapBytes = 2 ** 40

export class LoadTables implements CommandStore<LoadCommand, LoadEffect> {
  readonly tables: Tables
  readonly #root: RootDatabase<Uint8Array, (number | string)[]>
  readonly #sequence: OrderedTable<number>

  constructor(path: string) {
    this.#root = open<Uint8Array, (number | string)[]>({
      path,
      maxDbs: 16,
      encoding: 'binary',
      mapSize: mapBytes,
      noSync: true,
      noSubdir: false,
    })
    const table = <V>(name: string): OrderedTable<V> => new LmdbTable<V>(this.#root.openDB({ name, encoding: 'binary' }))
    this.#sequence = table<number>('sequence')
    this.tables = {
      counters: table('counters'),
      loads: table('loads'),
      active: table('active'),
      requestKeys: table('request-keys'),
      sets: table('sets'),
      open: table('open'),
      files: table('files'),
      fileSets: table('file-sets'),
      failures: table('failures'),
    }
  }

  lastApplied(): bigint {
    return BigInt(this.#sequence.get(['applied']) ?? 0)
  }

  apply(commands: readonly LoadCommand[], seq: bigint): LoadEffect[] {
    return this.#root.transactionSync(() => {
      const effects = commands.map((command) => apply(this.tables, command))
      this.#sequence.put(['applied'], Number(seq))
      return effects
    })
  }

  flushed(): Promise<void> {
    // lmdb's types leave out `sync`; its promise `flushed` does not cover synchronous transactions.
    const environment = this.#root as RootDatabase<Uint8Array, (number | string)[]> & { sync(callback: (error?: Error) => void): void }
    return new Promise((resolve, reject) => environment.sync((error) => (error instanceof Error ? reject(error) : resolve())))
  }

  async close(): Promise<void> {
    await this.#root.close()
  }
}

class LmdbTable<V> implements OrderedTable<V> {
  readonly #database: Database<Uint8Array, (number | string)[]>

  constructor(database: Database<Uint8Array, (number | string)[]>) {
    this.#database = database
  }

  get(key: RowKey): V | undefined {
    const bytes = this.#database.get([...key])
    return bytes === undefined ? undefined : (decodeValue(bytes) as V)
  }

  put(key: RowKey, value: V): void {
    this.#database.putSync([...key], encodeValue(value))
  }

  delete(key: RowKey): void {
    this.#database.removeSync([...key])
  }

  scan(prefix: RowKey, from: number, limit: number): Row<V>[] {
    const range = this.#database.getRange({ start: [...prefix, from], end: [...prefix, Number.MAX_SAFE_INTEGER], limit })
    return Array.from(range, ({ key, value }) => ({ id: lastNumber(key), value: decodeValue(value) as V }))
  }
}

function lastNumber(key: unknown): number {
  return Number(Array.isArray(key) ? key.at(-1) : key)
}
