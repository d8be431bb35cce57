// Why: a door that sends files needs memory for each, and hundreds of clients may take their bytes
// slowly. How: all doors of a process lend memory of one limit (lent-pieces.ts). A chunk goes back
// as soon as the system has taken it, so the same few pieces are used again and again. A chunk of a
// broken connection is freed, not used again.
import type { Clock } from '../base/clock.ts'
import { type ChunkMemory, PieceLender } from '../base/flow/lent-pieces.ts'
import { PiecePool } from '../base/flow/piece-pool.ts'
import { pageBytes } from '../base/page-checksum.ts'
import type { ReplyStream } from './stream-reply.ts'

/** Free pieces of memory that are kept for the next files. */
const idlePiecesMax = 16

/** Memory for the files that all doors together are sending. */
export function sentMemory(bytesMax: number, clock: Pick<Clock, 'schedule'>): PieceLender {
  const pool = new PiecePool({ pieceBytes: pageBytes, idleMax: idlePiecesMax, clock })
  return new PieceLender('files that are being sent', pool, Math.max(pageBytes, bytesMax))
}

export interface OpenBytes {
  /** @param memory the chunks that are in it are given back by the consumer */
  stream(memory: ChunkMemory): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

/** The bytes of an open file as the body of an answer, which closes the file. */
export function lentStream(pieces: PieceLender, length: number, open: OpenBytes): ReplyStream {
  const memory = pieces.begin()
  return {
    chunks: open.stream(memory),
    length,
    sent: (chunk) => memory.giveBack(chunk),
    lost: (chunk) => memory.lose(chunk),
    close: () => {
      memory.end()
      return open.close()
    },
  }
}
