// Why: LMDB keeps no checksums of its pages: what damage hides must be looked for. How: every table
// is walked from end to end; each value must match its checksum, each key must come after the one
// before it and be found when it is asked for, and there must be as many rows as LMDB has counted.
// Works on what it is lent (lmdb-walk.ts).
import { tableSeed, valueOf, type OrderedKey } from './checked-values.ts'

/** Of lmdb's database, what is needed here. */
export interface WalkedTable {
  getRange(options: { readonly snapshot?: boolean }): Iterable<{ readonly key: unknown; readonly value: Buffer }>
  getBinaryFast(key: OrderedKey | Buffer): Buffer | undefined
  getStats(): object
}

export interface WalkedState {
  /** Of all databases in the file. */
  readonly names: readonly string[]
  /** How many databases the file says that it has. */
  readonly counted: number
  /** How the keys of each table are written, by name. */
  readonly encodings: ReadonlyMap<string, string>
  open(name: string, keyEncoding: 'ordered-binary' | 'binary'): WalkedTable | undefined
  readonly compareKeys: (a: unknown, b: unknown) => number
}

export interface WalkResult {
  /** One line each; empty: nothing is wrong. */
  readonly findings: string[]
  readonly rows: number
}

/** Behind a table's name, where its values have checksums. */
export const checkedSuffix = '.2'

export interface WalkOptions {
  /** Nothing of the version before is in it any more. */
  readonly isTakenOver: boolean
  /** Default: true. Else only whether the tables are there. */
  readonly withRows?: boolean
}

export function walkState(state: WalkedState, { isTakenOver, withRows = true }: WalkOptions): WalkResult {
  const findings: string[] = []
  let rows = 0
  if (state.names.length !== state.counted) findings.push(`${state.names.length} of ${state.counted} tables are there`)
  if (isTakenOver && state.encodings.size === 0) findings.push('it does not say which tables it has')
  for (const name of isTakenOver ? state.names : []) {
    if (!name.endsWith(checkedSuffix)) continue
    const table = name.slice(0, -checkedSuffix.length)
    if (!state.encodings.has(table)) findings.push(`the table '${table}' is not among those that the state says it has`)
  }
  for (const [name, encoding] of state.encodings) {
    // Of a table that was made before this was written down.
    if (encoding === 'done') continue
    if (encoding !== 'ordered-binary' && encoding !== 'binary') {
      findings.push(`the table '${name}' has keys of an unknown kind`)
      continue
    }
    // Where the file may be written, opening makes what is not there.
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
    // A tree that leads back into itself has no end.
    if (rows > entryCount + 1000) break
  }
  const of = `of ${entryCount} rows in the table '${name}'`
  if (wrong.value > 0) findings.push(`${wrong.value} ${of} do not match their checksum`)
  if (wrong.order > 0) findings.push(`${wrong.order} ${of} are not in their place`)
  if (wrong.lost > 0) findings.push(`${wrong.lost} ${of} are not found by their key`)
  if (rows !== entryCount)
    findings.push(`${rows > entryCount ? 'more than ' : ''}${Math.min(rows, entryCount)} ${of} are there`)
  return rows
}

function isFound(table: WalkedTable, key: OrderedKey | Buffer): boolean {
  if (table.getBinaryFast(key) !== undefined) return true
  // lmdb gives a list of one as the one.
  return (typeof key === 'number' || typeof key === 'string') && table.getBinaryFast([key]) !== undefined
}

function compareBytes(a: unknown, b: unknown): number {
  return a instanceof Uint8Array && b instanceof Uint8Array ? Buffer.compare(a, b) : 1
}
