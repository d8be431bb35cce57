// Why: what a killed worker, its clients and its judge must agree on: the tiers, and what each
// block is.
import { join } from 'node:path'
import type { BlockHeader } from '../../../src/block/block-store.ts'
import type { DirectoryStoreDependencies } from '../../../src/block/disk/directory-options.ts'
import { openTiers } from '../../../src/block/assembly/open-tiers.ts'
import type { TieredStore } from '../../../src/block/tier/tiered-store.ts'
import { contentOf } from '../../unit/job-worker/support/fakes.ts'

export const tortureBlocks = 400
export const etag = 'v1'
const lengths = [1, 700, 4096, 16_384, 16_384, 16_384, 40_000, 65_536, 65_537, 150_000, 300_000, 1_300_000]

export function lengthOf(blockId: number): number {
  return lengths[(blockId * 7) % lengths.length] ?? 1
}

/** A few small blocks whose bytes are nowhere else. */
export function isDurable(blockId: number): boolean {
  return blockId % 20 === 0 && lengthOf(blockId) < 50_000
}

/** Others are also read through from their store, and so may come back by themselves. */
export function isOnlyWritten(blockId: number): boolean {
  return blockId % 3 === 0 || isDurable(blockId)
}

export function headerOf(blockId: number): BlockHeader {
  const header = { blockId, length: lengthOf(blockId), namespaceId: 'n1', key: `torture/${blockId}`, etag, offset: 0 }
  return isDurable(blockId) ? { ...header, durable: true } : header
}

const watermarks = { highRatio: 0.95, lowRatio: 0.8 }

/** Made once: the clients compare every byte that they get. */
const contents = Array.from({ length: tortureBlocks }, (_, blockId) =>
  contentOf(`torture/${blockId}`, etag, lengthOf(blockId)),
)

export function bytesOf(blockId: number): Buffer {
  const bytes = contents[blockId]
  if (bytes === undefined) throw new Error(`there is no block ${blockId}`)
  return bytes
}

export function directoriesOf(folder: string): string[] {
  return ['top', 'lower-a', 'lower-b'].map((name) => join(folder, name))
}

/**
 * Two tiers, three directories, far smaller than all blocks together; small segments, compaction
 * without rest.
 */
export function openTorture(
  folder: string,
  deps: DirectoryStoreDependencies,
  background: boolean,
): Promise<TieredStore> {
  const [top = '', a = '', b = ''] = directoriesOf(folder)
  const directory = (path: string, tier: string, mebibytes: number) => ({
    path,
    tier,
    mediumType: tier,
    quotaBytes: mebibytes * 2 ** 20,
  })
  return openTiers({
    tiers: [[directory(top, 'MEM', 6)], [directory(a, 'SSD', 8), directory(b, 'SSD', 6)]],
    workerId: 'torture',
    segments: { blockBytesMax: 65_536, segmentBytes: 2 ** 19, compactionBytesPerSecond: 2 ** 30, background },
    annotator: { kind: 'LRFU', stepFactor: 0.25, attenuationFactor: 2 },
    ...(background ? { promotionBytesPerSecond: 2 ** 26, limits: { watermarks: [watermarks, watermarks] } } : {}),
    ...deps,
  })
}
