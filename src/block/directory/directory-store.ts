// Why: one directory of block files as a BlockStore. How: the ledger (block-ledger.ts) decides who
// may write what without waiting; this class joins it to the disk. Small blocks are the hot path:
// open, one writev of data and footer, close, straight under their final name. They need no rename:
// nothing reads a block that the ledger does not have, and after a crash a half-written file has no
// valid footer and is deleted by the scan. The three calls go through the thread pool, because a
// busy ext4 takes up to 500 us of system time to find a free inode, and the main thread must not
// wait for that (measured for 16 KiB: 13-18 us of the main thread a block against 35-60 for the
// same calls made synchronously, and 65 against 450 on a file system where many files were just
// deleted).
import { randomUUID } from 'node:crypto'
import { Budget } from '../../base/flow/budget.ts'
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import { pageChecksums } from '../../base/page-checksum.ts'
import { encodeFooter, storedBlock } from '../disk/block-file.ts'
import { type BlockEntry, BlockLedger } from '../segment/block-ledger.ts'
import type {
  BlockHeader,
  BlockReader,
  BlockReservation,
  BlockStore,
  DirectoryUsage,
  KeptBlock,
} from '../block-store.ts'
import {
  blockPath,
  type DirectoryLayout,
  inBlockFolder,
  prepareDirectory,
  syncBlockName,
  tempPath,
} from '../disk/directory-layout.ts'
import { openReader } from './directory-reader.ts'
import { releaseFile } from './directory-release.ts'
import { DirectoryReservation } from './directory-reservation.ts'
import { scanDirectory } from './directory-scan.ts'
import {
  closeFile,
  diskError,
  hasErrno,
  newFileFlags,
  openFile,
  removeFile,
  renameFile,
  syncFile,
  writeFully,
} from '../disk/disk-calls.ts'
import type { DirectoryOptions, DirectoryStoreDependencies } from '../disk/directory-options.ts'

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
  readonly #ledger: BlockLedger
  readonly #reservations = new Set<DirectoryReservation>()
  readonly #releasing = new Map<number, Promise<void>>()
  readonly #putSlots = new Budget('small blocks being written', putsAtOnce)
  readonly #never = new AbortController().signal
  #closed = false

  private constructor(options: DirectoryStoreOptions, layout: DirectoryLayout, ledger: BlockLedger) {
    this.#options = options
    this.#layout = layout
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
      moveIn: () => this.#moveIn(path, header),
      committed: () => {
        this.#reservations.delete(reservation)
        this.#committed(entry)
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
    if (bytes.length !== header.length) {
      throw new SkeinError(
        'invalid_argument',
        `block ${header.blockId} has ${bytes.length} bytes, not ${header.length}`,
      )
    }
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
      await this.#writeWhole(header, [bytes, encodeFooter(header, pageChecksums(bytes))])
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
    if (entry === undefined) throw notFound(blockId)
    const { header } = entry
    try {
      return await openReader(blockPath(this.#layout, blockId), header, ({ key }) =>
        this.#dropBroken(entry, 'corrupt', key),
      )
    } catch (thrown) {
      // Freed, and perhaps being written anew, while the file was opened: what was read says
      // nothing about this block.
      if (entry.mode !== 'committed') throw notFound(blockId)
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

  /** Nothing is deleted to make room here. */
  setPinned(): void {}

  /** As setPinned. */
  setRunningLoads(): void {}

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

  #committed(entry: BlockEntry): void {
    this.#ledger.commit(entry)
    this.#options.deps.events.added(entry.header)
  }

  async #moveIn(path: string, header: BlockHeader): Promise<void> {
    const target = blockPath(this.#layout, header.blockId)
    await inBlockFolder(this.#layout, header.blockId, () => renameFile(path, target))
    if (header.durable !== true) return
    try {
      await syncBlockName(this.#layout, header.blockId)
    } catch (thrown) {
      await this.#unlink(target)
      throw thrown
    }
  }

  async #writeWhole(header: BlockHeader, buffers: readonly Uint8Array[]): Promise<void> {
    const { blockId, durable } = header
    const path = blockPath(this.#layout, blockId)
    const fd = await inBlockFolder(this.#layout, blockId, () => this.#createFile(path))
    try {
      await writeFully(fd, buffers, 0)
      if (durable === true) await syncFile(fd)
    } catch (thrown) {
      await closeFile(fd).catch(() => undefined)
      await this.#unlink(path)
      throw thrown
    }
    try {
      await closeFile(fd)
      if (durable === true) await syncBlockName(this.#layout, blockId)
    } catch (thrown) {
      await this.#unlink(path)
      throw thrown
    }
  }

  /**
   * A file that a failed deletion left behind is in the way of the block's next life; the ledger
   * says that it is nobody's.
   */
  async #createFile(path: string): Promise<number> {
    try {
      return await openFile(path, newFileFlags)
    } catch (thrown) {
      if (!hasErrno(thrown, 'EEXIST')) throw thrown
      await removeFile(path)
      return await openFile(path, newFileFlags)
    }
  }

  async #dropBroken(entry: BlockEntry, why: 'corrupt' | 'lost', key?: string): Promise<void> {
    // The reader may be older than the block: freed, or found broken by another reader. After close
    // the directory may be a successor's.
    if (entry.mode !== 'committed' || this.#closed) return
    const { logger, metrics } = this.#options.deps
    logger.warn('a broken block was dropped', { blockId: entry.header.blockId, key, path: this.#layout.path, why })
    if (why === 'corrupt') metrics.add('worker.blocks.corrupt')
    await this.#remove(entry, why)
  }

  /**
   * Out of sight at once; resolves when the file is gone and its bytes are given back. Does not
   * throw.
   */
  #remove(entry: BlockEntry, why: 'freed' | 'corrupt' | 'lost'): Promise<void> {
    const removal = this.#unlink(blockPath(this.#layout, entry.header.blockId)).then(() => this.#ledger.end(entry))
    this.#ledger.beginRemoval(entry, removal)
    this.#options.deps.events.removed(entry.header.blockId, why)
    return removal
  }

  async #unlink(path: string): Promise<void> {
    try {
      await removeFile(path)
    } catch (thrown) {
      this.#options.deps.logger.warn('a block file could not be deleted', { path, error: thrown })
    }
  }
}

function notFound(blockId: number): SkeinError {
  return new SkeinError('not_found', `block ${blockId} is not in the store`)
}
