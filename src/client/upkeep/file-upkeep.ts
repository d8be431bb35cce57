// Why: who looks after a cluster asks more of files than programs do: how the cluster keeps a file,
// and that cache and store agree. How: the contract of this, beside that of files
// (client/file-system.ts); the same class has both. Methods throw SkeinError as those of FileSystem
// do, and the reason of an aborted signal.
import type { CallSignal, FileStatus, FileSystem, ListOptions, StatOptions, UnusableEntries } from '../file-system.ts'

/** The status of a file or directory, and how the cluster keeps it. */
export interface FileDetails extends FileStatus {
  /** The address of the object, such as `s3://bucket/key`; empty for `/`. */
  readonly storeUri: string
  /** Does not change when the namespace is renamed; empty for `/`. */
  readonly namespaceId: string
  /** Of the object, below the namespace; that of a directory ends in `/`. */
  readonly key: string
  readonly accessedMs: number
  /** The part of `cachedBytes` in memory. Undefined: not known; so for a directory. */
  readonly inMemoryBytes: number | undefined
  /** The fewest live replicas that any of its blocks has. */
  readonly replicas: number
  /** False: its blocks carry its key. Undefined: not known; so for a directory. */
  readonly mayHaveMoved: boolean | undefined
  /** What its TTL does, or would do if it had one. */
  readonly ttlAction: 'FREE' | 'DELETE'
}

/** A file, and the workers that have its blocks. */
export interface FilePlacement {
  readonly file: FileDetails
  /** Of each block, in the order of the file; none: no block is cached. */
  readonly blocks: readonly { readonly workerIds: readonly string[] }[]
  readonly workers: readonly PlacedWorker[]
}

export interface PlacedWorker {
  readonly workerId: string
  readonly hostname: string
  /** `host:port` */
  readonly rpcAddress: string
}

export interface FreeOptions extends CallSignal {
  /** Pinned files, too. Default: false. */
  readonly force?: boolean
}

/** What was freed. */
export interface FreedFiles {
  /** At most 1000 of the files. */
  readonly paths: readonly string[]
  /** Of all replicas. */
  readonly bytes: number
}

/** Counts of files. */
export interface PersistedFiles {
  /** Written to the store by this call. */
  readonly persisted: number
  /** Were there before. */
  readonly already: number
  /** Why files are not there: a line for each, at most 1000. */
  readonly failures: readonly string[]
}

export interface LoadMetadataOptions extends CallSignal {
  /** Everything below a directory. Default: its direct entries. */
  readonly recursive?: boolean
}

/** Counts of files, compared with what was known. */
export interface LoadedMetadata {
  readonly added: number
  readonly changed: number
  readonly removed: number
  readonly unchanged: number
  readonly unusable?: UnusableEntries
}

export interface CheckOptions extends CallSignal {
  /** Drops what is cached of files that differ from the store. Default: false. */
  readonly repair?: boolean
}

export interface CheckedConsistency {
  /** Files that differ from the store: at most 1000 paths, and their number. */
  readonly inconsistent: readonly string[]
  readonly total: number
  readonly repaired: boolean
  /** Files that neither the store nor any live worker has all of: at most 1000 paths. */
  readonly unreadable?: { readonly paths: readonly string[]; readonly total: number }
  readonly unusable?: UnusableEntries
}

export interface FileUpkeep {
  details(path: string, options?: StatOptions): Promise<FileDetails>
  /**
   * As `list`, with more of each entry, and without metadata (`contentType`, `userMetadata`,
   * `clientMetadata`), which `details` has.
   */
  listDetails(path: string, options?: ListOptions): AsyncIterable<readonly FileDetails[]>
  /** @throws SkeinError failed_precondition for a directory */
  placement(path: string, options?: StatOptions): Promise<FilePlacement>
  /**
   * Drops what is cached of a file, or of all files below a directory, or nothing at all. They are
   * read from the store afterwards, under new file ids. Throws failed_precondition when a file is
   * not persisted, or is pinned without `force`.
   */
  free(path: string, options?: FreeOptions): Promise<FreedFiles>
  /** Writes a file, or all files below a directory, to the store; resolves when they are there. */
  persist(path: string, options?: CallSignal): Promise<PersistedFiles>
  /** Asks the store what it has, however new what is known is. */
  loadMetadata(path: string, options?: LoadMetadataOptions): Promise<LoadedMetadata>
  /** Compares what is known of a file, or of all below a directory, with the store. */
  checkConsistency(path: string, options?: CheckOptions): Promise<CheckedConsistency>
}

/** All that can be done with the files of a cluster. */
export interface WholeFileSystem extends FileSystem, FileUpkeep {}
