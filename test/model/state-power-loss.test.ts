// Why: what a master has acknowledged is there after kills and power losses, whatever they tear;
// and this test would notice if it were not: each planted mistake must be caught. How: counters in
// a real LMDB state, every command adds one, so that a lost command shows and one applied twice
// too.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { seededRandom } from '../../src/base/clock.ts'
import { CommandLog } from '../../src/journal/command-log.ts'
import type { Applied, CommandState } from '../../src/journal/command-state.ts'
import { LmdbState } from '../../src/journal/state/lmdb-state.ts'
import type { StateTable, Uncopied } from '../../src/journal/state-table.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { MemoryJournal } from '../unit/cache-master/support/fakes.ts'
import { type DiskBug, PowerLossDisk } from './support/power-loss-disk.ts'

type Bug = DiskBug | 'truncate-early'

const counters = 50

class Counters implements CommandState<number, void> {
  readonly #state: LmdbState
  readonly #rows: StateTable<number, Buffer>
  readonly #bug: Bug | undefined
  constructor(state: LmdbState, bug: Bug | undefined) {
    this.#state = state
    this.#rows = state.bytesTable('counters')
    this.#bug = bug
  }
  get lastApplied(): bigint {
    return this.#state.lastApplied
  }
  get uncopied(): Uncopied {
    return this.#state.uncopied
  }
  sizeBytes(): number {
    return this.#state.sizeBytes()
  }
  count(id: number): number {
    return this.#rows.get(id)?.readUInt32LE(0) ?? 0
  }
  apply(commands: readonly number[], lastApplied: bigint, bytes: number): Applied<void>[] {
    return this.#state.transact(
      lastApplied,
      () =>
        commands.map((id) => {
          const row = Buffer.alloc(1500)
          row.writeUInt32LE(this.count(id) + 1, 0)
          this.#rows.put(id, row)
          return { result: undefined }
        }),
      bytes,
    )
  }
  snapshot(): Promise<bigint> {
    if (this.#bug !== 'truncate-early') return this.#state.snapshot()
    this.#state.snapshot().catch(() => undefined)
    return Promise.resolve(this.lastApplied)
  }
}

async function run(
  seed: number,
  lives: number,
  bug?: Bug,
): Promise<{ powerLosses: number; restoredFrom: Set<bigint> }> {
  const random = seededRandom(seed)
  const home = await mkdtemp(join(tmpdir(), 'skein-power-'))
  const directory = join(home, 'state')
  const disk = new PowerLossDisk(directory, random, bug === 'truncate-early' ? undefined : bug)
  const journal = new MemoryJournal()
  const expected = Array.from({ length: counters }, () => 0)
  const restoredFrom = new Set<bigint>()
  let boot = 0
  let powerLosses = 0
  try {
    for (let life = 0; life < lives; life += 1) {
      disk.on()
      const state = await LmdbState.open({
        directory,
        logger: silentLogger,
        fileSystem: disk,
        bootId: () => `boot-${boot}`,
      })
      const tables = new Counters(state, bug)
      try {
        if (state.lastApplied < BigInt(expected.reduce((sum, count) => sum + count, 0)))
          restoredFrom.add(state.lastApplied)
        const log = await CommandLog.open<number, void>({
          journal,
          term: await journal.campaign(),
          state: tables,
          check: () => undefined,
          encode: (id) => Buffer.alloc(40, id),
          decode: (bytes) => bytes[0] ?? 0,
          logger: silentLogger,
          checkpointEntries: 20,
          checkpointBytes: 2 ** 30,
        })
        expect(expected.map((_, id) => tables.count(id))).toEqual(expected)
        for (let burst = Math.floor(random() * 12); burst > 0; burst -= 1) {
          const ids = Array.from({ length: 1 + Math.floor(random() * 12) }, () => Math.floor(random() * counters))
          await Promise.all(ids.map((id) => log.submit(id)))
          for (const id of ids) expected[id] = (expected[id] ?? 0) + 1
        }
        if (random() < 0.3) await log.close()
        if (random() < 0.5) {
          await state.close()
          await disk.noteSynced('data.mdb')
        }
      } finally {
        disk.off()
        await state.close().catch(() => undefined)
      }
      if (random() < 0.5) continue
      powerLosses += 1
      boot += 1
      await disk.losePower()
    }
  } catch (thrown) {
    throw new Error(`seed ${seed}: ${String(thrown)}`, { cause: thrown })
  } finally {
    await rm(home, { recursive: true, force: true })
  }
  return { powerLosses, restoredFrom }
}

test('150 lives that end in kills, closes and power losses: every acknowledged command is there once', async () => {
  const { powerLosses, restoredFrom } = await run(7, 150)
  expect(powerLosses).toBeGreaterThan(40)
  // From nothing at first, later from many different snapshots.
  expect(restoredFrom.size).toBeGreaterThan(10)
})

test.each(['truncate-early', 'no-sync', 'no-directory-sync'] as const)(
  'a planted mistake is caught (%s)',
  async (bug) => {
    await expect(run(7, 150, bug)).rejects.toThrow(/seed 7: .*(?:is missing, and the state|is damaged)/)
  },
)
