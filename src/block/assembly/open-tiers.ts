// Why: a worker's tiers are configured as lists of directories; the rest of the house wants one
// BlockStore. How: each tier is a store of several directories, and the tiered store is put on top
// of them.
import type { AnnotatorSettings } from '../tier/order/choose-annotator.ts'
import { annotatorMaker } from '../tier/order/choose-annotator.ts'
import type { SegmentSettings } from './block-directory.ts'
import type { DirectoryOptions, DirectoryStoreDependencies } from '../disk/directory-options.ts'
import { BlockScrub } from './block-scrub.ts'
import type { BlockStore } from '../block-store.ts'
import { checkDirectories } from '../disk/check-directories.ts'
import type { DiskHealthLimits } from '../disk/disk-health.ts'
import { observeStore, openBlockStore } from './multi-directory-store.ts'
import type { RoomLimits } from '../tier/tier-room.ts'
import { TieredStore } from '../tier/tiered-store.ts'

export interface TiersOptions extends DirectoryStoreDependencies {
  /** Level 0, the top, first; the directories of each. */
  readonly tiers: readonly (readonly DirectoryOptions[])[]
  readonly workerId: string
  readonly segments?: SegmentSettings | undefined
  readonly annotator: AnnotatorSettings
  readonly limits?: Partial<RoomLimits>
  /** 0, the default: no promotion. */
  readonly promotionBytesPerSecond?: number
  /** How fast all blocks are read and checked now and then. 0, the default: never. */
  readonly scrubBytesPerSecond?: number
  /** As in TieredStoreOptions. */
  readonly stallMs?: number | undefined
  readonly leastBytesPerSecond?: number | undefined
  readonly healthLimits?: Partial<DiskHealthLimits>
  /** Ends the scan early. */
  readonly signal?: AbortSignal
}

/**
 * Opens all tiers, and keeps the gauges of the metrics. @throws SkeinError as openBlockStore, and
 * as checkDirectories for those of all tiers together
 */
export async function openTiers(options: TiersOptions): Promise<TieredStore> {
  const { tiers, workerId, segments, annotator, clock, logger, metrics, events, signal } = options
  // All of them before the first one is taken.
  await checkDirectories(tiers.flat(), workerId)
  const stores: BlockStore[] = []
  const store = await TieredStore.open(
    async (level, tierEvents, found) => {
      const tier = await openBlockStore({
        directories: tiers[level] ?? [],
        workerId,
        segments,
        events: tierEvents,
        found,
        healthLimits: options.healthLimits,
        clock,
        logger,
        metrics,
        ...(signal === undefined ? {} : { signal }),
      })
      stores.push(tier)
      return tier
    },
    {
      levels: tiers.length,
      makeAnnotator: annotatorMaker(annotator),
      promotionBytesPerSecond: options.promotionBytesPerSecond ?? 0,
      watermarks: [],
      freeAheadBytes: 0,
      ...options.limits,
      stallMs: options.stallMs,
      leastBytesPerSecond: options.leastBytesPerSecond,
      events,
      clock,
      logger,
      metrics,
    },
  )
  const scrub = new BlockScrub({ stores, bytesPerSecond: options.scrubBytesPerSecond ?? 0, clock, logger, metrics })
  scrub.start()
  store.onClose(() => scrub.stop())
  // Of all tiers, instead of the last one's.
  observeStore(store, metrics)
  return store
}
