// Why: a master's state must be able to exceed memory and survive a crash. How: one LMDB
// environment. A group of commands is one synchronous transaction, together with the last applied
// sequence. Commits do not wait for the disk (`noSync`: a sync would block the event loop); a
// killed process loses nothing. Snapshots protect against power losses. They are copies of the file
// that are made while it serves (state-files.ts): a read transaction keeps LMDB from reusing the
// pages of the last commit, and the two meta pages, which name the last commit, are read before the
// next commit. lmdb 3.5.6 syncs in transactionSync with any flags, so `overlappingSync` does not
// help. Every value has a checksum (checked-tables.ts). A wrong value is never returned: the caller
// and the owner get an error, and the next start uses the snapshot (state-use.ts).
// LMDB's keys and pages have no checksums, so damage may hide a row. Therefore every row is checked
// before a copy replaces the snapshot and the journal drops its entries (state-walk.ts): a small
// state in the turn of the copy, a larger one in a separate process (state-check.ts). A small state
// is also checked at startup (walkFile). Pages that were read stay mapped and count as memory of
// the process. So a large state is closed and reopened between two turns of the event loop when too
// much of it is mapped (mapped-memory.ts).
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
  /** Created if missing. Used exclusively. */
  readonly directory: string
  readonly logger: Logger
  /** Default: the disk. Tests use one that simulates power loss. */
  readonly fileSystem?: JournalFileSystem
  /** Default: the boot id of the kernel. Tests set their own. */
  readonly bootId?: () => string | undefined
  /** File-backed memory of the process at which the state is remapped. Default: 640 MiB. */
  readonly mappedBytesMax?: number
  /**
   * Called once when damaged data is found. The process should end, and the next start repairs the
   * state.
   */
  readonly onDamage?: ((error: SkeinError) => void) | undefined
  /** The path of a module that checks rows (state-check.ts: AgreementOf), for `check`. */
  readonly agreement?: string
}

/** Below this used part, a copy searches for the used pages: the file was larger before. */
const sparseShare = 0.25
/** Up to this size, the state is walked in this process: a few milliseconds. */
const walkedHereBytesMax = 512 * 1024
const mappedBytesMaxDefault = 640 * 1024 ** 2
/** Rows of the table `state`. The others belong to the owner (`number`). */
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
  /** Operations that read the file outside the event loop now. */
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
   * Opens or creates the state. After a possible power loss, it is the state of the last snapshot.
   * The journal must be replayed after `lastApplied` in any case. Errors are those of node:fs and
   * lmdb.
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
    // With a snapshot, the journal does not need to reach back to its beginning.
    if (state.lastApplied > 0n && !files.hasSnapshot) await state.snapshot()
    return state
  }

  /**
   * Whether every row was checked since the start. If so, a missing row was never there or was
   * deleted. Until then, damage may hide it. A large state is walked for the next snapshot.
   */
  get isWalked(): boolean {
    return this.#isWalked
  }

  /** The sequence of the last command in the state; 0n if there is none. */
  get lastApplied(): bigint {
    return this.#lastApplied
  }

  get uncopied(): Uncopied {
    return { entries: Number(this.#lastApplied - this.#copiedTo), bytes: this.#uncopiedBytes }
  }

  /** Bytes that a snapshot has to copy: the file, or only its used pages if these are few. */
  sizeBytes(): number {
    return this.#isSparse() ? this.usedBytes() : statSync(this.#files.dataPath).size
  }

  /** Bytes in used pages. Free pages are reused before the file grows. 0 when closed. */
  usedBytes(): number {
    if (this.#closed) return 0
    this.#use.touch()
    const root = this.#root.getStats() as TreeStats & { readonly free: TreeStats }
    return root.pageSize * (this.#tables.pages() + pagesOf(root) + pagesOf(root.free) + metaPages)
  }

  /**
   * A table of bytes. `name` and the type of the key are part of the format, so they must not
   * change. At most 30 tables.
   */
  bytesTable<Key extends OrderedKey>(name: string): StateTable<Key, Buffer> {
    return this.#tables.bytes(name)
  }

  /** A table of numbers. Its keys are bytes, in byte order. */
  numbersTable(name: string): StateTable<Buffer, number> {
    return this.#tables.numbers(name, 'binary')
  }

  /** A number of the owner, by name. */
  number(name: string): number | undefined {
    return this.#numbers.get(name)
  }

  putNumber(name: string, value: number): void {
    this.#numbers.put(name, value)
  }

  /**
   * Runs `change` as one transaction that ends with `lastApplied`. When it throws, nothing has
   * changed. `commandBytes`: size of the commands up to there in the journal.
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
   * Copies the state outside the event loop, while it is being changed. Returns the sequence up to
   * which the copy is complete and durable, so the journal may drop these entries.
   */
  snapshot(): Promise<bigint> {
    const made = this.#snapshotting.then(() => this.#copy())
    this.#snapshotting = made.catch(() => undefined)
    return made
  }

  /** Copies the state to a new file that another state can start from. */
  async copyTo(path: string): Promise<void> {
    await this.snapshot()
    await this.#files.copySnapshot(path)
  }

  /**
   * Walks a copy of the state in a separate process, and reads the snapshot. If damage is found,
   * the next start uses the snapshot; this process continues.
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

  /** The current state is not covered by any journal. The next transaction ends this. */
  forgetJournal(): void {
    this.#lastApplied = 0n
    this.#copiedTo = 0n
    this.#uncopiedBytes = 0
  }

  async #copy(): Promise<bigint> {
    if (this.#closed) throw closedError()
    // A damaged copy would replace an intact one.
    if (this.#use.isDamaged) throw damagedError('its data')
    // Read before the copy begins: the copy may have more, but never less.
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
      // In the same turn as the reader, so that no commit comes in between.
      const head = this.#files.head(metaPages * (this.#root.getStats() as TreeStats).pageSize)
      await this.#files.copyData(head)
    } finally {
      reader.done()
    }
  }

  #isSparse(): boolean {
    return this.usedBytes() < statSync(this.#files.dataPath).size * sparseShare
  }

  /** Resolves when everything that was committed is on the disk. Runs outside the event loop. */
  flush(): Promise<void> {
    // The types of lmdb do not declare `sync`. Its promise `flushed` does not cover synchronous
    // transactions.
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

  /** Afterwards the live file can be trusted, also after a power loss. */
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

  /** lmdb must not be called after close, while a long walk may still be running. */
  #checkOpen(): void {
    if (this.#closed) throw closedError()
  }

  /**
   * Returns the pages to the kernel. Called between two turns of the event loop, so nobody is
   * reading.
   */
  #remap(): boolean {
    if (this.#closed || this.#readersBeside > 0) return false
    // All reads and writes here are synchronous, so this has ended when it returns.
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
