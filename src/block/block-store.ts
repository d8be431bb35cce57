// Why: the one contract for keeping blocks on a worker: a directory of files, several of them,
// later segments and tiers. Implementations compose: a store of several directories is made of
// stores of one. All pass one conformance suite. How a block gets in: reserve -> write -> commit |
// abort; bytes are reserved before any is written. Owns: the files below its directories. Does not
// know masters, networks or under file systems.
//
// The room, from the top down; each line uses the ones below it:
//
//   open-tiers           makes all of it from the configuration; block-scrub reads all blocks now
//                        and then
//   tiered-store         tiers as one store. A TIER IS FULL: eviction-policy says which blocks go
//                        where, tier-room does it for writers and ahead of need, tier-moves takes a
//                        block down (promotions: up), the last tier deletes (running-loads: not
//                        what a running load brought). What is coldest: annotator, lru-,
//                        lrfu-annotator. The only store that evicts, so the only one with the
//                        contract block-eviction beside this one
//   multi-directory-store  the directories of one tier; a new block goes to the emptiest healthy
//                        one
//   watched-directory    gives a directory up whose disk fails, and takes it back: disk-health
//                        decides, directory-probe looks
//   block-directory      one directory: directory-store (a file for each large or durable block),
//                        segment-store (small ones share segments; segment-compaction gives their
//                        space back), block-ledger (who has which bytes)
//   block-file, segment-record, directory-layout   what is on the disk; disk-calls: the calls;
//                        located-block: read by clients
import type { PiecePool } from '../base/flow/piece-pool.ts'

/** What a block is; repeated in its file so that a mixed-up block is seen. */
export interface BlockHeader {
  readonly blockId: number
  readonly length: number
  readonly namespaceId: string
  readonly key: string
  readonly etag: string
  /** In the file. */
  readonly offset: number
  /**
   * These bytes exist nowhere else: they are on the disk, not only on their way to it, when commit
   * returns, and the block is never deleted to make room. Kept with the block until `release`.
   */
  readonly durable?: boolean | undefined
}

/**
 * What is kept in memory of each block, for a worker has millions. The names are in its file, and
 * said by its reader.
 */
export interface KeptBlock {
  readonly blockId: number
  readonly length: number
  /** As in BlockHeader. */
  readonly durable?: boolean | undefined
}

export interface DirectoryUsage {
  readonly path: string
  readonly tier: string
  readonly mediumType: string
  readonly quotaBytes: number
  /** Reserved bytes included. Never above the quota. */
  readonly usedBytes: number
  /**
   * `unstable`: its blocks are read, none is written. `down`: its blocks were reported lost. See
   * disk-health.ts.
   */
  readonly state: DirectoryState
}

export type DirectoryState = 'normal' | 'unstable' | 'down'

/**
 * A block being written. Exactly one of commit and abort ends it; abort after either does nothing.
 */
export interface BlockReservation {
  readonly id: string
  readonly header: BlockHeader
  /** The temporary file, for a writer in another process that shares the disk. */
  readonly path: string
  /**
   * Appends; one call at a time. The store keeps the chunk until `settledBytes` are past it, or
   * commit or abort has resolved: until then the caller must not change it.
   * @throws SkeinError resource_exhausted (disk full), unavailable (disk fault), invalid_argument
   *   (more bytes than reserved); the reservation is aborted by then
   */
  write(chunk: Uint8Array): Promise<void>
  /**
   * Makes the block visible. `checksums` when somebody else wrote the file: one CRC-32 per page
   * (base/page-checksum.ts). `length` when the block is shorter than was reserved: its header says
   * so from then on, and the rest of the room is given back.
   * @throws SkeinError data_loss when the bytes are not all there, invalid_argument for a length
   *   above the reserved one; the reservation is then aborted.
   */
  commit(checksums?: readonly number[], length?: number): Promise<void>
  abort(): Promise<void>
  /**
   * Bytes, from the block's beginning, that the store has no more use for. None: all are kept to
   * the end.
   */
  readonly settledBytes?: number | undefined
  /** Bytes that the writer has written so far, here or into the file itself. None: not known. */
  written?(): Promise<number>
  /** Committed or aborted. */
  readonly ended: boolean
}

/**
 * Where a block lies on the disk, for a reader in another process that shares it; see
 * located-block.ts.
 */
export interface BlockPlace {
  readonly path: string
  readonly dataOffset: number
  /**
   * What says what the block is: a footer (block-file.ts) behind the data, or a record's head
   * (segment-record.ts) before it.
   */
  readonly headOffset: number
  readonly headBytes: number
}

/** An open block: it stays readable after the block was freed. */
export interface BlockReader {
  readonly header: BlockHeader
  /** Where the block was when it was opened; undefined: in no file. */
  readonly place?: BlockPlace | undefined
  /**
   * Verified bytes, in memory of `pieces` where that is given and can be; the caller gives them
   * back to it.
   * @throws SkeinError data_loss when a page does not match its checksum: the block is dropped by
   *   then.
   */
  read(offset: number, length: number, signal: AbortSignal, pieces?: PiecePool): Promise<Uint8Array>
  close(): Promise<void>
}

export interface WriteHints {
  /**
   * Blocks that can be read again may be deleted to make room. Default: false. Stores without tiers
   * delete nothing.
   */
  readonly evict?: boolean
  /**
   * The load that writes the block: while it runs (block-eviction.ts), the block is not deleted to
   * make room. Kept in memory only.
   */
  readonly loadId?: string | undefined
}

export interface BlockStoreEvents {
  /** A block became visible. */
  added(block: KeptBlock): void
  /** A block is gone: freed, evicted, found corrupt, or its directory failed. */
  removed(blockId: number, why: 'freed' | 'evicted' | 'corrupt' | 'lost'): void
  /** A block went into memory, or out of it. Default: nobody wants to know. */
  moved?(blockId: number): void
}

export interface BlockStore {
  /**
   * @throws SkeinError already_exists with reason `committed` (nothing to do) or `being_written`;
   * resource_exhausted with reason `no_capacity` (the message says how many bytes are missing).
   */
  reserve(header: BlockHeader, hints?: WriteHints): Promise<BlockReservation>
  /**
   * reserve, write and commit of a block at once; `bytes` must stay as they are until it resolves.
   * Same errors.
   */
  put(header: BlockHeader, bytes: Uint8Array, hints?: WriteHints): Promise<void>
  /** @throws SkeinError not_found; data_loss when its file is torn (it is dropped by then) */
  open(blockId: number): Promise<BlockReader>
  has(blockId: number): boolean
  /** Whether a block that is here is in a tier of memory. Stores without tiers need not know. */
  isInMemory?(blockId: number): boolean
  /** Removes a block; false when there was none. */
  free(blockId: number): Promise<boolean>
  /**
   * A durable block is a usual one from now on, also after a restart. Others, and blocks that are
   * not there: nothing happens.
   */
  release(blockId: number): Promise<void>
  /** Durable blocks are listed as such. */
  list(): Iterable<KeptBlock>
  readonly blockCount: number
  /** Bytes of reservations that are open; part of `usedBytes` in usage(). */
  readonly reservedBytes: number
  usage(): readonly DirectoryUsage[]
  close(): Promise<void>
}
