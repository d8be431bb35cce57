// Why: a worker's tiers are configured as lists of directories; the rest of the house wants one BlockStore. How: each tier
// is a store of several directories, and the tiered store is put on top of them.
import type { AnnotatorSettings } from './choose-annotator.ts'
import { annotatorMaker } from './choose-annotator.ts'
import type { SegmentSettings } from './block-directory.ts'
import type { DirectoryOptions, DirectoryStoreDependencies } from './directory-store.ts'
import { openBlockStore } from './multi-directory-store.ts'
import type { RoomLimits } from './tier-room.ts'
import type { VictimRules } from './tier-table.ts'
import { TieredStore } from './tiered-store.ts'

export interface TiersOptions extends DirectoryStoreDependencies {
  /** Level 0, the top, first; the directories of each. */
  readonly tiers: readonly (readonly DirectoryOptions[])[]
  readonly workerId: string
  readonly segments?: SegmentSettings | undefined
  readonly annotator: AnnotatorSettings
  /** Default: every block that is not durable can be read again, and no load runs. */
  readonly rules?: VictimRules
  readonly limits?: Partial<RoomLimits>
  /** 0: no promotion. */
  readonly promotionBytesPerSecond?: number
  /** Ends the scan early. */
  readonly signal?: AbortSignal
}

export const defaultRoomLimits: RoomLimits = { highWatermarkRatio: 0.95, lowWatermarkRatio: 0.85, freeAheadBytes: 0, background: true }
export const defaultPromotionBytesPerSecond = 64 * 1024 * 1024
const cachedBlocks: VictimRules = { isProtected: () => false, isPersisted: ({ durable }) => durable !== true }

/** Opens all tiers, and keeps the gauges of the metrics. @throws SkeinError as openBlockStore, also for directories of different tiers */
export async function openTiers(options: TiersOptions): Promise<TieredStore> {
  const { tiers, workerId, segments, annotator, clock, logger, metrics, events, signal } = options
  const taken: string[] = []
  const store = await TieredStore.open(
    async (level, tierEvents) => {
      const tier = await openBlockStore({
        directories: tiers[level] ?? [],
        workerId,
        segments,
        apartFrom: [...taken],
        events: tierEvents,
        clock,
        logger,
        metrics,
        ...(signal === undefined ? {} : { signal }),
      })
      taken.push(...tier.usage().map((usage) => usage.path))
      return tier
    },
    {
      levels: tiers.length,
      makeAnnotator: annotatorMaker(annotator),
      rules: options.rules ?? cachedBlocks,
      promotionBytesPerSecond: options.promotionBytesPerSecond ?? defaultPromotionBytesPerSecond,
      ...defaultRoomLimits,
      ...options.limits,
      events,
      clock,
      logger,
    },
  )
  // Of all tiers, instead of the last one's.
  metrics.observe('worker.blocks.cached', () => store.blockCount)
  metrics.observe('worker.capacity', () => store.usage().reduce((total, usage) => total + usage.quotaBytes, 0))
  metrics.observe('worker.used', () => store.usage().reduce((total, usage) => total + usage.usedBytes, 0))
  return store
}
