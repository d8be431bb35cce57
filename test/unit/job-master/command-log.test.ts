// Why: what is acknowledged is durable and applied, in order, once, over restarts.
import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { CommandLog, type CommandStore } from '../../../src/job-master/command-log.ts'
import type { Term } from '../../../src/journal/journal.ts'
import { MemoryJournal } from '../../model/load-doubles.ts'

class SumStore implements CommandStore<number, string> {
  applied: number[] = []
  groups: number[] = []
  seq = 0n
  lastApplied(): bigint {
    return this.seq
  }
  apply(commands: readonly number[], seq: bigint): string[] {
    this.groups.push(commands.length)
    this.seq = seq
    return commands.map((command) => `${this.applied.push(command)}:${command}`)
  }
  async flushed(): Promise<void> {}
}

class CountingJournal extends MemoryJournal {
  truncatedTo: bigint[] = []
  override async truncate(_term?: Term, upTo = 0n): Promise<void> {
    this.truncatedTo.push(upTo)
  }
}

async function openLog(journal: CountingJournal, store: SumStore, failures: SkeinError[] = []): Promise<CommandLog<number, string>> {
  const encode = (command: number): Uint8Array => Buffer.from(String(command))
  const decode = (bytes: Uint8Array): number => Number(Buffer.from(bytes).toString())
  const term = await journal.campaign()
  return await CommandLog.open({ journal, term, store, encode, decode, checkpointCommands: 10, onFailure: (error) => failures.push(error) })
}

describe('CommandLog', () => {
  test('applies in order, in groups, and gives each sender its effect', async () => {
    const store = new SumStore()
    const log = await openLog(new CountingJournal(), store)
    const effects = await Promise.all(Array.from({ length: 40 }, (_, index) => log.submit(index)))
    expect(effects).toEqual(Array.from({ length: 40 }, (_, index) => `${index + 1}:${index}`))
    expect(store.groups.length).toBeLessThan(40)
    expect(store.seq).toBe(40n)
  })

  test('replays what the store lacks, and nothing twice', async () => {
    const journal = new CountingJournal()
    const first = new SumStore()
    const log = await openLog(journal, first)
    await Promise.all([log.submit(1), log.submit(2), log.submit(3)])
    const behind = new SumStore()
    behind.apply([1], 1n)
    const again = await openLog(journal, behind)
    expect(behind.applied).toEqual([1, 2, 3])
    expect(await again.submit(4)).toBe('4:4')
    expect(journal.entries.map((entry) => entry.seq)).toEqual([1n, 2n, 3n, 4n])
  })

  test('truncates the journal only to what the store holds', async () => {
    const journal = new CountingJournal()
    const store = new SumStore()
    const log = await openLog(journal, store)
    for (let command = 0; command < 25; command += 1) await log.submit(command)
    await log.close()
    expect(journal.truncatedTo.at(-1)).toBe(25n)
    expect(journal.truncatedTo.length).toBeGreaterThan(1)
  })

  test('stops for good when it is fenced: nothing more is applied or acknowledged', async () => {
    const journal = new CountingJournal()
    const store = new SumStore()
    const failures: SkeinError[] = []
    const log = await openLog(journal, store, failures)
    await log.submit(1)
    journal.fence()
    const outcomes = await Promise.allSettled([log.submit(2), log.submit(3)])
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['rejected', 'rejected'])
    await expect(log.submit(4)).rejects.toBeInstanceOf(SkeinError)
    expect(store.applied).toEqual([1])
    expect(failures).toHaveLength(1)
    await log.close()
  })
})
