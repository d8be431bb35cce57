// Why: a file that is in no store yet is put together from its blocks, wherever they are. How: each
// block from this worker's own store, else from the workers that are named; where one fails, the
// next goes on after the last byte that came.
import { blockCount, blockIdOf, blockLength } from '../../base/block-id.ts'
import { type ExpectedBlock, wrongBlock } from '../../base/expected-block.ts'
import { throwIfAborted } from '../../base/clock.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import { pageBytes } from '../../base/page-checksum.ts'
import type { BlockStore } from '../../block/block-store.ts'
import type { DataClient } from '../../wire/data/data-client.ts'

export interface CachedFile {
  readonly namespaceId: string
  readonly key: string
  /**
   * What the heads of its blocks say: the key of its writing, wherever it was moved. Undefined: not
   * known.
   */
  readonly blockKey?: string | undefined
  readonly fileId: number
  readonly length: number
  readonly blockSizeBytes: number
  /** Data addresses of the workers that have each block. */
  readonly blocks: readonly { readonly dataAddresses: readonly string[] }[]
}

export interface CachedFileSources {
  readonly store: Pick<BlockStore, 'has' | 'open'>
  readonly data: Pick<DataClient, 'read'>
}

/** @throws SkeinError invalid_argument when the description is none of a file */
export function checkCachedFile({ length, blockSizeBytes, blocks }: CachedFile): void {
  const sizes =
    Number.isSafeInteger(length) && length >= 0 && Number.isSafeInteger(blockSizeBytes) && blockSizeBytes > 0
  if (sizes && blocks.length === (length === 0 ? 0 : blockCount(length, blockSizeBytes))) return
  throw new SkeinError(
    'invalid_argument',
    `${length} bytes in blocks of ${blockSizeBytes} are not ${blocks.length} blocks`,
  )
}

/**
 * Exactly the file's bytes in order. @throws what the last source of a block failed with:
 * unavailable, not_found, data_loss; not_found when a block is nowhere
 */
export async function* readCachedFile(
  file: CachedFile,
  sources: CachedFileSources,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const [index, { dataAddresses }] of file.blocks.entries()) {
    const blockId = blockIdOf(file.fileId, index)
    const { namespaceId, key, blockKey, blockSizeBytes } = file
    // It was written here, so its blocks have no ETag, and the key that it had then.
    const length = blockLength(file.length, blockSizeBytes, index)
    const place = { length, offset: index * blockSizeBytes }
    const expected: ExpectedBlock = {
      namespaceId,
      key: blockKey ?? key,
      etag: '',
      ...place,
      keyMoved: blockKey === undefined,
    }
    yield* readBlock(blockId, expected, dataAddresses, sources, signal)
  }
}

type Read = (offset: number, length: number) => AsyncIterable<Uint8Array>

async function* readBlock(
  blockId: number,
  expected: ExpectedBlock,
  dataAddresses: readonly string[],
  { store, data }: CachedFileSources,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { length } = expected
  const reads: Read[] = dataAddresses.map(
    (address) => (offset, bytes) => data.read(address, blockId, { offset, length: bytes }, signal, expected),
  )
  if (store.has(blockId)) reads.unshift((from) => readOwnBlock(store, { blockId, expected, from, to: length }, signal))
  let got = 0
  let last = new SkeinError('not_found', `block ${blockId} is on no worker`)
  for (const read of reads) {
    try {
      for await (const chunk of read(got, length - got)) {
        throwIfAborted(signal)
        if (chunk.length > length - got)
          throw new SkeinError('data_loss', `block ${blockId} has more than its ${length} bytes`)
        got += chunk.length
        yield chunk
      }
      if (got === length) return
      last = new SkeinError('data_loss', `block ${blockId} has ${got} of ${length} bytes`, { retryable: true })
    } catch (thrown) {
      throwIfAborted(signal)
      last = toSkeinError(thrown)
    }
  }
  throw last
}

export interface OwnBlockPart {
  readonly blockId: number
  readonly expected: ExpectedBlock
  /** The wanted bytes, `to` not among them. */
  readonly from: number
  readonly to: number
}

/**
 * Bytes of a block of this worker, page by page, each checked. @throws what the store throws;
 * data_loss when it is another block
 */
export async function* readOwnBlock(
  store: Pick<BlockStore, 'open'>,
  { blockId, expected, from, to }: OwnBlockPart,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = await store.open(blockId)
  try {
    const problem = wrongBlock(reader.header, expected)
    if (problem !== undefined)
      throw new SkeinError('data_loss', `block ${blockId} is another one: ${problem}`, { reason: 'wrong_block' })
    for (let at = from; at < to;) {
      const bytes = Math.min(to, (Math.floor(at / pageBytes) + 1) * pageBytes) - at
      yield await reader.read(at, bytes, signal)
      at += bytes
    }
  } finally {
    await reader.close()
  }
}
