// Why: a state says itself which tables it has and how their keys are written, so that a copy can be walked by a process that
// knows nothing else of it. How: a row for each table, written once what the version before had in it has moved over.
import { compareKeys, type Database, type Key, type RootDatabase } from 'lmdb'
import type { OrderedKey } from './checked-values.ts'
import { walkState, type WalkResult } from './state-walk.ts'

export type KeyEncoding = 'ordered-binary' | 'binary'

export interface TableToTakeOver {
  readonly name: string
  readonly keyEncoding: KeyEncoding
  readonly table: Database<Buffer, OrderedKey | Buffer>
  readonly encode: (key: OrderedKey | Buffer, value: unknown) => Buffer
  /** Of values in the version before. */
  readonly old: KeyEncoding
}

/** Of one transaction. */
const takeOverRows = 10_000

/** Moves what a table of the version before holds into the new one. Interrupted anywhere, it goes on at the next start. */
export function takeOver(root: RootDatabase, { name, keyEncoding, table, encode, old }: TableToTakeOver): void {
  const done = Buffer.from(keyEncoding)
  const marks = marksIn(root)
  const mark = marks?.get(name)?.toString()
  if (marks === undefined || mark === keyEncoding) return
  if (mark !== undefined) {
    root.transactionSync(() => void marks.put(name, done))
    return
  }
  const before = root.openDB<unknown, OrderedKey | Buffer>({ name, keyEncoding, encoding: old })
  for (let moved = takeOverRows; moved === takeOverRows;) {
    moved = root.transactionSync(() => {
      const rows = Array.from(before.getRange({ limit: takeOverRows }), ({ key, value }) => ({ key, value }))
      for (const { key, value } of rows) {
        void table.put(key, encode(key, value))
        void before.remove(key)
      }
      if (rows.length < takeOverRows) void marks.put(name, done)
      return rows.length
    })
  }
}

/** @throws what lmdb throws where the file is no whole tree */
export function walkRoot(root: RootDatabase): WalkResult {
  const open = (name: string, keyEncoding: KeyEncoding): Database<Buffer, OrderedKey | Buffer> | undefined =>
    root.openDB<Buffer, OrderedKey | Buffer>({ name, encoding: 'binary', keyEncoding })
  return walkState({
    names: Array.from(root.getKeys({}), String),
    encodings: new Map(Array.from(marksIn(root)?.getRange({}) ?? [], ({ key, value }) => [key, value.toString()])),
    open,
    compareKeys: (a, b) => compareKeys(a as Key, b as Key),
  })
}

/** Undefined in a copy that is read only and has none. */
function marksIn(root: RootDatabase): Database<Buffer, string> | undefined {
  return root.openDB<Buffer, string>({ name: 'taken-over', encoding: 'binary' })
}
