// Why: a file that is not persisted yet is read from its cached blocks, wherever they are. How:
// each block is read from this worker's store, or else from the workers that the request names. If
// one source fails, the next one continues after the last byte received.
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
   * Key in the headers of the blocks: the key that the file had when it was written, even if it was
   * moved since. Undefined: not known.
   */
  readonly blockKey?: string | undefined
  readonly fileId: number
  readonly length: number
  readonly blockSizeBytes: number
  /** Data addresses of the workers that hold each block. */
  readonly blocks: readonly { readonly dataAddresses: readonly string[] }[]
}

export interface CachedFileSources {
  readonly store: Pick<BlockStore, 'has' | 'open'>
  readonly data: Pick<DataClient, 'read'>
}

/** @throws SkeinError invalid_argument when length, block size and number of blocks do not match */
export function checkCachedFile({ length, blockSizeBytes, blocks }: CachedFile): void {
  const sizes =
    Number.isSafeInteger(length) && length >= 0 && Number.isSafeInteger(blockSizeBytes) && blockSizeBytes > 0
  if (sizes && blocks.length === (length === 0 ? 0 : blockCount(length, blockSizeBytes))) return
  throw new SkeinError(
    'invalid_argument',
    `a file of ${length} bytes in blocks of ${blockSizeBytes} bytes cannot have ${blocks.length} blocks`,
  )
}

/**
 * Yields exactly the bytes of the file, in order.
 * @throws the error of the last source of a block: unavailable, not_found, data_loss; not_found
 *   when no worker has a block
 */
export async function* readCachedFile(
  file: CachedFile,
  sources: CachedFileSources,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const [index, { dataAddresses }] of file.blocks.entries()) {
    const blockId = blockIdOf(file.fileId, index)
    const { namespaceId, key, blockKey, blockSizeBytes } = file
    // The file was written to the cache, so its blocks have no ETag, and the key of that time.
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
          throw new SkeinError('data_loss', `block ${blockId} is longer than ${length} bytes`)
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
  /** The wanted bytes; `to` is exclusive. */
  readonly from: number
  readonly to: number
}

/**
 * Reads bytes of a block of this worker, page by page. Each page is verified.
 * @throws what the store throws; data_loss when the block has another identity
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
      throw new SkeinError('data_loss', `block ${blockId} is not the expected one: ${problem}`, {
        reason: 'wrong_block',
      })
    for (let at = from; at < to;) {
      const bytes = Math.min(to, (Math.floor(at / pageBytes) + 1) * pageBytes) - at
      yield await reader.read(at, bytes, signal)
      at += bytes
    }
  } finally {
    await reader.close()
  }
}
