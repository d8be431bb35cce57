// Why: a block file is read in pieces, a little ahead of the consumer, and straight into the memory
// of the caller where there is such. How: whole pages at a time. Whoever leaves early waits for the
// reads under way, so nothing is written to the memory afterwards.
import type { PiecePool } from '../../base/flow/piece-pool.ts'
import { pageBytes } from '../../base/page-checksum.ts'
import type { PageReader } from '../../block/disk/page-reader.ts'
import type { ByteRange } from '../../wire/data/data-client.ts'
import type { ReadTarget } from './read-target.ts'

/** Bytes per read. At most two pieces are in flight or wait for the consumer. */
const pieceBytes = 2 * pageBytes
const piecesAhead = 2

/**
 * Yields the bytes in order and reads a few pieces ahead. Each piece except the first starts at the
 * start of a page, unless the memory of the target ends elsewhere.
 */
export async function* piecesOf(
  reader: Pick<PageReader, 'read' | 'readInto'>,
  { offset, length }: ByteRange,
  signal: AbortSignal,
  target: ReadTarget | undefined,
  pages: PiecePool,
): AsyncGenerator<Uint8Array> {
  const end = offset + length
  const waiting: Promise<Uint8Array>[] = []
  const readPiece = async (at: number, bytes: number): Promise<Uint8Array> => {
    if (target === undefined) return reader.read(at, bytes, signal)
    const memory = target.at(at).subarray(0, bytes)
    await reader.readInto(memory, at, signal, pages)
    return memory
  }
  try {
    for (let at = offset; at < end || waiting.length > 0;) {
      while (at < end && waiting.length < piecesAhead) {
        const pieceEnd = (Math.floor(at / pieceBytes) + 1) * pieceBytes
        const to = Math.min(end, pieceEnd, at + (target?.at(at).length ?? pieceBytes))
        const piece = readPiece(at, to - at)
        // Its error is thrown when the piece is needed. Until then it must not count as unhandled.
        piece.catch(() => undefined)
        waiting.push(piece)
        at = to
      }
      const first = waiting.shift()
      if (first !== undefined) yield await first
    }
  } finally {
    await Promise.allSettled(waiting)
  }
}
