// Why: a state records its tables and their key encodings, so that a process without further
// knowledge can walk a copy. How: one row per table, written after the rows of the previous version
// were moved. A small state is walked at startup before it is used, because a row that is hidden by
// damage would count as deleted.
import { statSync } from 'node:fs'
import { compareKeys, type Database, type Key, open as openFile, type RootDatabase } from 'lmdb'
import type { OrderedKey } from './checked-values.ts'
import { walkState, type WalkOptions, type WalkResult } from './state-walk.ts'

export type KeyEncoding = 'ordered-binary' | 'binary'

export interface TableToTakeOver {
  readonly name: string
  readonly keyEncoding: KeyEncoding
  readonly table: Database<Buffer, OrderedKey | Buffer>
  readonly encode: (key: OrderedKey | Buffer, value: unknown) => Buffer
  /** The key encoding of the previous version. */
  readonly old: KeyEncoding
}

/** The maximum size of the file; address space, not memory. */
const mapBytes = 2 ** 40
const tablesMax = 64
/** A file of this size is walked at startup: about 70,000 files, a quarter of a second. */
export const walkedAtStartBytesMax = 16 * 1024 ** 2

/** The size of LMDB's pages is this, or a multiple. */
const pageBytesMin = 4096

/** Rows of one transaction. */
const takeOverRows = 10_000

/**
 * Moves the rows of a table of the previous version to the new one. After an interruption, it
 * continues at the next start.
 */
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

/** Opens the root. Commits do not wait for the disk. */
export function openRoot(path: string): RootDatabase {
  return openFile({ path, noSubdir: true, maxDbs: tablesMax, mapSize: mapBytes, noSync: true })
}

/**
 * Returns the problems of a state's file that is not open. A damaged file may end the process.
 * @param hasTables it must have tables, all of this version
 */
export async function walkFile(path: string, hasTables: boolean): Promise<string[]> {
  const { size } = statSync(path)
  if (size % pageBytesMin !== 0) return ['it ends within a page']
  let root: RootDatabase | undefined
  try {
    root = openRoot(path)
    return walkRoot(root, { isTakenOver: hasTables, withRows: size <= walkedAtStartBytesMax }).findings
  } catch (thrown) {
    if (isOfSystem(thrown)) throw thrown
    return [thrown instanceof Error ? thrown.message : String(thrown)]
  } finally {
    await root?.close()
  }
}

/**
 * Whether the error comes from the system (disk failure, no permission), and not from the content
 * of the file.
 */
function isOfSystem(thrown: unknown): boolean {
  const { code } = thrown as { readonly code?: unknown }
  return typeof code === 'string' || Number(code) > 0
}

/** @throws the errors of lmdb when the file is not a complete tree */
export function walkRoot(root: RootDatabase, options: WalkOptions = { isTakenOver: true }): WalkResult {
  const open = (name: string, keyEncoding: KeyEncoding): Database<Buffer, OrderedKey | Buffer> | undefined =>
    root.openDB<Buffer, OrderedKey | Buffer>({ name, encoding: 'binary', keyEncoding })
  // Read first, because opening a missing database would create it.
  const { entryCount: counted } = root.getStats() as { readonly entryCount: number }
  const state = {
    names: Array.from(root.getKeys({}), String),
    counted,
    encodings: new Map(Array.from(marksIn(root)?.getRange({}) ?? [], ({ key, value }) => [key, value.toString()])),
    open,
    compareKeys: (a: unknown, b: unknown) => compareKeys(a as Key, b as Key),
  }
  return walkState(state, options)
}

/** Undefined in a read-only copy without marks. */
function marksIn(root: RootDatabase): Database<Buffer, string> | undefined {
  return root.openDB<Buffer, string>({ name: 'taken-over', encoding: 'binary' })
}
