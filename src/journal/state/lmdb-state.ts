// Why: a master's state must outgrow memory and come back after a crash. How: one LMDB environment;
// a group of commands is one synchronous transaction together with the last applied sequence.
// Commits do not wait for the disk (`noSync`; a sync would hold up the event loop): a killed
// process loses nothing by that. Against power losses there are snapshots, copies of the file made
// while it serves (state-files.ts says how they are used): a reader that is held keeps every page
// of the last commit from being used again, and the two pages that say which commit is the last are
// read before anything else can be committed. lmdb 3.5.6 syncs in transactionSync whatever flags it
// is given, so its `overlappingSync` is no way around this. Every value has a checksum
// (checked-tables.ts). A wrong value is never given out: whoever asks is told, the owner too, and
// the next start begins with the snapshot (state-use.ts).
// LMDB's keys and pages have no checksums: a row may be missed because of damage: before a copy
// takes the place of the snapshot, and the journal forgets what it has, every row is looked at
// (state-walk.ts), of a small state in the turn of the copy, else in a process of its own
// (state-check.ts); and at the start of a state that is not large (walkFile). Pages that were read
// stay mapped and count as the process's memory until somebody wants it; a large state is therefore
// closed and opened again, between two turns of the event loop, when too much of it is mapped
// (mapped-memory.ts).
import { statSync } from 'node:fs'
import type { RootDatabase } from 'lmdb'
import { SkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { CheckedTables } from './checked-tables.ts'
import type { OrderedKey } from './checked-values.ts'
import { diskFileSystem, type JournalFileSystem } from '../disk/journal-files.ts'
import { openRoot, walkFile, walkRoot, walkedAtStartBytesMax } from './lmdb-walk.ts'
import { metaPages, pagesOf, type TreeStats } from './lmdb-pages.ts'
import { MappedMemory } from './mapped-memory.ts'
import { damagedError, DamageWatch } from './state-damage.ts'
import { checkCopy } from './state-check.ts'
import { currentBootId, StateFiles } from './state-files.ts'
import type { StateTable, Uncopied } from '../state-table.ts'
import { StateUse } from './state-use.ts'
import type { WalkResult } from './state-walk.ts'

export interface LmdbStateOptions {
  /** Made when it is not there; nobody else's. */
  readonly directory: string
  readonly logger: Logger
  /** Default: the disk. Tests put one here that loses power. */
  readonly fileSystem?: JournalFileSystem
  /** Default: the kernel's. Tests boot as they like. */
  readonly bootId?: () => string | undefined
  /** File-backed memory of the process at which the state is mapped anew. Default: 640 MiB. */
  readonly mappedBytesMax?: number
  /**
   * Called once when something in the data is found to be wrong: the process should end, and the
   * next start repairs it.
   */
  readonly onDamage?: ((error: SkeinError) => void) | undefined
  /**
   * The path of a module that says whether rows belong together (state-check.ts: AgreementOf), for
   * `check`.
   */
  readonly agreement?: string
}

/**
 * A file with so little in use was larger once: a copy of its used pages is worth looking for them.
 */
const sparseShare = 0.25
/** Walked where it is used: a few milliseconds. */
const walkedHereBytesMax = 512 * 1024
const mappedBytesMaxDefault = 640 * 1024 ** 2
/** Rows of the table `state`; the others are its owner's (`number`). */
const appliedRow = 'last_applied'
const copiedRow = 'copied_to'
const uncopiedBytesRow = 'uncopied_bytes'

export class LmdbState {
  readonly #files: StateFiles
  readonly #memory: MappedMemory
  readonly #use: StateUse
  readonly #damage: DamageWatch
  readonly #agreement: string
  #root: RootDatabase
  readonly #numbers: StateTable<string, number>
  readonly #tables: CheckedTables
  #isWalked: boolean
  #lastApplied: bigint
  #copiedTo: bigint
  #uncopiedBytes: number
  #snapshotting: Promise<unknown> = Promise.resolve()
  /** What reads the file beside the event loop just now. */
  #readersBeside = 0
  #closed = false

  private constructor(files: StateFiles, mappedBytesMax: number, { onDamage, agreement = '' }: LmdbStateOptions) {
    this.#files = files
    this.#agreement = agreement
    this.#use = new StateUse(files.usePath)
    this.#damage = new DamageWatch(this.#use, onDamage)
    this.#use.touch()
    this.#memory = new MappedMemory(mappedBytesMax, () => this.#remap())
    this.#root = openRoot(files.dataPath)
    this.#tables = new CheckedTables({
      root: () => this.#root,
      checkOpen: () => this.#checkOpen(),
      memory: this.#memory,
      use: this.#use,
      damage: this.#damage,
    })
    this.#isWalked = statSync(files.dataPath).size <= walkedAtStartBytesMax
    this.#numbers = this.#tables.numbers<string>('state', 'ordered-binary')
    this.#lastApplied = BigInt(this.number(appliedRow) ?? 0)
    this.#copiedTo = BigInt(this.number(copiedRow) ?? 0)
    this.#uncopiedBytes = this.number(uncopiedBytesRow) ?? 0
  }

  /**
   * Opens or creates the state, as it was or, after a possible power loss, as the last snapshot has
   * it: the journal must be replayed after `lastApplied` in any case. Errors are those of node:fs
   * and lmdb.
   */
  static async open(options: LmdbStateOptions): Promise<LmdbState> {
    const {
      directory,
      logger,
      fileSystem = diskFileSystem,
      bootId = currentBootId,
      mappedBytesMax = mappedBytesMaxDefault,
    } = options
    const files = await StateFiles.prepare({ directory, fileSystem, bootId: bootId(), logger, problemsOf: walkFile })
    const state = new LmdbState(files, mappedBytesMax, options)
    // Then the journal need not reach back to the beginning.
    if (state.lastApplied > 0n && !files.hasSnapshot) await state.snapshot()
    return state
  }

  /**
   * Whether every row was looked at since the start: then a row that is not there was never there,
   * or was deleted. Until then damage may hide it. A large state is walked for the next snapshot.
   */
  get isWalked(): boolean {
    return this.#isWalked
  }

  /** Sequence of the last command in the state; 0n when there is none. */
  get lastApplied(): bigint {
    return this.#lastApplied
  }

  get uncopied(): Uncopied {
    return { entries: Number(this.#lastApplied - this.#copiedTo), bytes: this.#uncopiedBytes }
  }

  /** What a snapshot has to copy: the file, or only its pages in use where these are few. */
  sizeBytes(): number {
    return this.#isSparse() ? this.usedBytes() : statSync(this.#files.dataPath).size
  }

  /** Pages that hold something; free ones are used again before the file grows. 0 after the end. */
  usedBytes(): number {
    if (this.#closed) return 0
    this.#use.touch()
    const root = this.#root.getStats() as TreeStats & { readonly free: TreeStats }
    return root.pageSize * (this.#tables.pages() + pagesOf(root) + pagesOf(root.free) + metaPages)
  }

  /** A table of bytes; `name` and kind of key are the format, so always the same. At most 30. */
  bytesTable<Key extends OrderedKey>(name: string): StateTable<Key, Buffer> {
    return this.#tables.bytes(name)
  }

  /** Keys are bytes, in the order of these. */
  numbersTable(name: string): StateTable<Buffer, number> {
    return this.#tables.numbers(name, 'binary')
  }

  /** A number of the owner's by name. */
  number(name: string): number | undefined {
    return this.#numbers.get(name)
  }

  putNumber(name: string, value: number): void {
    this.#numbers.put(name, value)
  }

  /**
   * Runs `change` as one transaction that ends with `lastApplied`. When it throws, nothing of it
   * has happened. `commandBytes`: what the commands up to there take in the journal.
   */
  transact<Result>(lastApplied: bigint, change: () => Result, commandBytes = 0): Result {
    const uncopiedBytes = this.#uncopiedBytes + commandBytes
    this.#use.touch()
    const result = this.#damage.guarded('a change', () =>
      this.#root.transactionSync(() => {
        const made = change()
        this.#numbers.put(appliedRow, Number(lastApplied))
        this.#numbers.put(copiedRow, Number(this.#copiedTo))
        this.#numbers.put(uncopiedBytesRow, uncopiedBytes)
        return made
      }),
    )
    this.#lastApplied = lastApplied
    this.#uncopiedBytes = uncopiedBytes
    return result
  }

  /**
   * Copies the state, beside the event loop, while it is being changed. Gives a sequence up to
   * which the copy has everything: once this resolves, no power loss takes that away, and the
   * journal may forget it.
   */
  snapshot(): Promise<bigint> {
    const made = this.#snapshotting.then(() => this.#copy())
    this.#snapshotting = made.catch(() => undefined)
    return made
  }

  /** Copies the state to a new file that another state can begin with. */
  async copyTo(path: string): Promise<void> {
    await this.snapshot()
    await this.#files.copySnapshot(path)
  }

  /**
   * Walks a copy of the state in a process of its own, and reads the snapshot. What is found wrong
   * with the data makes the next start begin with the snapshot; this process goes on.
   */
  check(): Promise<WalkResult> {
    const made = this.#snapshotting.then(() => this.#check())
    this.#snapshotting = made.catch(() => undefined)
    return made
  }

  async #check(): Promise<WalkResult> {
    await this.#copyToPart()
    try {
      const { findings, rows } = await checkCopy(this.#files.partPath, this.#agreement)
      if (findings.length > 0) this.#use.markDamaged()
      else this.#isWalked = true
      return { findings: [...findings, ...(await this.#files.snapshotProblems())], rows }
    } finally {
      await this.#files.clearPart()
    }
  }

  /** No journal has a command of the state as it is; the next transaction makes it so. */
  forgetJournal(): void {
    this.#lastApplied = 0n
    this.#copiedTo = 0n
    this.#uncopiedBytes = 0
  }

  async #copy(): Promise<bigint> {
    if (this.#closed) throw closedError()
    // It would take the place of one that is whole.
    if (this.#use.isDamaged) throw damagedError('its data')
    // Before the copy begins: it may have more, never less.
    const upTo = this.#lastApplied
    const copiedBytes = this.#uncopiedBytes
    const isSmall = this.sizeBytes() <= walkedHereBytesMax
    const walked = isSmall ? this.#damage.guarded('a page', () => walkRoot(this.#root)) : undefined
    await this.#copyToPart()
    const { findings } = walked ?? (await checkCopy(this.#files.partPath, ''))
    if (findings.length > 0) {
      await this.#files.clearPart()
      throw this.#damage.found(findings.join('; '))
    }
    this.#isWalked = true
    await this.#files.keepSnapshot()
    this.#copiedTo = upTo
    this.#uncopiedBytes -= copiedBytes
    return upTo
  }

  async #copyToPart(): Promise<void> {
    if (this.#closed) throw closedError()
    await this.#files.clearPart()
    this.#readersBeside += 1
    try {
      await (this.#isSparse()
        ? this.#use.during(() => this.#root.backup(this.#files.partPath, true))
        : this.#copyFile())
    } finally {
      this.#readersBeside -= 1
    }
  }

  async #copyFile(): Promise<void> {
    const reader = this.#root.useReadTransaction()
    try {
      // In the same turn as the reader: no commit comes in between.
      const head = this.#files.head(metaPages * (this.#root.getStats() as TreeStats).pageSize)
      await this.#files.copyData(head)
    } finally {
      reader.done()
    }
  }

  #isSparse(): boolean {
    return this.usedBytes() < statSync(this.#files.dataPath).size * sparseShare
  }

  /** Resolves when everything that was committed is on the disk; beside the event loop. */
  flush(): Promise<void> {
    // lmdb's types leave out `sync`; its promise `flushed` does not cover synchronous transactions.
    const environment = this.#root as RootDatabase & { sync(callback: (error?: Error) => void): void }
    this.#readersBeside += 1
    return this.#use.during(
      () =>
        new Promise((resolve, reject) =>
          environment.sync((error) => {
            this.#readersBeside -= 1
            if (error instanceof Error) reject(error)
            else resolve()
          }),
        ),
    )
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
      this.#use.close()
    }
    await this.#files.markClosed()
  }

  /** lmdb must not be asked after its end; a long walk may still be on its way then. */
  #checkOpen(): void {
    if (this.#closed) throw closedError()
  }

  /**
   * Lets the kernel have the pages back. Called between two turns of the event loop: nobody is
   * reading.
   */
  #remap(): boolean {
    if (this.#closed || this.#readersBeside > 0) return false
    // Nothing here is written or read asynchronously, so this has ended when it returns.
    this.#use.touch()
    void this.#root.close()
    this.#root = openRoot(this.#files.dataPath)
    this.#tables.reopen()
    return true
  }
}

function closedError(): SkeinError {
  return new SkeinError('unavailable', 'the master is closing')
}
