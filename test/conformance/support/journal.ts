// Why: what every Journal must do, whoever keeps the bytes. Each implementation's test file calls
// this with a maker.
import { afterEach, describe, expect, test } from 'vitest'
import type { Journal, JournalEntry, Term } from '../../../src/journal/journal.ts'

export interface JournalStorage {
  /** Opens the journal on the same storage; the one before has been closed. */
  open(): Promise<Journal>
  dispose(): Promise<void>
}

const never = new AbortController().signal
const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'utf8')
const textOf = (entry: JournalEntry): string => Buffer.from(entry.bytes).toString('utf8')

/** All entries from `from` on. */
export async function entriesOf(journal: Journal, from: bigint): Promise<JournalEntry[]> {
  const entries: JournalEntry[] = []
  for await (const entry of journal.read(from)) entries.push(entry)
  return entries
}

export function journalConformance(name: string, make: () => Promise<JournalStorage>): void {
  describe(`${name} is a Journal`, () => {
    const cleanups: (() => Promise<void>)[] = []
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
    })

    async function opened(): Promise<{ journal: Journal; term: Term; reopen: () => Promise<Journal> }> {
      const storage = await make()
      cleanups.push(() => storage.dispose())
      let journal = await storage.open()
      cleanups.push(() => journal.close())
      return {
        journal,
        term: await journal.campaign('a', never),
        reopen: async () => {
          await journal.close()
          journal = await storage.open()
          return journal
        },
      }
    }

    test('is empty at first', async () => {
      const { journal, term } = await opened()
      expect(await journal.barrier(term)).toBe(0n)
      expect(await entriesOf(journal, 1n)).toEqual([])
    })

    test('gives back what was appended, in order, with its epoch, also after a restart', async () => {
      const { journal, term, reopen } = await opened()
      const results = await Promise.all(
        Array.from({ length: 100 }, (_, i) => journal.append(term, BigInt(i + 1), bytesOf(`entry ${i + 1}`))),
      )
      expect(new Set(results)).toEqual(new Set(['ok']))
      expect(await journal.barrier(term)).toBe(100n)
      for (const each of [journal, await reopen()]) {
        const entries = await entriesOf(each, 1n)
        expect(entries.map(textOf)).toEqual(Array.from({ length: 100 }, (_, i) => `entry ${i + 1}`))
        expect(entries.map((entry) => entry.seq)).toEqual(Array.from({ length: 100 }, (_, i) => BigInt(i + 1)))
        expect(entries.every((entry) => entry.epoch === term.epoch)).toBe(true)
      }
    })

    test('reads from any seq on, and nothing beyond the end', async () => {
      const { journal, term } = await opened()
      for (let seq = 1n; seq <= 5n; seq += 1n) await journal.append(term, seq, bytesOf(`${seq}`))
      expect((await entriesOf(journal, 4n)).map(textOf)).toEqual(['4', '5'])
      expect(await entriesOf(journal, 6n)).toEqual([])
    })

    test('keeps empty and large entries', async () => {
      const { journal, term, reopen } = await opened()
      const large = Buffer.alloc(3_000_000, 'x')
      await journal.append(term, 1n, new Uint8Array())
      await journal.append(term, 2n, large)
      const entries = await entriesOf(await reopen(), 1n)
      expect(entries[0]?.bytes.length).toBe(0)
      expect(large.equals(entries[1]?.bytes ?? new Uint8Array())).toBe(true)
    })

    test('gives each campaign a higher epoch, over restarts too', async () => {
      const { journal, term, reopen } = await opened()
      const second = await journal.campaign('b', never)
      expect(second.epoch).toBeGreaterThan(term.epoch)
      const third = await (await reopen()).campaign('a', never)
      expect(third.epoch).toBeGreaterThan(second.epoch)
    })

    test('fences the term before, and appends nothing of it', async () => {
      const { journal, term } = await opened()
      expect(await journal.append(term, 1n, bytesOf('old'))).toBe('ok')
      const next = await journal.campaign('b', never)
      expect(term.signal.aborted).toBe(true)
      expect(next.signal.aborted).toBe(false)
      expect(await journal.append(term, 2n, bytesOf('stale'))).toBe('fenced')
      await expect(journal.barrier(term)).rejects.toMatchObject({ reason: 'fenced' })
      await expect(journal.truncate(term, 1n)).rejects.toMatchObject({ reason: 'fenced' })
      expect(await journal.append(next, 2n, bytesOf('new'))).toBe('ok')
      expect((await entriesOf(journal, 1n)).map(textOf)).toEqual(['old', 'new'])
    })

    test('refuses a campaign whose signal is aborted', async () => {
      const { journal } = await opened()
      await expect(journal.campaign('c', AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' })
    })

    test('treats a seq that does not follow as a programmer error', async () => {
      const { journal, term } = await opened()
      await expect(journal.append(term, 2n, bytesOf('gap'))).rejects.toThrow('assertion failed')
      expect(await journal.append(term, 1n, bytesOf('fits'))).toBe('ok')
    })

    test('keeps everything above a truncation', async () => {
      const { journal, term, reopen } = await opened()
      for (let seq = 1n; seq <= 200n; seq += 1n) await journal.append(term, seq, Buffer.alloc(1000, `${seq} `))
      await journal.truncate(term, 120n)
      for (const each of [journal, await reopen()]) {
        const entries = await entriesOf(each, 121n)
        expect(entries.map((entry) => entry.seq)).toEqual(Array.from({ length: 80 }, (_, i) => BigInt(i + 121)))
      }
    })

    test('goes on after a restart where it ended', async () => {
      const { journal, term, reopen } = await opened()
      await journal.append(term, 1n, bytesOf('one'))
      const again = await reopen()
      const next = await again.campaign('a', never)
      expect(await again.append(next, 2n, bytesOf('two'))).toBe('ok')
      expect((await entriesOf(again, 1n)).map(textOf)).toEqual(['one', 'two'])
    })

    test('ends its term and refuses everything once closed', async () => {
      const { journal, term } = await opened()
      const last = journal.append(term, 1n, bytesOf('last'))
      await journal.close()
      await journal.close()
      expect(await last).toBe('ok')
      expect(term.signal.aborted).toBe(true)
      await expect(journal.append(term, 2n, bytesOf('late'))).rejects.toMatchObject({ code: 'failed_precondition' })
    })
  })
}
