// Why: a copy that took damage along would take the place of the last whole one. How: states of
// both sizes (walked where they are, and by a child) are damaged while they serve; the copy is
// refused, the former one stays, and the next start has it all.
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { LmdbState } from '../../../src/journal/state/lmdb-state.ts'
import { checkCopy } from '../../../src/journal/state/state-check.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'skein-checked-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

const directory = (): string => join(home, 'state')
const dataPath = (): string => join(directory(), 'data.mdb')

function put(state: LmdbState, from: number, to: number): void {
  const rows = state.bytesTable<number>('rows')
  state.transact(BigInt(to), () => {
    for (let n = from; n <= to; n += 1) rows.put(n, Buffer.from(`value-of-${n}`))
  })
}

/** Changes one value in the file, as a stray write would. */
function damage(text: string): void {
  const bytes = readFileSync(dataPath())
  // In place: the file is mapped.
  const fd = openSync(dataPath(), 'r+')
  let found = 0
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
    writeSync(fd, 'V', at)
    found += 1
  }
  closeSync(fd)
  expect(found).toBeGreaterThan(0)
}

it.each([
  ['small', 200],
  ['large', 20_000],
])('a %s state that is damaged is not copied over the last whole one', async (_, rows) => {
  const told: string[] = []
  const open = (): Promise<LmdbState> =>
    LmdbState.open({
      directory: directory(),
      logger: silentLogger,
      bootId: () => 'boot',
      onDamage: ({ message }) => void told.push(message),
    })
  const state = await open()
  put(state, 1, rows)
  await state.snapshot()
  put(state, rows + 1, rows + 2)
  const before = readFileSync(join(directory(), 'snapshot.mdb'))
  expect(await state.check()).toMatchObject({ findings: [] })
  damage('value-of-77')
  expect((await state.check()).findings.join()).toMatch(/rows in the table 'rows' do not match their checksum/)
  expect(told).toEqual([])
  // It is known from the check already; a state where nothing was known is told here.
  await expect(state.snapshot()).rejects.toThrow('is damaged')
  expect(readFileSync(join(directory(), 'snapshot.mdb')).equals(before)).toBe(true)
  await state.close().catch(() => undefined)
  const again = await open()
  expect(again.lastApplied).toBe(BigInt(rows))
  expect(again.bytesTable<number>('rows').get(77)?.toString()).toBe('value-of-77')
  damage('value-of-88')
  await expect(again.snapshot()).rejects.toThrow('do not match their checksum')
  expect(told.join()).toContain('do not match their checksum')
  expect(readFileSync(join(directory(), 'snapshot.mdb')).equals(before)).toBe(true)
  await again.close().catch(() => undefined)
})

it('keys of every kind are found, lists of one too', async () => {
  const state = await LmdbState.open({ directory: directory(), logger: silentLogger, bootId: () => 'boot' })
  const rows = state.bytesTable<number | string | (number | string)[]>('rows')
  const numbers = state.numbersTable('numbers')
  state.transact(1n, () => {
    for (const key of [7, 'seven', [8], ['eight'], [9, 'nine'], [9, 9]]) rows.put(key, Buffer.from(String(key)))
    numbers.put(Buffer.of(0, 255, 1), 3)
  })
  await state.snapshot()
  expect((await state.check()).findings).toEqual([])
  await state.close()
})

it('a damaged snapshot is a finding, and the next copy mends it', async () => {
  const state = await LmdbState.open({ directory: directory(), logger: silentLogger, bootId: () => 'boot' })
  put(state, 1, 10)
  await state.snapshot()
  const path = join(directory(), 'snapshot.mdb')
  const bytes = readFileSync(path)
  bytes[5000] = (bytes[5000] ?? 0) ^ 1
  writeFileSync(path, bytes)
  expect((await state.check()).findings.join()).toMatch(/the snapshot in .* is damaged/)
  await state.snapshot()
  expect((await state.check()).findings).toEqual([])
  await state.close()
})

it('whatever a damaged page does to the child is a finding, and one that does not end is ended', async () => {
  const state = await LmdbState.open({ directory: directory(), logger: silentLogger, bootId: () => 'boot' })
  put(state, 1, 5000)
  await state.close()
  const whole = readFileSync(dataPath())
  const copy = join(home, 'copy.mdb')
  writeFileSync(copy, whole)
  expect(await checkCopy(copy, '')).toMatchObject({ findings: [] })
  expect((await checkCopy(copy, '', 1)).findings.join()).toContain('did not end within 1 ms')
  const ends = new Set<string>()
  for (const [from, to, byte] of [
    [2 * 4096, whole.length, 0xff],
    [8 * 4096, 12 * 4096, 0],
    [20 * 4096, 20 * 4096 + 600, 0x7f],
  ] as const) {
    writeFileSync(copy, Buffer.from(whole).fill(byte, from, to))
    const { findings } = await checkCopy(copy, '')
    expect(findings.length, `bytes ${from} to ${to}`).toBeGreaterThan(0)
    for (const finding of findings) ends.add(finding)
  }
  // A file that ends early: reading on is SIGBUS.
  writeFileSync(copy, whole.subarray(0, 10 * 4096))
  expect((await checkCopy(copy, '')).findings.join()).toMatch(/was terminated by SIG|ended early|ended with exit code/)
})

it('a program of the walk that is gone says nothing of the state', async () => {
  const options = { directory: directory(), logger: silentLogger, bootId: () => 'boot' }
  const state = await LmdbState.open({ ...options, agreement: join(home, 'gone.js') })
  put(state, 1, 10)
  await expect(state.check()).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('gone.js is missing; if Skein was reinstalled, restart the role'),
  })
  await state.snapshot()
  await state.close()
})
