// Why: a door that sends large files needs memory for each, and there may be hundreds of clients
// that take their bytes slowly. How: all of them share one limit. Each waits its turn for the first
// piece, and gets more ahead of need only while some is left. Memory that was given back is lent
// again; what is not given back (after an error) is the garbage collector's.
import { Budget, type Share } from './budget.ts'
import type { PiecePool } from './piece-pool.ts'

/** Memory for chunks that go from a reader to their consumer, who gives them back. */
export interface ChunkMemory {
  /** At most so many bytes are lent as one. */
  readonly pieceBytes: number
  /** Exactly so many bytes, when it is their turn. @throws the signal's reason */
  take(bytes: number, signal: AbortSignal): Promise<Uint8Array>
  /** Undefined: there is none now. */
  tryTake(bytes: number): Uint8Array | undefined
  /** The whole of what was lent. Memory from elsewhere is ignored. */
  giveBack(chunk: Uint8Array): void
}

export class PieceLender {
  readonly #pool: PiecePool
  readonly #budget: Budget

  constructor(name: string, pool: PiecePool, bytesMax: number) {
    this.#pool = pool
    this.#budget = new Budget(name, bytesMax)
  }

  /** Whether somebody waits for memory. */
  get isWanted(): boolean {
    return this.#budget.waiting > 0
  }

  get usedBytes(): number {
    return this.#budget.used
  }

  /** For one consumer, who must end it. */
  begin(): LentPieces {
    return new LentPieces(this.#pool, this.#budget)
  }
}

/** The shares of a limit that one consumer's chunks have. */
export class ChunkShares {
  readonly #shares = new Map<Uint8Array, Share>()
  #isEnded = false

  /** Until the chunk is released, or all are. */
  keep(chunk: Uint8Array, share: Share): void {
    if (this.#isEnded) share.release()
    else this.#shares.set(chunk, share)
  }

  /** Others are ignored. */
  release(chunk: Uint8Array): void {
    this.#shares.get(chunk)?.release()
    this.#shares.delete(chunk)
  }

  /** Releases all; later ones are not kept. */
  end(): void {
    this.#isEnded = true
    for (const share of this.#shares.values()) share.release()
    this.#shares.clear()
  }
}

export class LentPieces implements ChunkMemory {
  readonly pieceBytes: number
  readonly #pool: PiecePool
  readonly #budget: Budget
  readonly #shares = new ChunkShares()

  constructor(pool: PiecePool, budget: Budget) {
    this.pieceBytes = pool.pieceBytes
    this.#pool = pool
    this.#budget = budget
  }

  async take(bytes: number, signal: AbortSignal): Promise<Uint8Array> {
    return this.#lend(bytes, await this.#budget.acquire(bytes, signal))
  }

  tryTake(bytes: number): Uint8Array | undefined {
    const share = this.#budget.tryAcquire(bytes)
    return share === undefined ? undefined : this.#lend(bytes, share)
  }

  giveBack(chunk: Uint8Array): void {
    this.#pool.giveBack(chunk)
    this.#shares.release(chunk)
  }

  /**
   * Frees the whole of what was lent: it could not be sent, and nobody reads it any more. Otherwise
   * as `giveBack`.
   */
  lose(chunk: Uint8Array): void {
    this.#pool.lose(chunk)
    this.#shares.release(chunk)
  }

  /** Nothing more is taken. What was lent may still be given back. */
  end(): void {
    this.#shares.end()
  }

  #lend(bytes: number, share: Share): Uint8Array {
    const chunk = this.#pool.take(bytes)
    this.#shares.keep(chunk, share)
    return chunk
  }
}
