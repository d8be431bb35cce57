// Why: the bytes that are read ahead for all files of a program must not exceed what the user gave
// for it (skein.user.read.ahead.memory). How: one budget of pieces for all handles. Nobody waits
// for it: a handle that gets none reads without reading ahead. Handles that have not been read for
// a while give theirs to the others. Pieces are used again, except after an error.
import type { Clock } from '../../base/clock.ts'
import { Budget } from '../../base/flow/budget.ts'
import { PiecePool } from '../../base/flow/piece-pool.ts'

/** Bytes per piece. */
export const aheadPieceBytes = 1024 * 1024
/** After this time without a read a handle gives its pieces to others. */
const idleMs = 1000

/** A handle that has pieces. */
export interface AheadOwner {
  /** When it was last read. */
  readonly readMs: number
  /** Gives back what nobody is using. */
  dropUnused(): void
}

/** Pieces that are lent. Give them back once. */
export interface AheadPieces {
  readonly pieces: readonly Uint8Array[]
  /** @param isClean nobody can be writing into them any more */
  giveBack(isClean: boolean): void
}

export class AheadMemory {
  readonly #clock: Pick<Clock, 'monotonicMs' | 'schedule'>
  readonly #budget: Budget | undefined
  readonly #pool: PiecePool
  readonly #owners = new Set<AheadOwner>()

  /** @param bytes 0: nothing is read ahead */
  constructor(bytes: number, clock: Pick<Clock, 'monotonicMs' | 'schedule'>) {
    const pieces = Math.floor(bytes / aheadPieceBytes)
    this.#clock = clock
    this.#budget = pieces === 0 ? undefined : new Budget('bytes that are read ahead', pieces * aheadPieceBytes)
    this.#pool = new PiecePool({ pieceBytes: aheadPieceBytes, idleMax: pieces, clock })
  }

  /** Bytes that are lent. */
  get usedBytes(): number {
    return this.#budget?.used ?? 0
  }

  /** At most this many bytes should be ahead of one handle, so that others get some, too. */
  get windowBytesMax(): number {
    return Math.floor((this.#budget?.capacity ?? 0) / 4)
  }

  /** Pieces for so many bytes, or undefined. */
  take(bytes: number, owner: AheadOwner): AheadPieces | undefined {
    const count = Math.ceil(bytes / aheadPieceBytes)
    const share = this.#tryAcquire(count) ?? (this.#reclaim(owner), this.#tryAcquire(count))
    if (share === undefined) return undefined
    this.#owners.add(owner)
    const pieces = Array.from({ length: count }, () => this.#pool.take(aheadPieceBytes))
    return {
      pieces,
      giveBack: (isClean) => {
        if (isClean) for (const piece of pieces) this.#pool.giveBack(piece)
        share.release()
      },
    }
  }

  /** The owner has no pieces any more. */
  leave(owner: AheadOwner): void {
    this.#owners.delete(owner)
  }

  #tryAcquire(count: number) {
    if (this.#budget === undefined || count * aheadPieceBytes > this.#budget.capacity) return undefined
    return this.#budget.tryAcquire(count * aheadPieceBytes)
  }

  #reclaim(wanting: AheadOwner): void {
    const nowMs = this.#clock.monotonicMs()
    for (const owner of this.#owners) if (owner !== wanting && nowMs - owner.readMs >= idleMs) owner.dropUnused()
  }
}
