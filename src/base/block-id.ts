// Why: a block's name must tell its file and its place without a look-up, and fit a JavaScript safe
// integer (2^53). How: 33 bits of container (a version of a file) and 20 bits of index, the layout
// of Alluxio and GooseFS with other widths. The file itself has the index of all ones. A file whose
// content changes gets a new container, so a block id names one version of some bytes for ever.
import { assert } from './assert.ts'

const indexSpan = 2 ** 20
export const containersMax = 2 ** 33
/** Blocks a file may have; the last index names the file itself. */
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

/** How many blocks a file of `length` bytes has (0 for an empty one). */
export function blockCount(length: number, blockSizeBytes: number): number {
  return Math.ceil(length / blockSizeBytes)
}

/** Bytes of block `index`: `blockSizeBytes`, or what is left for the last one. */
export function blockLength(length: number, blockSizeBytes: number, index: number): number {
  return Math.min(blockSizeBytes, length - index * blockSizeBytes)
}

/** Why a file cannot be so long in blocks of this size; undefined when it can. */
export function sizeProblem(length: number, blockSizeBytes: number): string | undefined {
  if (!Number.isSafeInteger(length) || length < 0) return `a length of ${length} bytes is not possible`
  if (!Number.isSafeInteger(blockSizeBytes) || blockSizeBytes < 1)
    return `blocks of ${blockSizeBytes} bytes are not possible`
  const blocks = blockCount(length, blockSizeBytes)
  return blocks > blocksPerFileMax ? `it has ${blocks} blocks, ${blocksPerFileMax} at most` : undefined
}
