// Why: the page of compatibility says what real clients do, not what somebody hopes. How: one file
// of results a client in the repository; a run compares with it, and with SKEIN_RECORD=1 writes it.
// scripts/document.ts makes the page of these files.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export const goosefsResults = join(import.meta.dirname, '../clients/goosefs/results')

/** @returns the results to compare with: those on record, or, where this run is recorded, these */
export function recorded(
  client: string,
  operations: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const file = join(goosefsResults, `${client}.json`)
  if (process.env['SKEIN_RECORD'] === '1') writeFileSync(file, `${JSON.stringify(operations, undefined, 2)}\n`)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>) : {}
}
