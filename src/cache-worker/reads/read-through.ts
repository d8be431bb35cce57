// Why: a client that reads from a store names the block that contains the bytes, so the worker can
// often avoid the store. How: in this order: the block if it is cached, a fill in progress, a new
// fill if most of the block is wanted, and else a direct read from the store. Each byte is sent
// only once.
import { throwIfAborted } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import type { BlockHeader, BlockStore } from '../../block/block-store.ts'
import type { CacheableBlock, StoreReadRequest } from '../../wire/data/data-plane.ts'
import type { BlockFill } from './block-fill.ts'
import type { BlockFills } from './block-fills.ts'
import { readOwnBlock } from './cached-file.ts'
import type { ReadPolicyOf } from './read-policies.ts'

/**
 * Blocks up to this size are cached after any read. Of a longer block, at least half must be
 * wanted.
 */
const alwaysFilledBytesMax = 4 * 1024 * 1024

export interface ReadThroughDependencies {
  readonly store: Pick<BlockStore, 'has' | 'open'>
  readonly fills: BlockFills
  readonly readPolicyOf: ReadPolicyOf
  /** Reads from the under file system only. */
  readonly readStore: (request: StoreReadRequest, signal: AbortSignal) => AsyncIterable<Uint8Array>
  /** Called with the number of bytes that came from a cached block. */
  readonly servedCached: (bytes: number) => void
}

/** @throws SkeinError invalid_argument when the wanted bytes exceed the block */
export function checkBlock({ offset, length, block }: StoreReadRequest): void {
  if (block === undefined) return
  if (
    Number.isSafeInteger(block.offset + block.length) &&
    offset >= block.offset &&
    offset + length <= block.offset + block.length
  )
    return
  throw new SkeinError(
    'invalid_argument',
    `bytes ${offset}+${length} exceed the block at ${block.offset}+${block.length}`,
  )
}

/**
 * Yields exactly the wanted bytes.
 * @throws what the store throws
 */
export async function* readThrough(
  deps: ReadThroughDependencies,
  request: StoreReadRequest,
  block: CacheableBlock,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { length } = request
  const from = request.offset - block.offset
  let got = 0
  const mayKeep = (await deps.readPolicyOf(request.namespaceId, signal)) === 'CACHE'
  throwIfAborted(signal)
  for (let attempt = 1; attempt <= 2 && got < length; attempt += 1) {
    for await (const chunk of fromHere(deps, request, block, from + got, signal)) {
      got += chunk.length
      yield chunk
    }
    if (got === length || !mayKeep) break
    // Nothing may wait between this check and the start of the fill.
    const fill = deps.store.has(block.blockId) ? undefined : fillOf(deps, request, block)
    if (fill === undefined) continue
    for await (const chunk of fill.read(from + got, from + length, signal)) {
      got += chunk.length
      yield chunk
    }
  }
  if (got < length)
    yield* deps.readStore({ ...request, block: undefined, offset: request.offset + got, length: length - got }, signal)
}

/** Yields bytes of the cached block until it is missing or corrupt. */
async function* fromHere(
  { store, servedCached }: ReadThroughDependencies,
  request: StoreReadRequest,
  block: CacheableBlock,
  from: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (!store.has(block.blockId)) return
  try {
    const to = request.offset - block.offset + request.length
    const { namespaceId, key, etag } = request
    // If a move has changed the key, the under file system is used instead.
    const expected = { namespaceId, key, etag, length: block.length, offset: block.offset, keyMoved: false }
    for await (const chunk of readOwnBlock(store, { blockId: block.blockId, expected, from, to }, signal)) {
      servedCached(chunk.length)
      yield chunk
    }
  } catch {
    // The block was freed, or was corrupt and deleted: the under file system has the bytes.
    throwIfAborted(signal)
  }
}

function fillOf(
  { fills, readStore }: ReadThroughDependencies,
  request: StoreReadRequest,
  block: CacheableBlock,
): BlockFill | undefined {
  const underWay = fills.underWay(block.blockId)
  if (underWay !== undefined) return underWay
  if (block.length > alwaysFilledBytesMax && request.length < block.length / 2) return undefined
  const { namespaceId, key, etag } = request
  const header: BlockHeader = {
    blockId: block.blockId,
    length: block.length,
    namespaceId,
    key,
    etag,
    offset: block.offset,
  }
  return fills.begin(header, (signal) =>
    readStore({ namespaceId, key, etag, offset: block.offset, length: block.length }, signal),
  )
}
