// Why: one directory of block files as a BlockStore. How: the ledger (block-ledger.ts) decides who
// may write what without waiting; this class joins it to the disk (directory-files.ts). Nothing
// reads a block that the ledger does not have.
import { randomUUID } from 'node:crypto'
import { Budget } from '../../base/flow/budget.ts'
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import { pageChecksums } from '../../base/page-checksum.ts'
import { encodeFooter, storedBlock } from '../disk/block-file.ts'
import { type BlockEntry, BlockLedger, blockNotFound } from '../segment/block-ledger.ts'
import type {
  BlockHeader,
  BlockReader,
  BlockReservation,
  BlockStore,
  DirectoryUsage,
  KeptBlock,
} from '../block-store.ts'
import { blockPath, type DirectoryLayout, prepareDirectory, tempPath } from '../disk/directory-layout.ts'
import { DirectoryFiles } from './directory-files.ts'
import { openReader } from './directory-reader.ts'
import { releaseFile } from './directory-release.ts'
import { DirectoryReservation } from './directory-reservation.ts'
import { scanDirectory } from './directory-scan.ts'
import { diskError, newFileFlags, openFile, removeFile } from '../disk/disk-calls.ts'
import type { DirectoryOptions, DirectoryStoreDependencies } from '../disk/directory-options.ts'
import { syncSlots } from '../disk/sync-ahead.ts'
import { mustBeGivenWhole } from '../disk/reservation-checks.ts'

/** Blocks up to this size are put in one piece; larger ones go through a reservation. */
const putBytesMax = 1024 * 1024
/** Small blocks that are written at the same time, and so their open files. */
const putsAtOnce = 64

export interface DirectoryStoreOptions extends DirectoryOptions {
  readonly workerId: string
  readonly deps: DirectoryStoreDependencies
  /** Ends the scan early. */
  readonly signal?: AbortSignal
}

export class DirectoryStore implements BlockStore {
  readonly #options: DirectoryStoreOptions
  readonly #layout: DirectoryLayout
  readonly #files: DirectoryFiles
  readonly #ledger: BlockLedger
  readonly #reservations = new Set<DirectoryReservation>()
  readonly #releasing = new Map<number, Promise<void>>()
  readonly #putSlots = new Budget('small blocks being written', putsAtOnce)
  readonly #syncSlots = syncSlots()
  readonly #never = new AbortController().signal
  #closed = false

  private constructor(options: DirectoryStoreOptions, layout: DirectoryLayout, ledger: BlockLedger) {
    this.#options = options
    this.#layout = layout
    this.#files = new DirectoryFiles(layout, options.deps.logger)
    this.#ledger = ledger
  }

  /**
   * Takes the directory for this worker and finds the blocks in it. Blocks beyond a quota that was
   * lowered are deleted.
   * @throws SkeinError failed_precondition (another worker's directory, not writable), unavailable
   *   (the disk fails)
   */
  static async open(options: DirectoryStoreOptions): Promise<DirectoryStore> {
    const { layout, tempFiles } = await prepareDirectory(options.path, options.workerId)
    options.deps.logger.debug('block directory taken', { path: layout.path, tempFiles })
    return await DirectoryStore.openIn(layout, new BlockLedger(options.quotaBytes), options)
  }

  /**
   * As open, in a directory that is prepared, and with a ledger that other stores of the directory
   * share.
   */
  static async openIn(
    layout: DirectoryLayout,
    ledger: BlockLedger,
    options: DirectoryStoreOptions,
  ): Promise<DirectoryStore> {
    const store = new DirectoryStore(options, layout, ledger)
    const { blocks, tornFiles, foreignFiles } = await scanDirectory(layout, options.signal ?? store.#never)
    let unwanted = 0
    for (const header of blocks) {
      // One that the ledger has is in a segment too: this file should have been deleted.
      if (ledger.get(header.blockId) === undefined && header.length <= ledger.freeBytes)
        ledger.commit(ledger.begin(storedBlock(header)))
      else {
        unwanted += 1
        await removeFile(blockPath(layout, header.blockId))
      }
    }
    const found = { path: layout.path, blocks: store.blockCount, usedBytes: ledger.usedBytes }
    options.deps.logger.info('block directory opened', { ...found, tornFiles, foreignFiles, unwanted })
    return store
  }

  /** The directory's path without symbolic links. */
  get path(): string {
    return this.#layout.path
  }

  get blockCount(): number {
    return this.#ledger.committedCount
  }

  get reservedBytes(): number {
    return this.#ledger.reservedBytes
  }

  get freeBytes(): number {
    return this.#ledger.freeBytes
  }

  /** What the directory has of a block, whether or not it can be read yet. */
  entry(blockId: number): BlockEntry | undefined {
    return this.#ledger.get(blockId)
  }

  has(blockId: number): boolean {
    return this.#ledger.committed(blockId) !== undefined
  }

  list(): Iterable<KeptBlock> {
    return this.#ledger.headers()
  }

  usage(): readonly DirectoryUsage[] {
    const { tier, mediumType, quotaBytes } = this.#options
    return [
      { path: this.#layout.path, tier, mediumType, quotaBytes, usedBytes: this.#ledger.takenBytes, state: 'normal' },
    ]
  }

  async reserve(header: BlockHeader): Promise<BlockReservation> {
    const begun = this.#begin(header)
    const entry = begun instanceof Promise ? await begun : begun
    const id = randomUUID()
    const path = tempPath(this.#layout, header.blockId, id)
    let fd: number
    try {
      fd = await openFile(path, newFileFlags)
    } catch (thrown) {
      this.#ledger.end(entry)
      throw diskError(thrown, `reserving block ${header.blockId}`)
    }
    const reservation: DirectoryReservation = new DirectoryReservation({
      id,
      header,
      path,
      fd,
      syncSlots: this.#syncSlots,
      moveIn: () => this.#files.moveIn(path, header),
      committed: (length) => {
        this.#reservations.delete(reservation)
        this.#committed(entry, length)
      },
      aborted: () => {
        this.#reservations.delete(reservation)
        this.#ledger.end(entry)
      },
      warn: (message, thrown) => this.#options.deps.logger.warn(message, { path, error: thrown }),
    })
    this.#reservations.add(reservation)
    // The store may have been closed while the file was made.
    if (this.#closed) await reservation.abort()
    return reservation
  }

  async put(header: BlockHeader, bytes: Uint8Array): Promise<void> {
    mustBeGivenWhole(header, bytes)
    if (bytes.length > putBytesMax) {
      const reservation = await this.reserve(header)
      await reservation.write(bytes)
      await reservation.commit()
      return
    }
    const begun = this.#begin(header)
    const entry = begun instanceof Promise ? await begun : begun
    const slot = this.#putSlots.tryAcquire(1) ?? (await this.#putSlots.acquire(1, this.#never))
    try {
      await this.#files.writeWhole(header, [bytes, encodeFooter(header, pageChecksums(bytes))])
    } catch (thrown) {
      this.#ledger.end(entry)
      throw diskError(thrown, `writing block ${header.blockId}`)
    } finally {
      slot.release()
    }
    this.#committed(entry)
  }

  async open(blockId: number): Promise<BlockReader> {
    const entry = this.#ledger.committed(blockId)
    if (entry === undefined) throw blockNotFound(blockId)
    const { header } = entry
    try {
      return await openReader(blockPath(this.#layout, blockId), header, ({ key }) =>
        this.#dropBroken(entry, 'corrupt', key),
      )
    } catch (thrown) {
      // Freed, and perhaps being written anew, while the file was opened: what was read says
      // nothing about this block.
      if (entry.mode !== 'committed') throw blockNotFound(blockId)
      // Its footer was being written anew.
      if (entry.header !== header) {
        await this.#releasing.get(blockId)
        return await this.open(blockId)
      }
      if (isSkeinError(thrown, 'data_loss'))
        await this.#dropBroken(entry, thrown.reason === 'block_missing' ? 'lost' : 'corrupt')
      throw thrown
    }
  }

  async free(blockId: number): Promise<boolean> {
    const entry = this.#ledger.committed(blockId)
    if (entry === undefined) return false
    await this.#remove(entry, 'freed')
    return true
  }

  async release(blockId: number): Promise<void> {
    const entry = this.#ledger.committed(blockId)
    if (entry?.header.durable !== true) return
    this.#ledger.release(entry)
    const releasing = releaseFile(blockPath(this.#layout, blockId), entry.header).catch((thrown: unknown) => {
      // It is durable again after a restart, and will be released again.
      this.#options.deps.logger.warn('a released block could not be marked as such', { blockId, error: thrown })
    })
    this.#releasing.set(blockId, releasing)
    await releasing
    this.#releasing.delete(blockId)
  }

  /**
   * Aborts the open reservations, takes no more, and waits for what is under way. Readers stay
   * usable.
   */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#reservations].map((reservation) => reservation.abort()))
    const allSlots = await this.#putSlots.acquire(putsAtOnce, this.#never)
    allSlots.release()
    await Promise.all([...this.#ledger.removals(), ...this.#releasing.values()])
  }

  #mustBeOpen(): void {
    if (this.#closed)
      throw new SkeinError('unavailable', `block directory ${this.#layout.path} is closed`, { reason: 'stopping' })
  }

  /** Without waiting, unless the block's old file is still being deleted. */
  #begin(header: BlockHeader): BlockEntry | Promise<BlockEntry> {
    this.#mustBeOpen()
    return this.#ledger.tryBegin(header) ?? this.#ledger.beginAfterRemoval(header, () => this.#mustBeOpen())
  }

  #committed(entry: BlockEntry, length?: number): void {
    this.#ledger.commit(entry, length)
    this.#options.deps.events.added(entry.header)
  }

  async #dropBroken(entry: BlockEntry, why: 'corrupt' | 'lost', key?: string): Promise<void> {
    // The reader may be older than the block: freed, or found broken by another reader. After close
    // the directory may be a successor's.
    if (entry.mode !== 'committed' || this.#closed) return
    const { logger, metrics } = this.#options.deps
    logger.warn('a broken block was dropped', { blockId: entry.header.blockId, key, path: this.#layout.path, why })
    if (why === 'corrupt') metrics.add('skein_worker_blocks_removed_total', 1, { reason: 'corrupt' })
    await this.#remove(entry, why)
  }

  /**
   * Out of sight at once; resolves when the file is gone and its bytes are given back. Does not
   * throw.
   */
  #remove(entry: BlockEntry, why: 'freed' | 'corrupt' | 'lost'): Promise<void> {
    const removal = this.#files.remove(entry.header.blockId).then(() => this.#ledger.end(entry))
    this.#ledger.beginRemoval(entry, removal)
    this.#options.deps.events.removed(entry.header.blockId, why)
    return removal
  }
}
