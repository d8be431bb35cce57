// Why: a client asks a worker for bytes of a store together with the block that they are of; most
// of the time the worker need not go to the store for them. How: from the block where it is here,
// from a fill that is under way, from a fill that begins when most of the block is wanted, and else
// straight from the store. What was given out is never given out again.
import { throwIfAborted } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import type { BlockHeader, BlockStore } from '../../block/block-store.ts'
import type { CacheableBlock, StoreReadRequest } from '../../wire/data/data-plane.ts'
import type { BlockFill } from './block-fill.ts'
import type { BlockFills } from './block-fills.ts'
import { readOwnBlock } from './cached-file.ts'
import type { ReadPolicyOf } from './read-policies.ts'

/**
 * A block that is no longer than this is filled for any part of it; of a longer one, half must be
 * wanted.
 */
const alwaysFilledBytesMax = 4 * 1024 * 1024

export interface ReadThroughDependencies {
  readonly store: Pick<BlockStore, 'has' | 'open'>
  readonly fills: BlockFills
  readonly readPolicyOf: ReadPolicyOf
  /** Bytes from the store beneath, nothing else asked. */
  readonly readStore: (request: StoreReadRequest, signal: AbortSignal) => AsyncIterable<Uint8Array>
  /** Told of bytes that came from a block here. */
  readonly servedCached: (bytes: number) => void
}

/** @throws SkeinError invalid_argument when the wanted bytes are not all of the block */
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
    `bytes ${offset}+${length} are not all of the block at ${block.offset}+${block.length}`,
  )
}

/** Exactly the wanted bytes. @throws what the store throws */
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
    // From the look at the store to the fill nothing waits.
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

/** As far as the block is here and sound. */
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
    // Where a move has changed the key, the store beneath is as good.
    const expected = { namespaceId, key, etag, length: block.length, offset: block.offset, keyMoved: false }
    for await (const chunk of readOwnBlock(store, { blockId: block.blockId, expected, from, to }, signal)) {
      servedCached(chunk.length)
      yield chunk
    }
  } catch {
    // Freed, or rotten and dropped by now: the store beneath has the bytes.
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
