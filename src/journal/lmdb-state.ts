// Why: a master's state must outgrow memory and come back after a crash. The only file that imports lmdb.
// How: one LMDB environment; a group of commands is one synchronous transaction together with the last applied sequence.
// Commits do not wait for the disk (`noSync`; a sync would hold up the event loop): a killed process loses nothing by that.
// Against power losses there are snapshots, LMDB's own copies made while it serves (state-files.ts says how they are
// used). lmdb 3.5.6 syncs in transactionSync whatever flags it is given, so its `overlappingSync` is no way around this.
import { statSync } from 'node:fs'
import { open, type Database, type RootDatabase } from 'lmdb'
import { SkeinError } from '../base/errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import { diskFileSystem, type JournalFileSystem } from './file-system.ts'
import { currentBootId, StateFiles } from './state-files.ts'

export interface LmdbStateOptions {
  /** Made when it is not there; nobody else's. */
  readonly directory: string
  readonly logger: Logger
  /** Default: the disk. Tests put one here that loses power. */
  readonly fileSystem?: JournalFileSystem
  /** Default: the kernel's. Tests boot as they like. */
  readonly bootId?: () => string | undefined
}

/** Part of the state that only the live file and the journal hold, no snapshot. */
export interface Uncopied {
  readonly entries: number
  /** Of the commands in the journal. */
  readonly bytes: number
}

export type OrderedKey = number | string | (number | string)[]

export interface KeyRange<Key> {
  readonly start?: Key
  /** Not part of the range. */
  readonly end?: Key
  readonly limit?: number
}

/** Reads see what was written before, in the same transaction too. Writes belong inside `transact`. */
export interface StateTable<Key, Value> {
  /** Bytes are valid until the next `get` of any table only. */
  get(key: Key): Value | undefined
  put(key: Key, value: Value): void
  delete(key: Key): void
  /** Rows in the order of their keys. */
  range(range: KeyRange<Key>): Iterable<{ readonly key: Key; readonly value: Value }>
}

/** The most it can grow to; address space, not memory. */
const mapBytes = 2 ** 40
const tablesMax = 16
/** Rows of the table `state`; the others are its owner's (`number`). */
const appliedRow = 'last_applied'
const copiedRow = 'copied_to'
const uncopiedBytesRow = 'uncopied_bytes'

export class LmdbState {
  readonly #files: StateFiles
  readonly #root: RootDatabase
  readonly #numbers: Database<number, string>
  #lastApplied: bigint
  #copiedTo: bigint
  #uncopiedBytes: number
  #snapshotting: Promise<unknown> = Promise.resolve()
  #closed = false

  private constructor(files: StateFiles) {
    this.#files = files
    this.#root = open({ path: files.dataPath, noSubdir: true, maxDbs: tablesMax, mapSize: mapBytes, noSync: true })
    this.#numbers = this.#root.openDB<number, string>({ name: 'state', encoding: 'ordered-binary' })
    this.#lastApplied = BigInt(this.#numbers.get(appliedRow) ?? 0)
    this.#copiedTo = BigInt(this.#numbers.get(copiedRow) ?? 0)
    this.#uncopiedBytes = this.#numbers.get(uncopiedBytesRow) ?? 0
  }

  /**
   * Opens or creates the state, as it was or, after a possible power loss, as the last snapshot has it: the journal must
   * be replayed after `lastApplied` in any case. Errors are those of node:fs and lmdb.
   */
  static async open(options: LmdbStateOptions): Promise<LmdbState> {
    const { directory, logger, fileSystem = diskFileSystem, bootId = currentBootId } = options
    const files = await StateFiles.prepare({ directory, fileSystem, bootId: bootId(), logger })
    const state = new LmdbState(files)
    // Then the journal need not reach back to the beginning.
    if (state.lastApplied > 0n && !files.hasSnapshot) await state.snapshot()
    return state
  }

  /** Sequence of the last command in the state; 0n when there is none. */
  get lastApplied(): bigint {
    return this.#lastApplied
  }

  get uncopied(): Uncopied {
    return { entries: Number(this.#lastApplied - this.#copiedTo), bytes: this.#uncopiedBytes }
  }

  /** What a snapshot has to copy. */
  sizeBytes(): number {
    return statSync(this.#files.dataPath).size
  }

  /** A table of bytes; `name` and kind of key are the format, so always the same. At most 15 tables. */
  bytesTable<Key extends OrderedKey>(name: string): StateTable<Key, Buffer> {
    const database = this.#root.openDB<Buffer, Key>({ name, encoding: 'binary' })
    return this.#table(database, (key) => database.getBinaryFast(key))
  }

  /** A table of numbers whose keys are bytes and in the order of these. */
  numbersTable(name: string): StateTable<Buffer, number> {
    const database = this.#root.openDB<number, Buffer>({ name, encoding: 'ordered-binary', keyEncoding: 'binary' })
    return this.#table(database, (key) => database.get(key))
  }

  /** A number of the owner's by name. */
  number(name: string): number | undefined {
    return this.#numbers.get(name)
  }

  putNumber(name: string, value: number): void {
    void this.#numbers.put(name, value)
  }

  /**
   * Runs `change` as one transaction that ends with `lastApplied`. When it throws, nothing of it has happened.
   * `commandBytes`: what the commands up to there take in the journal.
   */
  transact<Result>(lastApplied: bigint, change: () => Result, commandBytes = 0): Result {
    const uncopiedBytes = this.#uncopiedBytes + commandBytes
    const result = this.#root.transactionSync(() => {
      const made = change()
      void this.#numbers.put(appliedRow, Number(lastApplied))
      void this.#numbers.put(copiedRow, Number(this.#copiedTo))
      void this.#numbers.put(uncopiedBytesRow, uncopiedBytes)
      return made
    })
    this.#lastApplied = lastApplied
    this.#uncopiedBytes = uncopiedBytes
    return result
  }

  /**
   * Copies the state, beside the event loop, while it is being changed. Gives a sequence up to which the copy has
   * everything: once this resolves, no power loss takes that away, and the journal may forget it.
   */
  snapshot(): Promise<bigint> {
    const made = this.#snapshotting.then(() => this.#copy())
    this.#snapshotting = made.catch(() => undefined)
    return made
  }

  async #copy(): Promise<bigint> {
    if (this.#closed) throw closedError()
    // Before the copy begins: it may have more, never less.
    const upTo = this.#lastApplied
    const copiedBytes = this.#uncopiedBytes
    await this.#files.clearPart()
    await this.#root.backup(this.#files.partPath, false)
    await this.#files.keepSnapshot()
    this.#copiedTo = upTo
    this.#uncopiedBytes -= copiedBytes
    return upTo
  }

  /** Resolves when everything that was committed is on the disk; beside the event loop. */
  flush(): Promise<void> {
    // lmdb's types leave out `sync`; its promise `flushed` does not cover synchronous transactions.
    const environment = this.#root as RootDatabase & { sync(callback: (error?: Error) => void): void }
    return new Promise((resolve, reject) => environment.sync((error) => (error instanceof Error ? reject(error) : resolve())))
  }

  /** After this the live file can be trusted whatever happens to the machine. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#snapshotting
    try {
      await this.flush()
    } finally {
      await this.#root.close()
    }
    await this.#files.markClosed()
  }

  /** lmdb must not be asked after its end; a long walk may still be on its way then. */
  #checkOpen(): void {
    if (this.#closed) throw closedError()
  }

  #table<Key extends OrderedKey | Buffer, Value>(
    database: Database<Value, Key>,
    read: (key: Key) => Value | undefined,
  ): StateTable<Key, Value> {
    return {
      get: (key) => {
        this.#checkOpen()
        return read(key)
      },
      put: (key, value) => void database.put(key, value),
      delete: (key) => void database.remove(key),
      range: (range) => {
        this.#checkOpen()
        return database.getRange(range)
      },
    }
  }
}

function closedError(): SkeinError {
  return new SkeinError('unavailable', 'the master is closing')
}
