// A process that opens a state and reads all of it, as a master would; it may crash. Arguments:
// directory, rows wanted, then `replay`: writes again what the journal would give after the
// snapshot. Prints what it found as JSON.
import { LmdbState } from '../../../../src/journal/state/lmdb-state.ts'
import type { StateTable } from '../../../../src/journal/state-table.ts'
import { silentLogger } from '../../../../src/telemetry/logger.ts'

const [directory = '', wantedText = '0', boot = 'boot'] = process.argv.slice(2)
const wanted = Number(wantedText)
const found = { wrong: [] as number[], missing: 0, refused: 0, lastApplied: -1 }

function rowOf(n: number): string {
  return `row ${n} `.repeat(3 + (n % 40))
}

try {
  const state = await LmdbState.open({ directory, logger: silentLogger, bootId: () => boot })
  const rows: StateTable<number, Buffer> = state.bytesTable('rows')
  const numbers = state.numbersTable('numbers')
  found.lastApplied = Number(state.lastApplied)
  // What the journal has after the snapshot.
  for (let n = found.lastApplied + 1; n <= wanted; n += 1) {
    state.transact(BigInt(n), () => {
      rows.put(n, Buffer.from(rowOf(n)))
      numbers.put(Buffer.from(`n${n}`), n)
    })
  }
  for (let n = 1; n <= wanted; n += 1) {
    try {
      const text = rows.get(n)?.toString('utf8')
      const number = numbers.get(Buffer.from(`n${n}`))
      if (text === undefined || number === undefined) found.missing += 1
      if ((text !== undefined && text !== rowOf(n)) || (number !== undefined && number !== n)) found.wrong.push(n)
    } catch {
      found.refused += 1
    }
  }
  try {
    for (const { key, value } of rows.range({})) if (value.toString() !== rowOf(key)) found.wrong.push(key)
    for (const { key, value } of numbers.range({})) if (`n${value}` !== key.toString()) found.wrong.push(value)
  } catch {
    found.refused += 1
  }
  process.stdout.write(JSON.stringify(found), () => process.kill(process.pid, 'SIGKILL'))
} catch (thrown) {
  process.stdout.write(JSON.stringify({ ...found, failed: String(thrown) }), () => process.kill(process.pid, 'SIGKILL'))
}
