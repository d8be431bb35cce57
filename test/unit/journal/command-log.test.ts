// Why: what is acknowledged is durable and applied, in order, once, over restarts; and the journal
// forgets nothing that a power loss could take from the state. How: over a state of sums in memory
// that can be held up, and over a master's.
import { cp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { CommandLog, type CommandLogOptions } from '../../../src/journal/command-log.ts'
import type { Applied, CommandState } from '../../../src/journal/command-state.ts'
import type { Term } from '../../../src/journal/journal.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { MemoryJournal } from '../../model/support/load-doubles.ts'
import { MemoryJournal as ForgettingJournal } from '../cache-master/support/fakes.ts'
import { LogFixture } from '../cache-master/support/namespace-log.ts'
import { createNamespace, listing, object } from '../meta/support/commands.ts'

/** A command that cannot be applied. */
const poison = 1_000_000

class SumState implements CommandState<number, string, string> {
  applied: number[] = []
  groups: number[] = []
  lastApplied = 0n
  uncopied = { entries: 0, bytes: 0 }
  size = 0
  /** Holds a snapshot up while it is set. */
  hold: Promise<void> | undefined
  snapshots = 0
  sizeBytes(): number {
    return this.size
  }
  apply(commands: readonly number[], lastApplied: bigint, bytes = 0): Applied<string, string>[] {
    if (commands.includes(poison)) throw new Error('planted')
    this.groups.push(commands.length)
    this.lastApplied = lastApplied
    this.uncopied = { entries: this.uncopied.entries + commands.length, bytes: this.uncopied.bytes + bytes }
    return commands.map((command) => {
      if (command < 0) return { refused: new SkeinError('not_found', String(command)) }
      return { result: `${this.applied.push(command)}:${command}`, effects: [`effect of ${command}`] }
    })
  }
  async snapshot(): Promise<bigint> {
    const upTo = this.lastApplied
    this.uncopied = { entries: 0, bytes: 0 }
    this.snapshots += 1
    await this.hold
    return upTo
  }
}

class CountingJournal extends MemoryJournal {
  truncatedTo: bigint[] = []
  override async truncate(_term?: Term, upTo = 0n): Promise<void> {
    this.truncatedTo.push(upTo)
  }
}

type SumLog = CommandLog<number, string, string>

async function openLog(
  journal: CountingJournal,
  state: SumState,
  options: Partial<CommandLogOptions<number, string, string>> = {},
): Promise<SumLog> {
  const encode = (command: number): Uint8Array => Buffer.from(String(command))
  const decode = (bytes: Uint8Array): number => Number(Buffer.from(bytes).toString())
  const term = await journal.campaign()
  const bounds = { checkpointEntries: 10, checkpointBytes: 2 ** 30 }
  return await CommandLog.open<number, string, string>({
    journal,
    term,
    state,
    check: () => undefined,
    encode,
    decode,
    logger: silentLogger,
    ...bounds,
    ...options,
  })
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('CommandLog', () => {
  test('applies in order, in groups, and gives each sender its result', async () => {
    const state = new SumState()
    const log = await openLog(new CountingJournal(), state)
    const results = await Promise.all(Array.from({ length: 40 }, (_, index) => log.submit(index)))
    expect(results).toEqual(Array.from({ length: 40 }, (_, index) => `${index + 1}:${index}`))
    expect(state.groups.length).toBeLessThan(40)
    expect(state.lastApplied).toBe(40n)
  })

  test('bounds a transaction, and applies the rest in later turns', async () => {
    const state = new SumState()
    const log = await openLog(new CountingJournal(), state)
    const results = await Promise.all(Array.from({ length: 2000 }, (_, index) => log.submit(index)))
    expect(results.at(-1)).toBe('2000:1999')
    expect(Math.max(...state.groups)).toBeLessThanOrEqual(512)
  })

  test('runs effects in order, after the commit and before the answer; a refused command has none', async () => {
    const state = new SumState()
    const seen: string[] = []
    const onEffect = (effect: string): number => seen.push(`${effect} at ${state.lastApplied}`)
    const log = await openLog(new CountingJournal(), state, { onEffect })
    const told = [1, -2, 3].map((command) =>
      log.submit(command).then(
        (result) => seen.push(result),
        (error: SkeinError) => seen.push(error.code),
      ),
    )
    await Promise.all(told)
    expect(seen).toEqual(['effect of 1 at 3', 'effect of 3 at 3', '1:1', 'not_found', '2:3'])
  })

  test('replays what the state lacks, effects included, and nothing twice', async () => {
    const journal = new CountingJournal()
    const first = new SumState()
    const log = await openLog(journal, first)
    await Promise.all([log.submit(1), log.submit(2), log.submit(3)])
    const behind = new SumState()
    behind.apply([1], 1n)
    const effects: string[] = []
    const again = await openLog(journal, behind, { onEffect: (effect) => effects.push(effect) })
    expect(behind.applied).toEqual([1, 2, 3])
    expect(effects).toEqual(['effect of 2', 'effect of 3'])
    expect(await again.submit(4)).toBe('4:4')
    expect(journal.entries.map((entry) => entry.seq)).toEqual([1n, 2n, 3n, 4n])
  })

  test('refuses a journal that lacks an entry, at the beginning, within or at the end', async () => {
    const journal = new CountingJournal()
    const log = await openLog(journal, new SumState())
    await Promise.all([1, 2, 3, 4].map((command) => log.submit(command)))
    const whole = [...journal.entries]
    for (const lost of [0, 2]) {
      journal.entries.splice(0, 4, ...whole.toSpliced(lost, 1))
      await expect(openLog(journal, new SumState())).rejects.toMatchObject({ code: 'data_loss' })
    }
    journal.entries.splice(0, 4, ...whole)
    journal.read = async function* () {
      yield* whole.slice(0, 3)
    }
    await expect(openLog(journal, new SumState())).rejects.toMatchObject({ code: 'data_loss' })
  })

  test('truncates the journal only to what the state holds', async () => {
    const journal = new CountingJournal()
    const state = new SumState()
    const log = await openLog(journal, state)
    for (let command = 0; command < 25; command += 1) await log.submit(command)
    await log.close()
    expect(journal.truncatedTo.at(-1)).toBe(25n)
    expect(journal.truncatedTo.length).toBeGreaterThan(1)
  })

  test('truncates nothing while a snapshot is not durable, and then only what it holds', async () => {
    const journal = new CountingJournal()
    const state = new SumState()
    const log = await openLog(journal, state)
    const { promise, resolve } = Promise.withResolvers<void>()
    state.hold = promise
    for (let command = 0; command < 35; command += 1) await log.submit(command)
    await turn()
    expect(state.snapshots).toBe(1)
    expect(journal.truncatedTo).toEqual([])
    resolve()
    await turn()
    expect(journal.truncatedTo).toEqual([10n])
  })

  test('goes on after a snapshot that failed, with the journal whole, and tries again', async () => {
    const journal = new CountingJournal()
    const state = new SumState()
    const log = await openLog(journal, state)
    const refused = Promise.reject(new Error('disk full'))
    refused.catch(() => undefined)
    state.hold = refused
    for (let command = 0; command < 12; command += 1) await log.submit(command)
    await turn()
    expect(journal.truncatedTo).toEqual([])
    state.hold = undefined
    for (let command = 0; command < 10; command += 1) await log.submit(command)
    await turn()
    expect(journal.truncatedTo).toHaveLength(1)
  })

  test('copies by bytes as well, and a big state only when the journal has grown by half of its size', async () => {
    const state = new SumState()
    const log = await openLog(new CountingJournal(), state, { checkpointEntries: 1000, checkpointBytes: 30 })
    for (let command = 0; command < 35; command += 1) await log.submit(1)
    expect(state.snapshots).toBe(1)
    state.size = 2 ** 30
    for (let command = 0; command < 100; command += 1) await log.submit(1)
    expect(state.snapshots).toBe(1)
    state.uncopied = { ...state.uncopied, bytes: 2 ** 29 }
    await log.submit(1)
    expect(state.snapshots).toBe(2)
    await turn()
    await log.submit(1)
    await log.close()
    expect(state.snapshots).toBe(2)
  })

  test('refuses what is too large for the journal, and more than may wait, without a gap in the order', async () => {
    const journal = new CountingJournal()
    const log = await openLog(journal, new SumState(), {
      encode: (command) => Buffer.alloc(command === 9 ? 2 ** 26 + 1 : 100, command),
      pendingBytesMax: 250,
    })
    await expect(log.submit(9)).rejects.toMatchObject({ code: 'invalid_argument' })
    const three = await Promise.allSettled([log.submit(1), log.submit(2), log.submit(3)])
    expect(three.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    expect(three[2]).toMatchObject({ reason: { code: 'unavailable', reason: 'overloaded' } })
    expect(await log.submit(4)).toBe('3:4')
    expect(journal.entries.map((entry) => entry.seq)).toEqual([1n, 2n, 3n])
  })

  test('stops for good when it is fenced: nothing more is applied or acknowledged, and it says so once', async () => {
    const journal = new CountingJournal()
    const state = new SumState()
    const log = await openLog(journal, state)
    const failures: unknown[] = []
    log.stopped.addEventListener('abort', () => failures.push(log.stopped.reason))
    await log.submit(1)
    journal.fence()
    const outcomes = await Promise.allSettled([log.submit(2), log.submit(3)])
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['rejected', 'rejected'])
    await expect(log.submit(4)).rejects.toBeInstanceOf(SkeinError)
    expect(state.applied).toEqual([1])
    expect(failures).toHaveLength(1)
    expect(failures[0]).toBeInstanceOf(SkeinError)
    await log.close()
  })

  test('stops for good when a group cannot be applied', async () => {
    const state = new SumState()
    const log = await openLog(new CountingJournal(), state)
    const outcomes = await Promise.allSettled([log.submit(1), log.submit(poison)])
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['rejected', 'rejected'])
    expect(log.stopped.aborted).toBe(true)
    expect(state.lastApplied).toBe(0n)
  })
})

describe('CommandLog over the state of a cache master', () => {
  let fixture: LogFixture
  beforeEach(async () => {
    fixture = await LogFixture.make()
  })
  afterEach(() => fixture.close())

  it('applies many at once in the order of submission, and gives each its outcome', async () => {
    const log = await fixture.openLog()
    const outcomes = await Promise.allSettled([
      log.submit(createNamespace()),
      log.submit(listing({ upserts: [object('f', { etag: 'v1' })] })),
      log.submit(createNamespace('n2')),
      log.submit(listing({ upserts: [object('f', { etag: 'v2' })] })),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
    expect(outcomes[2]).toMatchObject({ reason: { code: 'already_exists' } })
    expect(fixture.file('f')).toMatchObject({ etag: 'v2' })
    expect(fixture.effects).toHaveLength(1)
    expect(fixture.tables.lastApplied).toBe(4n)
  })

  it('has every acknowledged command, with the same ids, when the state is older than the journal', async () => {
    const { directory } = fixture
    const log = await fixture.openLog()
    await log.submit(createNamespace())
    const change = (i: number) =>
      log.submit(listing({ upserts: [object(`d/f${i % 400}`, { etag: `v${i}` })], removals: [`d/f${(i * 7) % 400}`] }))
    for (let i = 0; i < 300; i += 1) await change(i)
    await fixture.state.flush()
    await cp(join(directory, 'state'), join(directory, 'older'), { recursive: true })
    for (let i = 300; i < 900; i += 1) await change(i)
    const live = fixture.shown()
    await fixture.state.close()
    await rm(join(directory, 'state'), { recursive: true })
    await rename(join(directory, 'older'), join(directory, 'state'))
    await fixture.openState()
    expect(fixture.shown()).not.toEqual(live)
    await fixture.openLog()
    expect(fixture.shown()).toEqual(live)
  })

  it('takes nothing more after a fence or an unknown end, and says so', async () => {
    for (const answer of ['fenced', 'unknown'] as const) {
      fixture.journal = new ForgettingJournal()
      await fixture.emptyState()
      const log = await fixture.openLog()
      await log.submit(createNamespace())
      fixture.journal.answer = answer
      await expect(log.submit(listing({ upserts: [object('f')] }))).rejects.toMatchObject({
        code: 'unavailable',
        reason: 'journal_stopped',
      })
      fixture.journal.answer = 'ok'
      await expect(log.submit(listing({ upserts: [object('g')] }))).rejects.toMatchObject({ reason: 'journal_stopped' })
      expect(log.stopped.aborted).toBe(true)
      expect([fixture.file('f'), fixture.file('g')]).toEqual([undefined, undefined])
      await log.close()
    }
  })

  it('lets the journal forget only what is copied, and refuses a journal that ends before the state', async () => {
    const log = await fixture.openLog({ checkpointEntries: 10 })
    await log.submit(createNamespace())
    for (let i = 0; i < 25; i += 1) await log.submit(listing({ upserts: [object(`f${i}`)] }))
    while (fixture.journal.truncatedTo === 0n) await turn()
    expect(fixture.journal.truncatedTo).toBeGreaterThanOrEqual(10n)
    const last = log.submit(listing({ upserts: [object('last')] }))
    await log.close()
    await last
    expect(fixture.journal.truncatedTo).toBe(27n)
    await fixture.reopenState()
    expect(fixture.file('last')).toBeDefined()
    fixture.journal = new ForgettingJournal()
    await expect(fixture.openLog()).rejects.toMatchObject({ code: 'data_loss' })
  })
})
