// Why: what the killed process and its judge must agree on: the directory, and what a generation of
// a block is.
import type { BlockDirectoryOptions } from '../../../src/block/assembly/block-directory.ts'
import type { BlockHeader } from '../../../src/block/block-store.ts'

export const tortureIds = 400
const lengths = [0, 1, 700, 4096, 16_384, 16_384, 16_384, 40_000, 65_536, 65_537, 150_000]

/** Small segments and a tight quota, so that compaction and refusals never rest. */
export function directoryOf(
  path: string,
  deps: BlockDirectoryOptions['deps'],
  background = true,
): BlockDirectoryOptions {
  return {
    path,
    tier: 'SSD',
    mediumType: 'SSD',
    quotaBytes: 6 * 2 ** 20,
    workerId: 'torture',
    segments: { blockBytesMax: 65_536, segmentBytes: 2 ** 19, compactionBytesPerSecond: 2 ** 30, background },
    deps,
  }
}

/** One writing of one block; its bytes follow from it. */
export function lengthOf(generation: number): number {
  return lengths[generation % lengths.length] ?? 0
}

export function keyOf(generation: number): string {
  return `generation/${generation}`
}

export function generationOf(header: BlockHeader): number {
  return Number(header.key.split('/')[1])
}
