// Why: programs, the doors (S3, WebHDFS, FUSE) and the command line see one tree with the same
// names, bytes and errors. How: the interface of everything that can be done with files, without a
// word of how a cluster is reached. Paths are `/namespace/key` (base/paths.ts). A path names the
// file of exactly this key, else the directory; with a `/` at its end it names the directory only,
// and `open` reads the object `dir/` if it has bytes. Keys below `.skein/` (base/paths.ts) are for
// the doors: they are never written to the store, and only a `list` from a path that is itself
// `.skein` or below shows them. Every method throws
// SkeinError: not_found, already_exists, permission_denied, invalid_argument, failed_precondition
// (a directory where a file is needed, a read-only namespace), resource_exhausted, unavailable,
// data_loss, unimplemented; and the reason of an aborted signal, as it was given.
import type { ChunkMemory } from '../base/flow/lent-pieces.ts'
import type { BlockLocation, CacheUsage, PathSummary } from './status/amounts.ts'

/** A half-open range of bytes: `offset` and at most `length` bytes from there. */
export interface FileRange {
  readonly offset: number
  readonly length?: number
}

/** What a user may set on a file or directory. */
export interface FileOwnership {
  readonly owner: string
  readonly group: string
  /** Permission bits, such as 0o644. */
  readonly mode: number
}

/** Stored with the object at the store, as S3 does. */
export interface ObjectMetadata {
  /** `Content-Type`; empty: not set. */
  readonly contentType: string
  /** `x-amz-meta-*`: names in lower case without the prefix, at most 2 KiB in all. */
  readonly userMetadata: Readonly<Record<string, string>>
  /**
   * What a door told its clients about this version, such as their ETag, checksum, tags and other
   * headers. Names of `a-z`, `0-9` and `-`, values of printable ASCII, at most 8 KiB in all.
   * Nothing else reads it. Absent: none.
   */
  readonly clientMetadata?: Readonly<Record<string, string>>
}

/** A moment: whole milliseconds since 1970, which may be negative, and nanoseconds after them. */
export interface FileTime {
  readonly ms: number
  /** Below 1,000,000. */
  readonly ns: number
}

/** What programs set, to show it later. Absent: not set. */
export interface FileTimes {
  readonly modified?: FileTime | undefined
  readonly accessed?: FileTime | undefined
}

export interface FileStatus extends FileOwnership, ObjectMetadata {
  /** As a user enters it. A directory has no `/` at its end. */
  readonly path: string
  /** The last segment of the path; empty for `/`. */
  readonly name: string
  readonly kind: 'file' | 'directory'
  /** Bytes; 0 for a directory. */
  readonly length: number
  readonly blockSizeBytes: number
  /** One number for one version of the content. Directories keep theirs. */
  readonly fileId: number
  /** The version at the store, without quotes; empty while the file is not persisted. */
  readonly etag: string
  readonly createdMs: number
  readonly modifiedMs: number
  /**
   * Set by programs (setAttributes); gone with this version of a file, and never at the store.
   * Absent: none.
   */
  readonly times?: FileTimes
  /** Whether the store has the file. */
  readonly persistence: 'persisted' | 'not_persisted' | 'to_be_persisted'
  /**
   * Why the last attempt to write it to the store failed, and the next ones will. If the store has
   * another version, overwrite or move the file.
   */
  readonly persistProblem?: string
  /** Bytes of blocks with a replica on a live worker. */
  readonly cachedBytes: number
  readonly pinned: boolean
  readonly replicationMin: number
  /** Undefined: no limit. */
  readonly replicationMax: number | undefined
  /** Undefined: none. */
  readonly ttl: { readonly ms: number; readonly action: 'FREE' | 'DELETE' } | undefined
  /** The namespace itself, directly below `/`; and `/`, if there is a root mount. */
  readonly isMountPoint: boolean
  /**
   * Whether a directory is itself something: made by a user, or an object `dir/` at the store.
   * Others are there while something is below them. True for files and namespaces.
   */
  readonly isExplicit: boolean
}

export interface CallSignal {
  readonly signal?: AbortSignal
}

export interface StatOptions extends CallSignal {
  /**
   * Maximum age of what the master knows of the store; 0: ask the store; Infinity: do not ask the
   * store for what is known. Default: the configured
   * one (goosefs.user.file.metadata.sync.interval), or the master's.
   */
  readonly maxAgeMs?: number
}

export interface OpenOptions extends StatOptions {
  /**
   * Told of the bytes that reads of the handle got, what was read ahead included: from blocks that
   * were known to be cached, or from the store through a worker. For measurements.
   */
  readonly onSource?: ((source: 'cache' | 'store', bytes: number) => void) | undefined
  /** False: only what is asked for is read. Default: true. */
  readonly readAhead?: boolean
}

export interface StreamOptions extends CallSignal {
  /** Some chunks are in this memory, and the consumer gives them back. Default: none are. */
  readonly memory?: ChunkMemory | undefined
}

/** Entries of the store that cannot be files, such as names that are not UTF-8. */
export interface UnusableEntries {
  /** At most 1000 of them. */
  readonly paths: readonly { readonly path: string; readonly reason: string }[]
  readonly total: number
}

/**
 * Entries come in the order of the UTF-8 bytes of their paths below the directory. For the order,
 * `prefix` and `startAfter`, the path of a directory has a `/` at its end: `a-b`, `a/`, `a0`.
 */
export interface ListOptions extends StatOptions {
  /** All below, directories included. Default: direct entries. */
  readonly recursive?: boolean
  /** Only entries whose path below the directory begins with this; it need not end at a `/`. */
  readonly prefix?: string
  /**
   * Only entries whose path below the directory is greater than this, which need not be the path of
   * an entry. Empty: all.
   */
  readonly startAfter?: string
  /**
   * False: directories that are not explicit may be left out, which makes listings of many of them
   * shorter. Default: true.
   */
  readonly withImplied?: boolean
  /**
   * Entries per page, 1 to 1001; default: 1000. A page costs its own entries, not the directory's.
   * One entry more than is needed shows whether others follow.
   */
  readonly pageSize?: number
  /** How long a page may take. Default: 10 minutes. */
  readonly deadlineMs?: number
  /**
   * Called if the listing leaves out entries of the store: before the first page, or before the
   * last one if the store is listed meanwhile.
   */
  readonly onUnusable?: (entries: UnusableEntries) => void
}

/**
 * One version of a file, open for reading. Reads of one handle may overlap. While reads are
 * sequential, it reads ahead; other reads fetch only their bytes.
 */
export interface FileHandle {
  readonly status: FileStatus
  /**
   * Fills `into` from `position`; returns how many bytes, less than asked only at the end of the
   * file. After an error the content of `into` is undefined, and nothing more is written to it. The
   * content of the file does not change while the handle is open: if the store's does, reads of
   * what is not cached throw aborted (`object_changed`). Open the file again to read the new one.
   */
  read(into: Uint8Array, position: number, options?: CallSignal): Promise<number>
  /** Yields the bytes of the range, or of the file, in order. The chunks are the caller's. */
  stream(range?: FileRange, options?: StreamOptions): AsyncIterable<Uint8Array>
  /**
   * The bytes of a short range, at most 1 MiB, as one array that nobody may change: others may have
   * the same memory. The quickest way to small files that are read often. Fewer bytes than asked
   * only at the end of the file. Errors: see `read`.
   */
  bytes(range: FileRange, options?: CallSignal): Promise<Uint8Array>
  /** Reads that are under way throw cancelled, later ones failed_precondition. Idempotent. */
  close(): Promise<void>
}

/** How a path is taken that is to be made. */
export interface PlacingOptions extends CallSignal {
  /**
   * The path is a key of an object store: a file `a` and files below `a/` may both be there. False
   * (default): what is made is refused beside a directory or a file of its name (already_exists),
   * and below a file (failed_precondition). So it is for all where the namespace writes to a store
   * that cannot have both.
   */
  readonly asObject?: boolean
}

/** When the signal aborts, the output is aborted, too. */
export interface CreateOptions extends PlacingOptions, Partial<FileOwnership>, Partial<ObjectMetadata> {
  /**
   * `exclusive` (default): throws already_exists if the path exists, at the latest at `close`.
   * `overwrite`: replaces a file in one step at `close`; readers see the old or the new one.
   */
  readonly ifExists?: 'exclusive' | 'overwrite'
  /**
   * With `overwrite`: only while the path is this version, else aborted (`file_changed`), at the
   * latest at `close`. Default: any version, or none.
   */
  readonly ifFileId?: number
  /** From the moment of `close`. Default: the namespace's. */
  readonly ttl?: { readonly ms: number; readonly action: 'FREE' | 'DELETE' }
  /** Default: the namespace's. */
  readonly blockSizeBytes?: number
  /** Bytes, if they are known: more or fewer are refused, and only their room is reserved. */
  readonly length?: number
}

/** A file of unknown length that is being written. Nothing is visible before `close`. */
export interface FileOutput {
  /**
   * Resolves when more can be taken. The caller may reuse `chunk` then. After an error the output
   * is aborted. Throws unavailable (`block_lost`) when a worker failed after more bytes of a block
   * than are kept for another one: the file must be written again.
   */
  write(chunk: Uint8Array): Promise<void>
  /**
   * Makes the file visible, in one step, and does what the namespace's write policy requires.
   * Throws unavailable (`not_persisted`) when the file is complete and not at the store although
   * its policy requires it.
   * @param metadata what is known only now; replaces the fields that `create` was given
   */
  close(metadata?: Partial<ObjectMetadata>): Promise<FileStatus>
  /** Leaves no trace. Idempotent; after `close` it does nothing. */
  abort(): Promise<void>
}

/** Attributes to set; what is not given stays. */
export interface AttributeChanges extends Partial<FileOwnership>, CallSignal {
  /** Only these bits of `mode` are set. Default: all. */
  readonly modeMask?: number
  readonly pinned?: boolean
  /** `none` removes it. */
  readonly ttl?: { readonly ms: number; readonly action: 'FREE' | 'DELETE' } | 'none'
  readonly replicationMin?: number
  readonly replicationMax?: number | 'none'
  /** Of the path alone, also with `recursive`. */
  readonly times?: FileTimes
  /** Replaces all of it. Of a file only. */
  readonly clientMetadata?: Readonly<Record<string, string>>
  /** Ownership, mode and replication of everything below a directory, too. */
  readonly recursive?: boolean
}

export interface BusyOptions extends CallSignal {
  /**
   * How long to wait while another operation holds the path (a write to the store, a move, a
   * removal); then deadline_exceeded (`path_busy`) is thrown, and nothing has changed. Default: 10
   * minutes.
   */
  readonly waitMs?: number
}

export interface DeleteOptions extends BusyOptions {
  /** A directory with all below it. */
  readonly recursive?: boolean
  /** Only the directory itself: it stays, not explicit, while something is below it. */
  readonly keepEntries?: boolean
  /** Objects at the store stay, and are files again when the store is looked at. Default: false. */
  readonly cacheOnly?: boolean
  /**
   * Only this kind: what became the other one meanwhile stays, and failed_precondition
   * (`is_directory`, `is_file`) is thrown. Default: either.
   */
  readonly kind?: FileStatus['kind']
  /** Only this version; else aborted (`file_changed`) is thrown. Default: any. */
  readonly ifFileId?: number
}

/** What was deleted. */
export interface DeletedEntries {
  readonly files: number
  readonly directories: number
}

export interface RenameOptions extends BusyOptions {
  /**
   * What is moved, where the caller knows its `fileId`: the call succeeds, too, if an earlier one
   * has moved it already, and its answer was lost. It does not matter otherwise.
   */
  readonly fileId?: number
  /** If `to` is a directory, what is moved goes into it under its own name. Default: false. */
  readonly intoDirectory?: boolean
  /**
   * `exclusive` (default): the target must not exist. `overwrite`: a file takes the place of a file
   * that is there, at the store in exactly the version that is known (else aborted,
   * `object_changed`). Readers see the old or the new one. Owner, mode and metadata come with the
   * file; TTL, pinning and replication stay with the path. A directory neither replaces nor is
   * replaced: already_exists.
   */
  readonly ifExists?: 'exclusive' | 'overwrite'
}

export interface FileSystem {
  stat(path: string, options?: StatOptions): Promise<FileStatus>
  /** Yields pages of entries, none if there are none; a file is its own only entry. */
  list(path: string, options?: ListOptions): AsyncIterable<readonly FileStatus[]>
  /**
   * For reading. A file that was opened shortly before (skein.user.opened.file.age) is opened
   * without a call. Changes through this file system count at once, changes by others after that
   * time; with `maxAgeMs` the master is always asked.
   */
  open(path: string, options?: OpenOptions): Promise<FileHandle>
  create(path: string, options?: CreateOptions): Promise<FileOutput>
  /** With its parents. An existing directory is no error. */
  makeDirectory(path: string, options?: PlacingOptions): Promise<void>
  /**
   * `to` is exactly the new path, also where a directory is there. It must not exist, unless
   * `ifExists` says so. With a `/` at its end it is no path of a file (invalid_argument). A file
   * that leaves `.skein/` is then as if it had been written at its new path: it has no TTL of its
   * own, and the write policy of the namespace holds. Directories do not leave it, and nothing
   * enters it.
   */
  rename(from: string, to: string, options?: RenameOptions): Promise<void>
  /** A directory that is not empty needs one of the options. Objects of persisted files go, too. */
  delete(path: string, options?: DeleteOptions): Promise<DeletedEntries>
  /** @returns how many files the changes concern, the path itself included */
  setAttributes(path: string, changes: AttributeChanges): Promise<{ readonly files: number }>
  /** Cached blocks of a range and where they are. */
  blockLocations(path: string, range?: FileRange, options?: CallSignal): Promise<readonly BlockLocation[]>
  /** Counted by the master. The time that it takes grows with what is below the path. */
  summary(path: string, options?: StatOptions): Promise<PathSummary>
  usage(options?: CallSignal): Promise<CacheUsage>
  /** Not supported by a cache of objects: throws unimplemented. */
  append(path: string): Promise<never>
  truncate(path: string, length: number): Promise<never>
  /**
   * Closes all handles and connections, after a short wait for requests that nobody waits for.
   * Idempotent.
   */
  close(): Promise<void>
}
