// Why: tests of the log and of the tables need the cache master's real state and nothing else of
// it. How: a temp directory with an LMDB state, a journal in memory, and the log over both.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeCommand, encodeCommand } from '../../../../src/cache-master/state/command-codec.ts'
import { type Accepted, LmdbTables } from '../../../../src/cache-master/state/lmdb-tables.ts'
import { CommandLog, type CommandLogOptions } from '../../../../src/journal/command-log.ts'
import { LmdbState } from '../../../../src/journal/state/lmdb-state.ts'
import { commandProblem } from '../../../../src/meta/commands/meta-command-checks.ts'
import type { Command, Effect } from '../../../../src/meta/commands/commands.ts'
import { fileAt, namespaceByName } from '../../../../src/meta/resolve-path.ts'
import type { FileInode } from '../../../../src/meta/meta-tables.ts'
import { walk } from '../../../../src/meta/walk.ts'
import { silentLogger } from '../../../../src/telemetry/logger.ts'
import { MemoryJournal } from './fakes.ts'

export type NamespaceLog = CommandLog<Command, Accepted, Effect>

export class LogFixture {
  readonly directory: string
  journal = new MemoryJournal()
  readonly effects: Effect[] = []
  state: LmdbState
  tables: LmdbTables

  private constructor(directory: string, state: LmdbState) {
    this.directory = directory
    this.state = state
    this.tables = new LmdbTables(state)
  }

  static async make(): Promise<LogFixture> {
    const directory = await mkdtemp(join(tmpdir(), 'skein-log-'))
    return new LogFixture(
      directory,
      await LmdbState.open({ directory: join(directory, 'state'), logger: silentLogger }),
    )
  }

  async openLog(options: Partial<CommandLogOptions<Command, Accepted, Effect>> = {}): Promise<NamespaceLog> {
    return CommandLog.open<Command, Accepted, Effect>({
      journal: this.journal,
      term: await this.journal.campaign(),
      state: this.tables,
      check: commandProblem,
      encode: encodeCommand,
      decode: decodeCommand,
      onEffect: (effect) => this.effects.push(effect),
      logger: silentLogger,
      checkpointEntries: 1000,
      checkpointBytes: 2 ** 30,
      ...options,
    })
  }

  /** Opens what lies in the directory by now; the state must be closed. */
  async openState(): Promise<void> {
    this.state = await LmdbState.open({ directory: join(this.directory, 'state'), logger: silentLogger })
    this.tables = new LmdbTables(this.state)
  }
  async reopenState(): Promise<void> {
    await this.state.close()
    await this.openState()
  }
  async emptyState(): Promise<void> {
    await this.state.close()
    await rm(join(this.directory, 'state'), { recursive: true })
    await this.openState()
  }

  /** Everything that can be reached, and the counters. */
  shown(): unknown {
    const { tables } = this
    const rootId = namespaceByName(tables, 'ns')?.rootId ?? 0
    const entries = [...walk(tables, rootId, '', undefined)].map((entry) => ({
      ...entry,
      inode: tables.inode(entry.inodeId),
    }))
    const counters = (['containers', 'files', 'directories'] as const).map((name) => tables.counter(name))
    return {
      entries,
      counters,
      namespaces: [...tables.namespaces()].map(({ id }) => id),
      lastApplied: tables.lastApplied,
    }
  }
  file(key: string): FileInode | undefined {
    return fileAt(this.tables, namespaceByName(this.tables, 'ns')?.rootId ?? 0, key)
  }

  async close(): Promise<void> {
    await this.state.close()
    await rm(this.directory, { recursive: true, force: true })
  }
}
