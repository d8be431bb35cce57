// Why: the one contract for keeping blocks on a worker: a directory of files, several of them, later segments and tiers.
// Implementations compose: a store of several directories is made of stores of one. All pass one conformance suite.
// How a block gets in: reserve -> write -> commit | abort; bytes are reserved before any is written.
// Owns: the files below its directories. Does not know masters, networks or under file systems.

/** What a block is; repeated in its file so that a mixed-up block is seen. */
export interface BlockHeader {
  readonly blockId: number
  readonly length: number
  readonly namespaceId: string
  readonly key: string
  readonly etag: string
  /** In the file. */
  readonly offset: number
  /** These bytes exist nowhere else: they are on the disk, not only on their way to it, when commit returns. Kept with the block. */
  readonly durable?: boolean | undefined
}

export interface DirectoryUsage {
  readonly path: string
  readonly tier: string
  readonly mediumType: string
  readonly quotaBytes: number
  /** Reserved bytes included. Never above the quota. */
  readonly usedBytes: number
}

/** A block being written. Exactly one of commit and abort ends it; abort after either does nothing. */
export interface BlockReservation {
  readonly id: string
  readonly header: BlockHeader
  /** The temporary file, for a writer in another process that shares the disk. */
  readonly path: string
  /**
   * Appends; one call at a time. The store keeps the chunk until commit or abort: the caller must not change it afterwards.
   * @throws SkeinError resource_exhausted (disk full), unavailable (disk fault), invalid_argument (more bytes than reserved);
   * the reservation is aborted by then
   */
  write(chunk: Uint8Array): Promise<void>
  /**
   * Makes the block visible. `checksums` when somebody else wrote the file: one CRC-32 per page (base/page-checksum.ts).
   * @throws SkeinError data_loss when the bytes are not all there; the reservation is then aborted.
   */
  commit(checksums?: readonly number[]): Promise<void>
  abort(): Promise<void>
  /** Committed or aborted. */
  readonly ended: boolean
}

/** An open block: it stays readable after the block was freed. */
export interface BlockReader {
  readonly header: BlockHeader
  /** Verified bytes. @throws SkeinError data_loss when a page does not match its checksum: the block is dropped by then. */
  read(offset: number, length: number, signal: AbortSignal): Promise<Uint8Array>
  close(): Promise<void>
}

export interface WriteHints {
  /** Blocks that can be read again may be deleted to make room. Default: false. Stores without tiers delete nothing. */
  readonly evict?: boolean
}

export interface BlockStoreEvents {
  /** A block became visible. */
  added(header: BlockHeader): void
  /** A block is gone: freed, evicted, found corrupt, or its directory failed. */
  removed(blockId: number, why: 'freed' | 'evicted' | 'corrupt' | 'lost'): void
}

export interface BlockStore {
  /**
   * @throws SkeinError already_exists with reason `committed` (nothing to do) or `being_written`;
   * resource_exhausted with reason `no_capacity` (the message says how many bytes are missing).
   */
  reserve(header: BlockHeader, hints?: WriteHints): Promise<BlockReservation>
  /** reserve, write and commit of a block at once; `bytes` must stay as they are until it resolves. Same errors. */
  put(header: BlockHeader, bytes: Uint8Array, hints?: WriteHints): Promise<void>
  /** @throws SkeinError not_found; data_loss when its file is torn (it is dropped by then) */
  open(blockId: number): Promise<BlockReader>
  has(blockId: number): boolean
  /** Removes a block; false when there was none. */
  free(blockId: number): Promise<boolean>
  list(): Iterable<BlockHeader>
  readonly blockCount: number
  /** Bytes of reservations that are open; part of `usedBytes` in usage(). */
  readonly reservedBytes: number
  usage(): readonly DirectoryUsage[]
  close(): Promise<void>
}
