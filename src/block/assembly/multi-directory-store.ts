// Why: a worker has several directories, of different media and sizes, and the rest of the house
// sees one BlockStore. How: each block lives in one directory; a new one goes to the directory with
// the most free quota that fits. A directory whose disk is full or fails is passed over for the
// next one; what else becomes of it: watched-directory.ts.
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import type { SegmentSettings } from './block-directory.ts'
import { checkHeader } from '../disk/block-file.ts'
import { alreadyExists, type BlockEntry, blockNotFound, noCapacity } from '../segment/block-ledger.ts'
import type {
  BlockHeader,
  BlockReader,
  BlockReservation,
  BlockStore,
  DirectoryState,
  DirectoryUsage,
  KeptBlock,
} from '../block-store.ts'
import { checkDirectories } from '../disk/check-directories.ts'
import type { DirectoryOptions, DirectoryStoreDependencies } from '../disk/directory-options.ts'
import type { DiskHealthLimits } from '../disk/disk-health.ts'
import { outOfOrder, WatchedDirectory } from './watched-directory.ts'

export interface BlockStoreOptions extends DirectoryStoreDependencies {
  readonly directories: readonly DirectoryOptions[]
  readonly workerId: string
  /** Small blocks in segments; none: a file for each block. */
  readonly segments?: SegmentSettings | undefined
  readonly healthLimits?: Partial<DiskHealthLimits> | undefined
  /**
   * A block that was lost with its disk is here again: false deletes it. Default: all are reported
   * as added.
   */
  readonly found?: ((block: KeptBlock) => boolean) | undefined
  /** Ends the scan early. */
  readonly signal?: AbortSignal
}

/**
 * Opens a worker's directories, finds the blocks in them, and keeps the gauges of the metrics.
 * @throws SkeinError invalid_argument (no directory), and as checkDirectories: before anything is
 *   changed
 */
export async function openBlockStore(options: BlockStoreOptions): Promise<MultiDirectoryStore> {
  const { directories, workerId, segments, events, clock, logger, metrics, signal } = options
  if (directories.length === 0) throw new SkeinError('invalid_argument', 'a worker needs at least one block directory')
  await checkDirectories(directories, workerId)
  const deps = { events, clock, logger, metrics }
  const stores: WatchedDirectory[] = []
  const taking = options.found ?? ((block: KeptBlock) => (events.added(block), true))
  try {
    for (const directory of directories) {
      const store: WatchedDirectory = await WatchedDirectory.open({
        ...directory,
        workerId,
        deps,
        segments,
        healthLimits: options.healthLimits,
        // One that is, or is on its way, in another directory stays there.
        found: (header) =>
          stores.every((other) => other === store || other.entry(header.blockId) === undefined) && taking(header),
        ...(signal === undefined ? {} : { signal }),
      })
      stores.push(store)
    }
    await dropDuplicates(stores)
  } catch (thrown) {
    await Promise.all(stores.map((store) => store.close()))
    throw thrown
  }
  const store = new MultiDirectoryStore(stores)
  observeStore(store, metrics)
  return store
}

/** Makes the gauges of the metrics read a store. */
export function observeStore(store: BlockStore, metrics: MetricRegistry): void {
  const inState = (state: DirectoryState): number => store.usage().filter((usage) => usage.state === state).length
  metrics.observe('skein_worker_blocks', () => store.blockCount)
  metrics.observe('skein_worker_capacity_bytes', () => sum(store.usage().map((usage) => usage.quotaBytes)))
  metrics.observe('skein_worker_used_bytes', () => sum(store.usage().map((usage) => usage.usedBytes)))
  for (const state of ['normal', 'unstable', 'down'] as const)
    metrics.observe('skein_worker_directories', () => inState(state), { state })
}

export class MultiDirectoryStore implements BlockStore {
  readonly #directories: readonly WatchedDirectory[]

  /** The directories belong to this store from now on; no block may be in two of them. */
  constructor(directories: readonly WatchedDirectory[]) {
    this.#directories = directories
  }

  get blockCount(): number {
    return sum(this.#directories.map((directory) => directory.blockCount))
  }

  get reservedBytes(): number {
    return sum(this.#directories.map((directory) => directory.reservedBytes))
  }

  reserve(header: BlockHeader): Promise<BlockReservation> {
    return this.#place(header, (directory) => directory.reserve(header))
  }

  put(header: BlockHeader, bytes: Uint8Array): Promise<void> {
    return this.#place(header, (directory) => directory.put(header, bytes))
  }

  async open(blockId: number): Promise<BlockReader> {
    const directory = this.#directories.find((candidate) => candidate.has(blockId))
    if (directory === undefined) throw blockNotFound(blockId)
    return await directory.open(blockId)
  }

  has(blockId: number): boolean {
    return this.#directories.some((directory) => directory.has(blockId))
  }

  /** Which of usage()'s directories has a block; 0 when none has. */
  directoryOf(blockId: number): number {
    return Math.max(
      0,
      this.#directories.findIndex((directory) => directory.has(blockId)),
    )
  }

  async free(blockId: number): Promise<boolean> {
    for (const directory of this.#directories) if (await directory.free(blockId)) return true
    return false
  }

  async release(blockId: number): Promise<void> {
    for (const directory of this.#directories) await directory.release(blockId)
  }

  *list(): Iterable<KeptBlock> {
    for (const directory of this.#directories) yield* directory.list()
  }

  usage(): readonly DirectoryUsage[] {
    return this.#directories.flatMap((directory) => directory.usage())
  }

  async close(): Promise<void> {
    await Promise.all(this.#directories.map((directory) => directory.close()))
  }

  /**
   * Tries the directories that fit, the emptiest first. From the look at the entries to the
   * directory's own begin nothing waits.
   */
  async #place<T>(header: BlockHeader, write: (directory: WatchedDirectory) => Promise<T>): Promise<T> {
    const failed = new Set<WatchedDirectory>()
    let failure: unknown
    for (const directory of this.#directories) {
      if (!directory.isFull) continue
      failed.add(directory)
      failure = new SkeinError('resource_exhausted', `the disk of ${directory.path} is full`, { reason: 'disk_full' })
    }
    for (;;) {
      const entry = this.#entry(header.blockId)
      if (entry?.mode === 'removing') {
        await entry.removal
        continue
      }
      if (entry !== undefined) throw alreadyExists(entry)
      const directory = emptiest(this.#directories, failed)
      if (directory === undefined || directory.freeBytes < header.length) {
        throw failure ?? this.#noRoom(header, directory?.freeBytes ?? 0)
      }
      try {
        return await write(directory)
      } catch (thrown) {
        const another = isSkeinError(thrown, 'resource_exhausted') || isSkeinError(thrown, 'unavailable', 'disk_fault')
        if (!another) throw thrown
        failed.add(directory)
        failure = thrown
      }
    }
  }

  #noRoom(header: BlockHeader, freeBytes: number): SkeinError {
    checkHeader(header)
    const [first] = this.#directories
    const usable = first === undefined || this.#directories.some((directory) => directory.state === 'normal')
    return usable ? noCapacity(header, freeBytes) : outOfOrder(first.path)
  }

  #entry(blockId: number): BlockEntry | undefined {
    for (const directory of this.#directories) {
      const entry = directory.entry(blockId)
      if (entry !== undefined) return entry
    }
    return undefined
  }
}

function emptiest(
  directories: readonly WatchedDirectory[],
  except: ReadonlySet<WatchedDirectory>,
): WatchedDirectory | undefined {
  let best: WatchedDirectory | undefined
  for (const directory of directories) {
    if (!except.has(directory) && (best === undefined || directory.freeBytes > best.freeBytes)) best = directory
  }
  return best
}

/** A block in two directories (a disk that failed and came back) stays in the first. */
async function dropDuplicates(stores: readonly WatchedDirectory[]): Promise<void> {
  for (const [index, store] of stores.entries()) {
    for (const header of store.list()) {
      if (stores.slice(0, index).some((earlier) => earlier.has(header.blockId))) await store.free(header.blockId)
    }
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
