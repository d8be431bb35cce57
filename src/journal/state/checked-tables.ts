// Why: LMDB has no checksums, and the state is reopened while it serves (mapped-memory.ts), so LMDB
// databases must not be exposed. How: each table prepends a checksum to its values
// (checked-values.ts) and verifies it on every read, and it replaces its database when the state is
// reopened. Tables with checksums have their own names (`.2`). The rows of a table of the previous
// version are moved when the table is first opened.
import type { Database, RootDatabase } from 'lmdb'
import type { KeyRange, StateTable } from '../state-table.ts'
import {
  checkedBytes,
  checkedNumber,
  type Codec,
  numberOf,
  type OrderedKey,
  tableSeed,
  valueOf,
} from './checked-values.ts'
import { pagesOf, type TreeStats } from './lmdb-pages.ts'
import { type KeyEncoding, takeOver } from './lmdb-walk.ts'
import type { MappedMemory } from './mapped-memory.ts'
import { type DamageWatch, isDamage } from './state-damage.ts'
import type { StateUse } from './state-use.ts'
import { checkedSuffix } from './state-walk.ts'

/** A table and its current database. */
interface OpenTable {
  database: Database<Buffer, OrderedKey | Buffer>
  reopen(): unknown
}

interface CheckedTablesDependencies {
  /** The current root. */
  readonly root: () => RootDatabase
  /** Throws when the state is closed. */
  readonly checkOpen: () => void
  readonly memory: Pick<MappedMemory, 'read'>
  readonly use: Pick<StateUse, 'touch'>
  readonly damage: DamageWatch
}

export class CheckedTables {
  readonly #deps: CheckedTablesDependencies
  /** Every opened table, by name. */
  readonly #tables = new Map<string, OpenTable>()

  constructor(deps: CheckedTablesDependencies) {
    this.#deps = deps
  }

  bytes<Key extends OrderedKey>(name: string): StateTable<Key, Buffer> {
    const codec = { encode: checkedBytes, decode: valueOf, old: { encoding: 'binary' } } as const
    return this.#table<Key, Buffer>(name, 'ordered-binary', codec)
  }

  numbers<Key extends string | Buffer>(name: string, keyEncoding: KeyEncoding): StateTable<Key, number> {
    const codec = { encode: checkedNumber, decode: numberOf, old: { encoding: 'ordered-binary' } } as const
    return this.#table<Key, number>(name, keyEncoding, codec)
  }

  /** Pages in use. */
  pages(): number {
    let pages = 0
    for (const { database } of this.#tables.values()) pages += pagesOf(database.getStats() as TreeStats)
    return pages
  }

  /** Called after the root was reopened. */
  reopen(): void {
    for (const table of this.#tables.values()) table.reopen()
  }

  #table<Key extends OrderedKey | Buffer, Value>(
    name: string,
    keyEncoding: KeyEncoding,
    codec: Codec<Value>,
  ): StateTable<Key, Value> {
    const seed = tableSeed(name)
    const openDatabase = (): Database<Buffer, OrderedKey | Buffer> =>
      this.#deps.root().openDB<Buffer, OrderedKey | Buffer>({
        name: `${name}${checkedSuffix}`,
        encoding: 'binary',
        keyEncoding,
      })
    let table = this.#tables.get(name)
    if (table === undefined) {
      const made: OpenTable = { database: openDatabase(), reopen: () => (made.database = openDatabase()) }
      this.#tables.set(name, made)
      table = made
      const encode = (key: OrderedKey | Buffer, value: unknown): Buffer => codec.encode(seed, key, value as Value)
      takeOver(this.#deps.root(), { name, keyEncoding, table: made.database, encode, old: codec.old.encoding })
    }
    const opened = table
    const decoded = (key: Key, bytes: Buffer): Value => {
      const value = codec.decode(seed, key, bytes)
      if (value === undefined) throw this.#deps.damage.found(`a value of '${name}'`)
      return value
    }
    return {
      get: (key) => {
        this.#deps.checkOpen()
        this.#deps.memory.read()
        this.#deps.use.touch()
        const bytes = this.#deps.damage.guarded(name, () => opened.database.getBinaryFast(key))
        return bytes === undefined ? undefined : decoded(key, bytes)
      },
      put: (key, value) => void opened.database.put(key, codec.encode(seed, key, value)),
      delete: (key) => void opened.database.remove(key),
      range: (range) => this.#rows(name, opened, range, decoded),
    }
  }

  *#rows<Key extends OrderedKey | Buffer, Value>(
    name: string,
    table: OpenTable,
    range: KeyRange<Key>,
    decoded: (key: Key, bytes: Buffer) => Value,
  ): Generator<{ readonly key: Key; readonly value: Value }> {
    this.#deps.checkOpen()
    this.#deps.use.touch()
    try {
      for (const row of table.database.getRange(range)) {
        const key = row.key as Key
        yield { key, value: decoded(key, row.value) }
      }
    } catch (thrown) {
      throw isDamage(thrown) ? this.#deps.damage.found(name, thrown) : thrown
    }
  }
}
