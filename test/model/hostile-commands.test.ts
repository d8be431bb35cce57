// Why: a command that the journal has and the state cannot take ends every start from then on. How:
// odd commands of every type are sent to both masters' logs, over their real state; each is refused
// or applied, and afterwards the journal alone, and the state as it was closed, come to what was
// there. The same run finds a log that checks nothing.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isSkeinError, toSkeinError } from '../../src/base/errors.ts'
import { decodeCommand, encodeCommand } from '../../src/cache-master/state/command-codec.ts'
import { LmdbTables } from '../../src/cache-master/state/lmdb-tables.ts'
import { decodeValue, encodeValue } from '../../src/job-master/row-codec.ts'
import { LoadTables } from '../../src/job-master/stored-tables.ts'
import { CommandLog } from '../../src/journal/command-log.ts'
import type { CommandState } from '../../src/journal/command-state.ts'
import { LmdbState } from '../../src/journal/state/lmdb-state.ts'
import { commandProblem } from '../../src/meta/commands/meta-command-checks.ts'
import type { Command } from '../../src/meta/commands/commands.ts'
import { loadCommandProblem } from '../../src/load/state/load-command-checks.ts'
import type { LoadCommand } from '../../src/load/state/load-commands.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { edited, hostileEdit, type HostileEdit } from '../support/hostile-values.ts'
import { MemoryJournal } from '../unit/cache-master/support/fakes.ts'
import { commandSamples } from '../unit/meta/support/command-samples.ts'
import { loadCommandSamples } from '../unit/load/support/command-samples.ts'
import { ordinaryOrLong } from '../support/run-length.ts'

interface Master<Given> {
  readonly samples: readonly Given[]
  readonly state: (state: LmdbState) => CommandState<Given, unknown, unknown>
  readonly check: (command: Given) => string | undefined
  readonly encode: (command: Given) => Uint8Array
  readonly decode: (bytes: Uint8Array) => Given
  readonly bytesTables: readonly string[]
  readonly numbersTables: readonly string[]
}

const cacheMaster: Master<Command> = {
  samples: Object.values(commandSamples),
  state: (state) => new LmdbTables(state),
  check: commandProblem,
  encode: encodeCommand,
  decode: decodeCommand,
  bytesTables: ['namespaces', 'inodes', 'decommissioning', 'expected-workers', 'stagings'],
  numbersTables: ['edges'],
}
const jobMaster: Master<LoadCommand> = {
  samples: Object.values(loadCommandSamples),
  state: (state) => new LoadTables(state),
  check: loadCommandProblem,
  encode: encodeValue,
  decode: (bytes) => decodeValue(bytes) as LoadCommand,
  bytesTables: [
    ...[
      'counters',
      'loads',
      'active',
      'request-keys',
      'keys-of-load',
      'ended',
      'sets',
      'open',
      'files',
      'file-sets',
      'failures',
    ],
    ...['indexes', 'index-parts', 'staged-indexes', 'rates', 'schedules', 'schedule-names', 'schedule-runs'],
  ],
  numbersTables: [],
}

interface Step {
  readonly pick: number
  readonly edits: readonly HostileEdit[]
}
const step: fc.Arbitrary<Step> = fc.record({ pick: fc.nat(), edits: fc.array(hostileEdit, { maxLength: 2 }) })
const script = fc.array(step, { minLength: 20, maxLength: 60 })

/** Every row of the state, as text. */
function rowsOf<Given>(master: Master<Given>, state: LmdbState): string {
  const rows: string[] = []
  for (const name of master.bytesTables)
    for (const { key, value } of state.bytesTable(name).range({}))
      rows.push(`${name} ${JSON.stringify(key)} ${shown(decodeValue(value))}`)
  for (const name of master.numbersTables)
    for (const { key, value } of state.numbersTable(name).range({}))
      rows.push(`${name} ${key.toString('hex')} ${value}`)
  return rows.join('\n')
}

function shown(value: unknown): string {
  return JSON.stringify(value, (_name, inner: unknown) => (typeof inner === 'bigint' ? `${inner}n` : inner))
}

async function run<Given extends { readonly type: string }>(
  master: Master<Given>,
  steps: readonly Step[],
  check = master.check,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'skein-hostile-'))
  const journal = new MemoryJournal()
  const open = async (name: string) => {
    const state = await LmdbState.open({ directory: join(directory, name), logger: silentLogger })
    const { encode, decode } = master
    const options = { journal, term: await journal.campaign(), encode, decode, check, logger: silentLogger }
    const log = await CommandLog.open({
      ...options,
      state: master.state(state),
      checkpointEntries: 1e6,
      checkpointBytes: 1e9,
    })
    return { state, log }
  }
  try {
    const first = await open('first')
    const send = async (command: Given): Promise<void> => {
      const problem = await first.log.submit(command).then(
        () => undefined,
        (thrown: unknown) => toSkeinError(thrown),
      )
      if (problem === undefined) return
      expect(problem.message).not.toContain('\n')
      expect(isSkeinError(problem, 'internal'), problem.message).toBe(false)
      expect(first.log.stopped.aborted, problem.message).toBe(false)
    }
    for (const sample of master.samples) await send(sample)
    for (const { pick, edits } of steps) {
      const sample = master.samples[pick % master.samples.length]
      if (sample !== undefined) await send(edited(sample, edits, ['type']))
    }
    const rows = rowsOf(master, first.state)
    const entries = [...journal.entries]
    const fromJournal = await open('second')
    expect(rowsOf(master, fromJournal.state)).toBe(rows)
    await fromJournal.state.close()
    await first.log.close()
    await first.state.close()
    journal.entries = entries
    const fromState = await open('first')
    expect(rowsOf(master, fromState.state)).toBe(rows)
    await fromState.state.close()
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

const numRuns = Number(process.env['SKEIN_HOSTILE_RUNS'] ?? ordinaryOrLong(40, 1000))

describe.each([
  ['the cache master', cacheMaster as unknown as Master<{ readonly type: string }>],
  ['the job master', jobMaster as unknown as Master<{ readonly type: string }>],
])('odd commands to %s', (_who, master) => {
  test('are refused or applied, and every start comes to the same state', async () => {
    await fc.assert(
      fc.asyncProperty(script, (steps) => run(master, steps)),
      { numRuns },
    )
  })

  test('are not what every good command is taken for', () => {
    for (const sample of master.samples) expect(master.check(sample)).toBeUndefined()
  })

  test('would stop it if they were not checked', async () => {
    const found = await fc.check(
      fc.asyncProperty(script, (steps) => run(master, steps, () => undefined)),
      { numRuns: 40, endOnFailure: true },
    )
    expect(found.failed).toBe(true)
  })
})
