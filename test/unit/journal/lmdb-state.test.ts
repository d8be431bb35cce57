// Why: which file a start trusts decides whether a power loss costs anything. How: a state is
// copied while it is open, as a machine that stops leaves it, its data made rubbish, and opened
// under this boot or another.
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open as openLmdb } from 'lmdb'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LmdbState } from '../../../src/journal/state/lmdb-state.ts'
import type { StateTable } from '../../../src/journal/state-table.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'

let home: string
const opened: LmdbState[] = []

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'skein-state-'))
})
afterEach(async () => {
  for (const state of opened.splice(0)) await state.close()
  await rm(home, { recursive: true, force: true })
})

async function open(name = 'state', boot: string | null = 'boot-1'): Promise<LmdbState> {
  const state = await LmdbState.open({
    directory: join(home, name),
    logger: silentLogger,
    bootId: () => boot ?? undefined,
  })
  opened.push(state)
  return state
}
function put(state: LmdbState, from: number, to: number): void {
  const table: StateTable<number, Buffer> = state.bytesTable('rows')
  for (let i = from; i <= to; i += 1) state.transact(BigInt(i), () => table.put(i, Buffer.from(`row ${i}`)), 10)
}
function rowsOf(state: LmdbState): string[] {
  return Array.from(state.bytesTable<number>('rows').range({}), ({ value }) => value.toString())
}
function rows(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `row ${index + 1}`)
}
/** What is left when everything stops now: the live file as the kernel has it, or as rubbish. */
async function stopped(state: LmdbState, data: 'kept' | 'torn'): Promise<string> {
  await state.flush()
  await cp(join(home, 'state'), join(home, 'left'), { recursive: true })
  if (data === 'torn') await writeFile(join(home, 'left', 'data.mdb'), Buffer.alloc(50_000, 7))
  return 'left'
}

/** Of the process's resident memory, what is this file, mapped. */
async function residentBytes(path: string): Promise<number> {
  const maps = (await readFile('/proc/self/smaps', 'utf8')).split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)
  const sizes = maps
    .filter((map) => map.includes(path))
    .map((map) => Number(/^Rss:\s+(\d+) kB/m.exec(map)?.[1] ?? 0) * 1024)
  return sizes.reduce((sum, bytes) => sum + bytes, 0)
}

describe('LmdbState', () => {
  it('keeps what was committed and its sequence, over a close and a kill; nobody else may read it', async () => {
    const state = await open()
    put(state, 1, 30)
    expect((await stat(join(home, 'state'))).mode & 0o777).toBe(0o700)
    const killed = await open(await stopped(state, 'kept'))
    expect([rowsOf(killed), killed.lastApplied]).toEqual([rows(30), 30n])
    await state.close()
    const again = await open()
    expect([rowsOf(again), again.lastApplied]).toEqual([rows(30), 30n])
  })

  it('goes back to the snapshot when the machine was started anew, and serves from it', async () => {
    const state = await open()
    put(state, 1, 10)
    expect(await state.snapshot()).toBe(10n)
    put(state, 11, 30)
    const left = await stopped(state, 'torn')
    expect(await readFile(join(home, left, 'opened-in-boot'), 'utf8')).toBe('boot-1')
    const restored = await open(left, 'boot-2')
    expect([rowsOf(restored), restored.lastApplied]).toEqual([rows(10), 10n])
    put(restored, 11, 12)
    await restored.close()
    expect(rowsOf(await open(left, 'boot-3'))).toEqual(rows(12))
  })

  it('says of a large state only after a walk that every row was looked at', async () => {
    const small = await open()
    expect(small.isWalked).toBe(true)
    const table: StateTable<number, Buffer> = small.bytesTable('rows')
    for (let i = 1; i <= 20; i += 1)
      small.transact(BigInt(i), () => {
        for (let row = 0; row < 20; row += 1) table.put(i * 100 + row, Buffer.alloc(60_000, i))
      })
    await small.snapshot()
    await small.close()
    const large = await open()
    expect(large.isWalked).toBe(false)
    await large.snapshot()
    expect(large.isWalked).toBe(true)
  })

  it('begins empty when there was no snapshot yet', async () => {
    const state = await open()
    put(state, 1, 10)
    const restored = await open(await stopped(state, 'torn'), 'boot-2')
    expect([rowsOf(restored), restored.lastApplied]).toEqual([[], 0n])
  })

  it('trusts a state that was closed, on any boot, and no other where boots have no name', async () => {
    const state = await open('state', null)
    put(state, 1, 10)
    await state.snapshot()
    put(state, 11, 20)
    const left = await stopped(state, 'torn')
    await state.close()
    expect(rowsOf(await open('state', null))).toEqual(rows(20))
    expect(rowsOf(await open(left, null))).toEqual(rows(10))
  })

  it('restores again after a restoration that was interrupted', async () => {
    const state = await open()
    put(state, 1, 10)
    await state.snapshot()
    const left = await stopped(state, 'torn')
    await writeFile(join(home, left, 'opened-in-boot'), 'restoring')
    expect(rowsOf(await open(left, 'boot-1'))).toEqual(rows(10))
    expect(await readFile(join(home, left, 'opened-in-boot'), 'utf8')).toBe('boot-1')
  })

  it('copies while it is being changed: whole, with everything up to the sequence that it gives', async () => {
    const state = await open()
    put(state, 1, 2000)
    const copy = state.snapshot()
    let last = 2000
    const done = new AbortController()
    void copy.finally(() => done.abort())
    while (!done.signal.aborted) {
      put(state, last + 1, last + 20)
      last += 20
      await new Promise((resolve) => setImmediate(resolve))
    }
    const upTo = await copy
    expect(upTo).toBeGreaterThanOrEqual(2000n)
    expect(upTo).toBeLessThan(last)
    expect(state.uncopied).toEqual({ entries: last - Number(upTo), bytes: (last - Number(upTo)) * 10 })
    const restored = await open(await stopped(state, 'torn'), 'boot-2')
    expect(restored.lastApplied).toBeGreaterThanOrEqual(upTo)
    expect(rowsOf(restored)).toEqual(rows(Number(restored.lastApplied)))
  })

  it('copies one commit, whatever pages are written and used again meanwhile', async () => {
    const state = await open()
    const churned: StateTable<number, Buffer> = state.bytesTable('churned')
    const still: StateTable<number, Buffer> = state.bytesTable('still')
    let generation = 0
    const commit = (): void => {
      generation += 1
      const row = Buffer.alloc(700, String(generation))
      state.transact(BigInt(generation), () => {
        for (let i = 0; i < 200; i += 1) churned.put(i, row)
      })
    }
    // Enough to copy for many commits to come in between.
    state.transact(0n, () => {
      for (let i = 0; i < 4000; i += 1) still.put(i, Buffer.alloc(8000, 1))
    })
    for (let round = 0; round < 3; round += 1) {
      for (let i = 0; i < 5; i += 1) commit()
      const copying = state.snapshot()
      const done = new AbortController()
      void copying.finally(() => done.abort())
      while (!done.signal.aborted) {
        commit()
        await new Promise((resolve) => setImmediate(resolve))
      }
      const upTo = await copying
      const restored = await open(await stopped(state, 'torn'), `boot-${round + 2}`)
      const rowsThere = Array.from(restored.bytesTable<number>('churned').range({}), ({ value }) => value.toString())
      expect(restored.lastApplied).toBeGreaterThanOrEqual(upTo)
      expect(new Set(rowsThere)).toEqual(new Set([Buffer.alloc(700, String(restored.lastApplied)).toString()]))
      expect([rowsThere.length, Array.from(restored.bytesTable<number>('still').range({})).length]).toEqual([200, 4000])
      opened.splice(opened.indexOf(restored), 1)
      await restored.close()
      await rm(join(home, 'left'), { recursive: true })
    }
  })

  it('copies only what is in use once most of it is gone, and counts no page that is free', async () => {
    const state = await open()
    const table: StateTable<number, Buffer> = state.bytesTable('rows')
    const before = state.usedBytes()
    state.transact(1n, () => {
      for (let i = 1; i <= 3000; i += 1) table.put(i, Buffer.alloc(1000, 1))
    })
    expect(state.usedBytes()).toBeGreaterThan(before + 3_000_000)
    const largest = state.sizeBytes()
    state.transact(2n, () => {
      for (let i = 1; i <= 2990; i += 1) table.delete(i)
    })
    expect(state.usedBytes()).toBeLessThan(before + 200_000)
    expect(state.sizeBytes()).toBeLessThan(largest / 4)
    expect(await state.snapshot()).toBe(2n)
    expect((await stat(join(home, 'state', 'snapshot.mdb'))).size).toBeLessThan(largest / 4)
    const restored = await open(await stopped(state, 'torn'), 'boot-2')
    expect([rowsOf(restored).length, restored.lastApplied]).toEqual([10, 2n])
    put(restored, 11, 20)
    expect(rowsOf(restored).length).toBe(20)
  })

  it.skipIf(!existsSync('/proc/self/smaps'))(
    'gives mapped pages back when there are too many, and serves on',
    async () => {
      const mappedBytesMax = 1
      const state = await LmdbState.open({
        directory: join(home, 'mapped'),
        logger: silentLogger,
        bootId: () => 'boot-1',
        mappedBytesMax,
      })
      opened.push(state)
      const table: StateTable<number, Buffer> = state.bytesTable('rows')
      const names = state.numbersTable('names')
      const row = Buffer.alloc(4000, 7)
      state.transact(1n, () => {
        for (let i = 0; i < 8000; i += 1) table.put(i, row)
        names.put(Buffer.from('a'), 1)
      })
      const inTurn = async (): Promise<void> => {
        for (let i = 0; i < 8000; i += 1) expect(table.get(i)?.length).toBe(4000)
        await new Promise((resolve) => setImmediate(resolve))
        await new Promise((resolve) => setImmediate(resolve))
      }
      await inTurn()
      expect(await residentBytes(join(home, 'mapped', 'data.mdb'))).toBeLessThan(8_000_000)
      // All that was handed out before works on: reads, writes, ranges, snapshots.
      expect([names.get(Buffer.from('a')), state.lastApplied]).toEqual([1, 1n])
      state.transact(2n, () => table.put(8000, row))
      expect(Array.from(table.range({ start: 7999 }), ({ key }) => key)).toEqual([7999, 8000])
      const copying = state.snapshot()
      await inTurn()
      expect(await copying).toBe(2n)
      state.transact(3n, () => table.delete(8000))
      expect([table.get(8000), table.get(0)?.length]).toEqual([undefined, 4000])
    },
  )

  it('still knows after a kill how much no snapshot has', async () => {
    const state = await open()
    put(state, 1, 10)
    await state.snapshot()
    put(state, 11, 30)
    expect((await open(await stopped(state, 'kept'))).uncopied).toEqual({ entries: 20, bytes: 200 })
  })

  it('takes a snapshot at once of a state that has none, and clears an unfinished one away', async () => {
    const state = await open()
    put(state, 1, 10)
    await state.close()
    await writeFile(join(home, 'state', 'snapshot.mdb.part'), 'unfinished')
    await open()
    expect((await readdir(join(home, 'state'))).toSorted()).toEqual([
      ...['checkpointed', 'data.mdb', 'data.mdb-lock', 'in-use', 'opened-in-boot', 'snapshot.mdb'],
    ])
  })

  it('undoes a transaction that fails, its sequence too, and refuses reads after its end', async () => {
    const state = await open()
    put(state, 1, 3)
    const failing = (): void => {
      state.bytesTable<number>('rows').put(9, Buffer.from('no'))
      throw new Error('planted')
    }
    expect(() => state.transact(9n, failing, 10)).toThrow('planted')
    expect([rowsOf(state), state.lastApplied, state.uncopied.bytes]).toEqual([rows(3), 3n, 30])
    const table = state.bytesTable<number>('rows')
    await state.close()
    expect(() => table.get(1)).toThrow(expect.objectContaining({ code: 'unavailable' }))
    await expect(state.snapshot()).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('takes over what the version before left, each value once, and goes on after an interruption', async () => {
    const state = await open()
    await state.close()
    const root = openLmdb({ path: join(home, 'state', 'data.mdb'), noSubdir: true, maxDbs: 64 })
    // As a state of the version before is: nothing was ever taken over, its values lie as they are.
    for (const name of ['taken-over', 'state.2']) root.openDB({ name, encoding: 'binary' }).clearSync()
    const oldRows = root.openDB<Buffer, number>({ name: 'rows', encoding: 'binary' })
    const oldNames = root.openDB<number, Buffer>({ name: 'names', encoding: 'ordered-binary', keyEncoding: 'binary' })
    const oldState = root.openDB<number, string>({ name: 'state', encoding: 'ordered-binary' })
    root.transactionSync(() => {
      for (let i = 1; i <= 12_000; i += 1) void oldRows.put(i, Buffer.from(`row ${i}`))
      void oldNames.put(Buffer.from('a'), 2 ** 52 + 1)
      void oldState.put('last_applied', 12_000)
    })
    await root.close()
    const taken = await open()
    expect(taken.lastApplied).toBe(12_000n)
    expect(rowsOf(taken)).toEqual(rows(12_000))
    expect(taken.numbersTable('names').get(Buffer.from('a'))).toBe(2 ** 52 + 1)
    await taken.close()
    const again = await open()
    expect([rowsOf(again).length, again.lastApplied]).toEqual([12_000, 12_000n])
  })
})
