// Why: an older version journaled what no version can apply; the start must say which entry, and
// there must be a way out. How: a journal as that version left it, with a key of 2,100 characters,
// under both masters' real state.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LoadTables } from '../../../src/job-master/stored-tables.ts'
import { decodeValue, encodeValue } from '../../../src/job-master/row-codec.ts'
import { CommandLog } from '../../../src/journal/command-log.ts'
import { LmdbState } from '../../../src/journal/state/lmdb-state.ts'
import { loadCommandProblem } from '../../../src/load/state/load-command-checks.ts'
import type { LoadCommand } from '../../../src/load/state/load-commands.ts'
import type { Command } from '../../../src/meta/commands/commands.ts'
import { createLogger, silentLogger } from '../../../src/telemetry/logger.ts'
import { MemoryJournal } from '../cache-master/support/fakes.ts'
import { LogFixture } from '../cache-master/support/namespace-log.ts'
import { loadCommandSamples } from '../load/support/command-samples.ts'
import { encodeCommand } from '../../../src/cache-master/state/command-codec.ts'
import { createNamespace, listing, object } from '../meta/support/commands.ts'
import { commandSamples } from '../meta/support/command-samples.ts'

const key = 'skein.master.journal.skip'
const logs: string[] = []
const logger = createLogger(
  'info',
  (line) => logs.push(line),
  () => 0,
)
beforeEach(() => {
  logs.length = 0
})

describe('a journal with an entry that cannot be applied', () => {
  let fixture: LogFixture
  beforeEach(async () => {
    fixture = await LogFixture.make()
  })
  afterEach(() => fixture.close())

  const poisons: [string, Command, RegExp][] = [
    [
      'a request key',
      { ...commandSamples.create_file, requestKey: 'k'.repeat(2100) },
      /create_file.*requestKey is longer than 800 bytes/,
    ],
    [
      'an id of a worker',
      { ...commandSamples.set_expected_worker, workerId: 'w'.repeat(2100) },
      /set_expected_worker.*workerId is longer/,
    ],
  ]

  /** Two good entries, the poison as the third, two good ones: in the journal alone. */
  async function write(poison: Command): Promise<void> {
    const others: Command[] = [
      listing({ upserts: [object('a')] }),
      listing({ upserts: [object('b')] }),
      listing({ upserts: [object('c')] }),
    ]
    const commands = [createNamespace(), ...others.slice(0, 1), poison, ...others.slice(1)]
    for (const [index, command] of commands.entries())
      await fixture.journal.append(await fixture.journal.campaign(), BigInt(index + 1), encodeCommand(command))
  }

  test.each(poisons)('names it: %s of 2,100 characters', async (_what, poison, named) => {
    await write(poison)
    for (const skip of [undefined, { key, sequence: 0n }, { key, sequence: 2n }]) {
      const opened = fixture.openLog(skip === undefined ? {} : { skip })
      await expect(opened).rejects.toMatchObject({
        code: 'data_loss',
        reason: 'journal_entry',
        message: expect.stringMatching(named),
      })
      await expect(fixture.openLog({ skip: { key, sequence: 0n } })).rejects.toThrow(
        /entry 3 .*start once with skein\.master\.journal\.skip=3/,
      )
    }
  })

  test.each(poisons)('leaves out exactly that entry when it is told to: %s', async (_what, poison) => {
    await write(poison)
    const log = await fixture.openLog({ skip: { key, sequence: 3n }, logger })
    expect(['a', 'b', 'c'].map((name) => fixture.file(name)?.name)).toEqual(['a', 'b', 'c'])
    expect(fixture.tables.lastApplied).toBe(5n)
    expect(logs.filter((line) => line.includes('skipped a'))).toEqual([expect.stringMatching(/"sequence":"?3"?/)])
    await log.submit(listing({ upserts: [object('d')] }))
    await log.close()
    // It is behind the state now: the key is not needed any more, and does no harm where it is
    // still there.
    await fixture.reopenState()
    await (await fixture.openLog()).close()
    expect(fixture.file('d')?.name).toBe('d')
  })

  test('keeps an entry that can be applied, whatever the key says', async () => {
    await write(listing({ upserts: [object('good')] }))
    await fixture.openLog({ skip: { key, sequence: 3n }, logger })
    expect(fixture.file('good')?.name).toBe('good')
    expect(logs.some((line) => line.includes('was not skipped'))).toBe(true)
  })

  test('leaves out an entry that cannot even be read', async () => {
    await write(listing({ upserts: [object('bad')] }))
    const [, , third] = fixture.journal.entries
    if (third !== undefined) fixture.journal.entries[2] = { ...third, bytes: Buffer.from([1, 0xc1]) }
    await expect(fixture.openLog({ skip: { key, sequence: 0n } })).rejects.toThrow(
      /entry 3 .*skein\.master\.journal\.skip=3/,
    )
    await fixture.openLog({ skip: { key, sequence: 3n }, logger })
    expect(['a', 'bad', 'b', 'c'].map((name) => fixture.file(name)?.name)).toEqual(['a', undefined, 'b', 'c'])
  })
})

describe("a job master's journal with an entry that cannot be applied", () => {
  test('names it, and leaves it out when it is told to', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'skein-poison-'))
    const journal = new MemoryJournal()
    const term = await journal.campaign()
    const poison: LoadCommand = { ...loadCommandSamples.SubmitLoad, requestKey: 'k'.repeat(2100) }
    const commands: LoadCommand[] = [
      loadCommandSamples.SubmitLoad,
      poison,
      { ...loadCommandSamples.SubmitLoad, requestKey: '', path: '/ns/b' },
    ]
    for (const [index, command] of commands.entries())
      await journal.append(term, BigInt(index + 1), encodeValue(command))
    const state = await LmdbState.open({ directory, logger: silentLogger })
    const tables = new LoadTables(state)
    const open = (sequence: bigint) =>
      CommandLog.open({
        ...{
          journal,
          term,
          state: tables,
          check: loadCommandProblem,
          encode: encodeValue,
          checkpointEntries: 100,
          checkpointBytes: 2 ** 30,
        },
        ...{
          decode: (bytes: Uint8Array) => decodeValue(bytes) as LoadCommand,
          logger,
          skip: { key: 'skein.job.master.journal.skip', sequence },
        },
      })
    try {
      await expect(open(0n)).rejects.toThrow(
        /entry 2 .*SubmitLoad.*requestKey is longer.*skein\.job\.master\.journal\.skip=2/,
      )
      await (await open(2n)).close()
      expect([1, 2].map((loadId) => tables.tables.loads.get([loadId])?.path)).toEqual(['/ns/a', '/ns/b'])
    } finally {
      await state.close()
      await rm(directory, { recursive: true, force: true })
    }
  })
})
