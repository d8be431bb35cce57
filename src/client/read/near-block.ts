// Why: a block of a worker on this host is described alike for all ways of reading it. Pure.
import { blockIdOf, blockLength } from '../../base/block-id.ts'
import type { ExpectedBlock } from '../../base/expected-block.ts'
import type { FileInfo, WorkerInfo } from '../../wire/generated/master.ts'

/** A block of a worker on this host. */
export interface NearBlock {
  readonly worker: WorkerInfo
  readonly blockId: number
  /** Length of the whole block. */
  readonly length: number
  readonly expected: ExpectedBlock
}

/** What a block of the file says of itself, if it is the right one. */
export function expectedBlock(file: FileInfo, index: number): ExpectedBlock {
  const { namespaceId, key, etag, keyMoved = true, length, blockSizeBytes } = file
  const offset = index * blockSizeBytes
  return { namespaceId, key, etag, length: blockLength(length, blockSizeBytes, index), offset, keyMoved }
}

export function nearBlock(file: FileInfo, index: number, worker: WorkerInfo): NearBlock {
  const expected = expectedBlock(file, index)
  return { worker, blockId: blockIdOf(file.fileId, index), length: expected.length, expected }
}
