// A data file that a disk or a stray write has damaged: whatever bytes and pages are changed, the
// start finds it and is whole again, or it is the next one's, where the process died in it.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/clock.ts'
import { ordinaryOrLong } from '../../support/run-length.ts'

const runs = Number(process.env['SKEIN_DAMAGE_RUNS'] ?? ordinaryOrLong(4, 200))
const firstSeed = Number(process.env['SKEIN_SEED'] ?? 1)
const wanted = 1500
const child = join(import.meta.dirname, 'support/damaged-state-child.ts')

interface Found {
  readonly wrong: number[]
  readonly missing: number
  readonly refused: number
  readonly lastApplied: number
  readonly failed?: string
}

let home: string
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'skein-damaged-'))
  const { LmdbState } = await import('../../../src/journal/state/lmdb-state.ts')
  const { silentLogger } = await import('../../../src/telemetry/logger.ts')
  const state = await LmdbState.open({ directory: join(home, 'state'), logger: silentLogger, bootId: () => 'boot' })
  const rows = state.bytesTable<number>('rows')
  const numbers = state.numbersTable('numbers')
  const put = (n: number): void =>
    state.transact(BigInt(n), () => {
      rows.put(n, Buffer.from(`row ${n} `.repeat(3 + (n % 40))))
      numbers.put(Buffer.from(`n${n}`), n)
    })
  for (let n = 1; n <= 1000; n += 1) put(n)
  await state.snapshot()
  for (let n = 1001; n <= wanted; n += 1) put(n)
  await state.close()
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

/** @returns undefined when the process crashed before it could say anything */
function open(directory: string): Found | undefined {
  const { stdout } = spawnSync(process.execPath, [child, directory, String(wanted), 'boot'], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  return stdout === '' ? undefined : (JSON.parse(stdout) as Found)
}

function damage(path: string, random: () => number): void {
  const bytes = readFileSync(path)
  const at = (limit: number): number => Math.floor(random() * limit)
  const kind = at(4)
  if (kind === 0) for (let n = 0; n < 1 + at(200); n += 1) bytes[at(bytes.length)] = at(256)
  else if (kind === 1) bytes.fill(at(256), at(bytes.length / 4096) * 4096, at(bytes.length))
  else if (kind === 2)
    for (let n = 0; n < 3; n += 1)
      bytes.copy(bytes, at(bytes.length / 4096) * 4096, at(bytes.length / 4096) * 4096, bytes.length / 2)
  else for (let n = 0; n < 40; n += 1) bytes[at(bytes.length)] = (bytes[at(bytes.length)] ?? 0) ^ (1 << at(8))
  writeFileSync(path, kind === 1 && at(2) === 0 ? bytes.subarray(0, at(bytes.length)) : bytes)
}

test.each(Array.from({ length: runs }, (_, index) => firstSeed + index))('damage of seed %i', (seed) => {
  const directory = join(home, `seed-${seed}`)
  cpSync(join(home, 'state'), directory, { recursive: true })
  // As a process leaves it that was killed: trusted, but for the damage.
  writeFileSync(join(directory, 'opened-in-boot'), 'boot')
  damage(join(directory, 'data.mdb'), seededRandom(seed))
  // The start walks through it, which may end the process; the next one then begins with the
  // snapshot.
  const found = open(directory) ?? open(directory)
  expect(found).toEqual({ wrong: [], missing: 0, refused: 0, lastApplied: expect.any(Number) })
  expect(found?.lastApplied).toBeGreaterThanOrEqual(1000)
  rmSync(directory, { recursive: true })
})

test('a damaged snapshot is refused, and nothing is changed', () => {
  for (const [name, at] of [
    ['first', 0.01],
    ['middle', 0.5],
    ['end', 0.999],
  ] as const) {
    const directory = join(home, name)
    cpSync(join(home, 'state'), directory, { recursive: true })
    const path = join(directory, 'snapshot.mdb')
    const bytes = readFileSync(path)
    const place = Math.floor(bytes.length * at)
    bytes[place] = (bytes[place] ?? 0) ^ 4
    writeFileSync(path, bytes)
    writeFileSync(join(directory, 'opened-in-boot'), 'another-boot')
    const before = readFileSync(join(directory, 'data.mdb'))
    expect(open(directory)?.failed).toContain('is damaged')
    expect(readFileSync(join(directory, 'data.mdb')).equals(before)).toBe(true)
    rmSync(path)
    expect(open(directory)?.failed).toContain('snapshot.mdb')
    expect(readFileSync(join(directory, 'data.mdb')).equals(before)).toBe(true)
  }
})
