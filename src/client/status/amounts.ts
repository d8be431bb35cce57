// Why: sums and places of cached bytes are the smaller part of the contract of files
// (client/file-system.ts), and stand on nothing else of it.

/** What is below a path: of a directory all of it, of a file the file. */
export interface PathSummary {
  readonly files: number
  /** A directory counts itself; `/` does not. */
  readonly directories: number
  readonly bytes: number
  /** Bytes of blocks with a replica on a live worker. */
  readonly cachedBytes: number
}

/** The room for blocks on all live workers, all tiers together. */
export interface CacheUsage {
  readonly capacityBytes: number
  readonly usedBytes: number
}

/** A cached block and the hosts of its replicas. */
export interface BlockLocation {
  readonly offset: number
  readonly length: number
  /** Names of live workers' hosts. */
  readonly hosts: readonly string[]
}
