// Why: a state says itself which tables it has and how their keys are written, so that a copy can
// be walked by a process that knows nothing else of it. How: a row for each table, written once
// what the version before had in it has moved over. A start walks a small state before anything is
// asked of it: what damage hides (a row that is not found) would be taken for deleted.
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
  /** Of values in the version before. */
  readonly old: KeyEncoding
}

/** The most it can grow to; address space, not memory. */
const mapBytes = 2 ** 40
const tablesMax = 64
/**
 * A start may wait for the walk through a file of this size: some 70,000 files, and a quarter of a
 * second.
 */
export const walkedAtStartBytesMax = 16 * 1024 ** 2

/** LMDB's pages are of this size, or a multiple. */
const pageBytesMin = 4096

/** Of one transaction. */
const takeOverRows = 10_000

/**
 * Moves what a table of the version before holds into the new one. Interrupted anywhere, it goes on
 * at the next start.
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

/** Commits do not wait for the disk. */
export function openRoot(path: string): RootDatabase {
  return openFile({ path, noSubdir: true, maxDbs: tablesMax, mapSize: mapBytes, noSync: true })
}

/**
 * What is wrong with a state's file, which nobody has open; a damaged one may end the process.
 * @param hasTables it must have some, and all that it has are of this version
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

/** A disk that fails, or a file that may not be read; of what is in the file it says nothing. */
function isOfSystem(thrown: unknown): boolean {
  const { code } = thrown as { readonly code?: unknown }
  return typeof code === 'string' || Number(code) > 0
}

/** @throws what lmdb throws where the file is no whole tree */
export function walkRoot(root: RootDatabase, options: WalkOptions = { isTakenOver: true }): WalkResult {
  const open = (name: string, keyEncoding: KeyEncoding): Database<Buffer, OrderedKey | Buffer> | undefined =>
    root.openDB<Buffer, OrderedKey | Buffer>({ name, encoding: 'binary', keyEncoding })
  // Asked for first: opening one that is not there would make it.
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

/** Undefined in a copy that is read only and has none. */
function marksIn(root: RootDatabase): Database<Buffer, string> | undefined {
  return root.openDB<Buffer, string>({ name: 'taken-over', encoding: 'binary' })
}
