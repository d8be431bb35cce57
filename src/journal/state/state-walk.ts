// Why: LMDB keeps no checksums of its pages, so hidden damage must be searched for. How: every
// table is walked from end to end. Each value must match its checksum, each key must be greater
// than the one before and must be found by a look-up, and the number of rows must be the one that
// LMDB has counted. Works on databases that the caller supplies (lmdb-walk.ts).
import { tableSeed, valueOf, type OrderedKey } from './checked-values.ts'

/** The part of lmdb's database that is used here. */
export interface WalkedTable {
  getRange(options: { readonly snapshot?: boolean }): Iterable<{ readonly key: unknown; readonly value: Buffer }>
  getBinaryFast(key: OrderedKey | Buffer): Buffer | undefined
  getStats(): object
}

export interface WalkedState {
  /** The names of all databases in the file. */
  readonly names: readonly string[]
  /** The number of databases that the file declares. */
  readonly counted: number
  /** The key encoding of each table, by name. */
  readonly encodings: ReadonlyMap<string, string>
  open(name: string, keyEncoding: 'ordered-binary' | 'binary'): WalkedTable | undefined
  readonly compareKeys: (a: unknown, b: unknown) => number
}

export interface WalkResult {
  /** One line each; empty: no problem. */
  readonly findings: string[]
  readonly rows: number
}

/** The name suffix of tables whose values have checksums. */
export const checkedSuffix = '.2'

export interface WalkOptions {
  /** All rows of the previous version were moved. */
  readonly isTakenOver: boolean
  /** Default: true. False: only check that the tables exist. */
  readonly withRows?: boolean
}

export function walkState(state: WalkedState, { isTakenOver, withRows = true }: WalkOptions): WalkResult {
  const findings: string[] = []
  let rows = 0
  if (state.names.length !== state.counted) findings.push(`${state.names.length} of ${state.counted} tables exist`)
  if (isTakenOver && state.encodings.size === 0) findings.push('it does not list its tables')
  for (const name of isTakenOver ? state.names : []) {
    if (!name.endsWith(checkedSuffix)) continue
    const table = name.slice(0, -checkedSuffix.length)
    if (!state.encodings.has(table)) findings.push(`the table '${table}' is not in the state's list of tables`)
  }
  for (const [name, encoding] of state.encodings) {
    // A table that was created before this mark existed.
    if (encoding === 'done') continue
    if (encoding !== 'ordered-binary' && encoding !== 'binary') {
      findings.push(`the table '${name}' has an unknown key encoding`)
      continue
    }
    // In a writable file, opening would create a missing database.
    const isThere = state.names.includes(`${name}${checkedSuffix}`)
    const table = isThere ? state.open(`${name}${checkedSuffix}`, encoding) : undefined
    if (table === undefined) findings.push(`the table '${name}' is missing`)
    else if (withRows)
      rows += walkTable(name, table, encoding === 'binary' ? compareBytes : state.compareKeys, findings)
  }
  return { findings, rows }
}

function walkTable(
  name: string,
  table: WalkedTable,
  compare: (a: unknown, b: unknown) => number,
  findings: string[],
): number {
  const { entryCount } = table.getStats() as { readonly entryCount: number }
  const seed = tableSeed(name)
  const wrong = { value: 0, order: 0, lost: 0 }
  let rows = 0
  let before: unknown
  for (const { key, value } of table.getRange({})) {
    if (valueOf(seed, key as OrderedKey | Buffer, value) === undefined) wrong.value += 1
    if (rows > 0 && compare(before, key) >= 0) wrong.order += 1
    if (!isFound(table, key as OrderedKey | Buffer)) wrong.lost += 1
    before = key
    rows += 1
    // A tree with a loop has no end.
    if (rows > entryCount + 1000) break
  }
  const of = `of ${entryCount} rows in the table '${name}'`
  if (wrong.value > 0) findings.push(`${wrong.value} ${of} do not match their checksum`)
  if (wrong.order > 0) findings.push(`${wrong.order} ${of} are out of order`)
  if (wrong.lost > 0) findings.push(`${wrong.lost} ${of} cannot be found by their key`)
  if (rows !== entryCount)
    findings.push(`${rows > entryCount ? 'more than ' : ''}${Math.min(rows, entryCount)} ${of} exist`)
  return rows
}

function isFound(table: WalkedTable, key: OrderedKey | Buffer): boolean {
  if (table.getBinaryFast(key) !== undefined) return true
  // lmdb returns a list with one element as the element.
  return (typeof key === 'number' || typeof key === 'string') && table.getBinaryFast([key]) !== undefined
}

function compareBytes(a: unknown, b: unknown): number {
  return a instanceof Uint8Array && b instanceof Uint8Array ? Buffer.compare(a, b) : 1
}
