// Why: a worker that copies a block from another one checks that it is what the master says. How:
// the file by the block's id, its place from the tree.
import { blockIndexOf, blockLength, fileIdOfBlock } from '../../base/block-id.ts'
import { blockKeyOf, placeOf } from '../../meta/resolve-path.ts'
import type { Tables } from '../../meta/meta-tables.ts'
import type { BlockOf } from '../../wire/generated/master.ts'

/** Undefined: of no file that is complete. */
export function blockOf(tables: Tables, blockId: number): BlockOf | undefined {
  const file = tables.inode(fileIdOfBlock(blockId))
  const place = file?.kind === 'file' ? placeOf(tables, file) : undefined
  if (file?.kind !== 'file' || place === undefined) return undefined
  const index = blockIndexOf(blockId)
  return {
    namespaceId: place.record.id,
    key: blockKeyOf(place.record, place.key, file) ?? place.key,
    etag: file.etag,
    length: blockLength(file.length, file.blockSizeBytes, index),
    offset: index * file.blockSizeBytes,
    keyMoved: blockKeyOf(place.record, place.key, file) === undefined,
  }
}
