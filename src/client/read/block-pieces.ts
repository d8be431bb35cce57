// Why: a block file is read in pieces, a little ahead of the consumer, and straight into the memory
// of the caller where there is such. How: whole pages at a time. Whoever leaves early waits for the
// reads under way, so nothing is written to the memory afterwards.
import type { ChunkMemory } from '../../base/flow/lent-pieces.ts'
import { pageBytes } from '../../base/page-checksum.ts'
import type { PageReader, PartPages } from '../../block/disk/page-reader.ts'
import type { ByteRange } from '../../wire/data/data-client.ts'
import type { ReadTarget } from './read-target.ts'

/** Bytes per read. At most two pieces are in flight or wait for the consumer. */
const pieceBytesMax = 2 * pageBytes
const piecesAhead = 2

/** Memory for what is read. At most one of both. */
export interface PieceMemory {
  readonly target?: ReadTarget | undefined
  readonly lent?: ChunkMemory | undefined
}

/**
 * Yields the bytes in order and reads a few pieces ahead. Each piece except the first starts at the
 * start of a page, unless the memory of the target ends elsewhere.
 */
export async function* piecesOf(
  reader: Pick<PageReader, 'read' | 'readInto'>,
  { offset, length }: ByteRange,
  signal: AbortSignal,
  { target, lent }: PieceMemory,
  pages: PartPages,
): AsyncGenerator<Uint8Array> {
  const end = offset + length
  const waiting: Promise<Uint8Array>[] = []
  const pieceBytes = lent === undefined ? pieceBytesMax : wholePages(lent.pieceBytes)
  const needed = async (bytes: number): Promise<Uint8Array | undefined> =>
    waiting.length === 0 ? await lent?.take(bytes, signal) : undefined
  const fill = async (memory: Uint8Array, at: number): Promise<Uint8Array> => {
    await reader.readInto(memory, at, signal, pages)
    return memory
  }
  try {
    for (let at = offset; at < end || waiting.length > 0;) {
      while (at < end && waiting.length < piecesAhead) {
        const into = target?.at(at)
        const pieceEnd = (Math.floor(at / pieceBytes) + 1) * pieceBytes
        const bytes = Math.min(end, pieceEnd, at + (into?.length ?? pieceBytes)) - at
        const memory = into?.subarray(0, bytes) ?? lent?.tryTake(bytes) ?? (await needed(bytes))
        // What is read ahead does not wait for memory.
        if (memory === undefined && lent !== undefined) break
        const piece = memory === undefined ? reader.read(at, bytes, signal) : fill(memory, at)
        // Its error is thrown when the piece is needed. Until then it must not count as unhandled.
        piece.catch(() => undefined)
        waiting.push(piece)
        at += bytes
      }
      const first = waiting.shift()
      if (first !== undefined) yield await first
    }
  } finally {
    const left = await Promise.allSettled(waiting)
    for (const piece of left) if (piece.status === 'fulfilled') lent?.giveBack(piece.value)
  }
}

/**
 * Fills `into` with the bytes from `offset` on. A long range is read in two parts: while the pages
 * of one are checked, the other is on its way. When it throws, nothing more is written to `into`.
 */
export async function readPieces(
  reader: Pick<PageReader, 'readInto'>,
  into: Uint8Array,
  offset: number,
  signal: AbortSignal,
  pages: PartPages,
): Promise<void> {
  const middle = wholePages(offset + into.length / 2) - offset
  if (into.length < pieceBytesMax || middle <= 0) {
    await reader.readInto(into, offset, signal, pages)
    return
  }
  const first = reader.readInto(into.subarray(0, middle), offset, signal, pages)
  const second = reader.readInto(into.subarray(middle), offset + middle, signal, pages)
  for (const part of await Promise.allSettled([first, second])) if (part.status === 'rejected') throw part.reason
}

function wholePages(bytes: number): number {
  return Math.max(1, Math.floor(bytes / pageBytes)) * pageBytes
}
