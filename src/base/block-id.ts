// Why: a block id must identify its file and position without a look-up, and fit a JavaScript safe
// integer (2^53). How: 33 bits of container (one version of a file) and 20 bits of index. This is
// the layout of Alluxio and GooseFS with other widths. The file itself has the index of all ones. A
// file whose content changes gets a new container, so a block id always names one version of its
// bytes.
import { assert } from './assert.ts'

const indexSpan = 2 ** 20
export const containersMax = 2 ** 33
/** Maximum blocks of a file. The last index names the file itself. */
export const blocksPerFileMax = indexSpan - 1

export function fileIdOf(container: number): number {
  assert(Number.isInteger(container) && container >= 0 && container < containersMax, `container ${container}`)
  return container * indexSpan + (indexSpan - 1)
}

export function containerOf(fileOrBlockId: number): number {
  return Math.floor(fileOrBlockId / indexSpan)
}

export function blockIdOf(fileId: number, index: number): number {
  assert(index >= 0 && index < blocksPerFileMax, `block index ${index}`)
  return containerOf(fileId) * indexSpan + index
}

export function blockIndexOf(blockId: number): number {
  return blockId % indexSpan
}

export function fileIdOfBlock(blockId: number): number {
  return fileIdOf(containerOf(blockId))
}

/** The number of blocks of a file of `length` bytes (0 for an empty file). */
export function blockCount(length: number, blockSizeBytes: number): number {
  return Math.ceil(length / blockSizeBytes)
}

/** The length of block `index`: `blockSizeBytes`, or the rest for the last block. */
export function blockLength(length: number, blockSizeBytes: number, index: number): number {
  return Math.min(blockSizeBytes, length - index * blockSizeBytes)
}

/** Why a file cannot have this length with this block size; undefined when it can. */
export function sizeProblem(length: number, blockSizeBytes: number): string | undefined {
  if (!Number.isSafeInteger(length) || length < 0) return `${length} is not a valid length`
  if (!Number.isSafeInteger(blockSizeBytes) || blockSizeBytes < 1) return `${blockSizeBytes} is not a valid block size`
  const blocks = blockCount(length, blockSizeBytes)
  return blocks > blocksPerFileMax ? `it has ${blocks} blocks, ${blocksPerFileMax} at most` : undefined
}
