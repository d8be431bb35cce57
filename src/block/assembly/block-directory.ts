// Why: one configured directory as one BlockStore: small blocks share segments, large ones have a
// file each. How: both stores work on one ledger, so the quota and the lives of a block are one; a
// committed block's entry says where it is.
import { BlockLedger, type BlockEntry } from '../segment/block-ledger.ts'
import type {
  BlockHeader,
  BlockReader,
  BlockReservation,
  BlockStore,
  DirectoryUsage,
  KeptBlock,
} from '../block-store.ts'
import { prepareDirectory } from '../disk/directory-layout.ts'
import { DirectoryStore, type DirectoryStoreOptions } from '../directory/directory-store.ts'
import { SegmentStore } from '../segment/segment-store.ts'

export interface SegmentSettings {
  /**
   * Blocks up to this size go to segments; 0: none. Those that are in segments already are served
   * in any case.
   */
  readonly blockBytesMax: number
  readonly segmentBytes?: number | undefined
  readonly compactionBytesPerSecond?: number | undefined
  /** False: only `compact` compacts. */
  readonly background?: boolean | undefined
}

export interface BlockDirectoryOptions extends DirectoryStoreOptions {
  /** None: a file for each block. */
  readonly segments?: SegmentSettings | undefined
}

export class BlockDirectory implements BlockStore {
  readonly #blockBytesMax: number
  readonly #ledger: BlockLedger
  readonly #files: DirectoryStore
  readonly #segments: SegmentStore

  private constructor(blockBytesMax: number, ledger: BlockLedger, files: DirectoryStore, segments: SegmentStore) {
    this.#blockBytesMax = blockBytesMax
    this.#ledger = ledger
    this.#files = files
    this.#segments = segments
  }

  /**
   * Takes the directory for this worker and finds the blocks in it.
   * @throws SkeinError failed_precondition (another worker's directory, not writable), unavailable
   *   (the disk fails)
   */
  static async open(options: BlockDirectoryOptions): Promise<BlockDirectory> {
    const { blockBytesMax, ...settings } = options.segments ?? { blockBytesMax: 0 }
    const { layout, tempFiles } = await prepareDirectory(options.path, options.workerId)
    options.deps.logger.debug('block directory taken', { path: layout.path, tempFiles })
    const ledger = new BlockLedger(options.quotaBytes)
    const segments = await SegmentStore.open({ ...options, ...settings, layout, ledger })
    try {
      return new BlockDirectory(blockBytesMax, ledger, await DirectoryStore.openIn(layout, ledger, options), segments)
    } catch (thrown) {
      await segments.close()
      throw thrown
    }
  }

  /** The directory's path without symbolic links. */
  get path(): string {
    return this.#files.path
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

  /** Of the segments' files, dead records and all. */
  get segmentDiskBytes(): number {
    return this.#segments.diskBytes
  }

  /** What the directory has of a block, whether or not it can be read yet. */
  entry(blockId: number): BlockEntry | undefined {
    return this.#ledger.get(blockId)
  }

  async reserve(header: BlockHeader): Promise<BlockReservation> {
    const store = this.#storeFor(header)
    const reservation = await store.reserve(header)
    // Nothing of it is on the disk yet. A segment's record waits when it is appended.
    if (store === this.#files) await this.#segments.untilRoom()
    return reservation
  }

  put(header: BlockHeader, bytes: Uint8Array): Promise<void> {
    const store = this.#storeFor(header)
    const room = store === this.#files ? this.#segments.untilRoom() : undefined
    return room === undefined ? store.put(header, bytes) : room.then(() => store.put(header, bytes))
  }

  open(blockId: number): Promise<BlockReader> {
    return this.#storeOf(blockId).open(blockId)
  }

  has(blockId: number): boolean {
    return this.#ledger.committed(blockId) !== undefined
  }

  free(blockId: number): Promise<boolean> {
    return this.#storeOf(blockId).free(blockId)
  }

  release(blockId: number): Promise<void> {
    return this.#files.release(blockId)
  }

  list(): Iterable<KeptBlock> {
    return this.#ledger.headers()
  }

  usage(): readonly DirectoryUsage[] {
    return this.#files.usage()
  }

  /**
   * Compacts the segments until none is worth it. Only with `background: false`. @throws what the
   * disk throws
   */
  compact(): Promise<void> {
    return this.#segments.compact()
  }

  /** As both stores'. Removals in segments are done before those of files are waited for. */
  async close(): Promise<void> {
    await this.#segments.close()
    await this.#files.close()
  }

  #storeFor(header: BlockHeader): BlockStore {
    // Segments are not synced.
    if (header.durable === true) return this.#files
    // A length that is no number at all is refused by either.
    return header.length <= this.#blockBytesMax && this.#blockBytesMax > 0 ? this.#segments : this.#files
  }

  #storeOf(blockId: number): BlockStore {
    return this.#ledger.committed(blockId)?.place === undefined ? this.#files : this.#segments
  }
}
