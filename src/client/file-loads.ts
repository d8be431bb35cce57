// Why: a program fills the cache before it reads, and wants to see how far that is. How: the
// contract of loads, beside that of files (file-system.ts). A load runs in the cluster: who follows
// it may leave and come back with its id.
import type { CallSignal } from './file-system.ts'

export interface LoadOptions extends CallSignal {
  /** Replicas of each block. Default: 1, or what is set on the files. */
  readonly replication?: number
  /** Nothing is visible until everything is cached. Default: false. */
  readonly atomic?: boolean
  /** Colder blocks may be evicted for it. Default: false. */
  readonly evict?: boolean
  /** Loads nothing, makes the files known. Default: false. */
  readonly metadataOnly?: boolean
  /** Compares what is cached with the checksums of the store. Default: false. */
  readonly verify?: boolean
  /** Such as `50MB/s`, or a timetable. Default: no limit. */
  readonly bandwidth?: string
  /** Weight among running loads, 1 to 100. Default: 10. */
  readonly priority?: number
  /** Globs for the paths below the loaded one. Default: all. */
  readonly include?: readonly string[]
  readonly exclude?: readonly string[]
}

export interface LoadProgress {
  readonly loadId: string
  readonly path: string
  readonly state: 'SUBMITTED' | 'RUNNING' | 'AUDITING' | 'COMPLETED' | 'PARTIAL' | 'FAILED' | 'CANCELLED'
  /** Whether it has ended: then nothing changes any more. */
  readonly hasEnded: boolean
  /** Whether all files are known, so that the sums are final. */
  readonly isListed: boolean
  readonly files: number
  readonly bytes: number
  /** Were cached before. */
  readonly filesCached: number
  readonly filesLoaded: number
  readonly filesFailed: number
  readonly bytesCached: number
  readonly bytesLoaded: number
  /** Why it failed or is partial, or what it waits for; empty: nothing. */
  readonly reason: string
}

/** A file that could not be loaded. */
export interface FailedFile {
  readonly path: string
  readonly reason: string
}

/** Methods throw SkeinError as those of FileSystem do, and the reason of an aborted signal. */
export interface FileLoads {
  /**
   * Begins to load a file or a directory with all below it, or joins an equal load that is running.
   * @returns the id of the load
   */
  load(path: string, options?: LoadOptions): Promise<string>
  /**
   * Yields how far a load is: at once, whenever that has changed, and last when it has ended. Goes
   * on over a restart of the job master. Leaving it leaves the load running.
   */
  follow(loadId: string, options?: CallSignal): AsyncIterable<LoadProgress>
  /** Files of a load that failed, page by page. */
  failedFiles(loadId: string, options?: CallSignal): AsyncIterable<readonly FailedFile[]>
  /** What was loaded stays. A load that has ended is left as it is. */
  cancelLoad(loadId: string, options?: CallSignal): Promise<void>
}
