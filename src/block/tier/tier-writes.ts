// Why: of a block there is one writer at a time, in whichever tier it will be. How: kept by block
// id from before the tier is asked; a reservation that was aborted stays until somebody looks, so
// that no tier needs to tell.
import type { BlockReservation } from '../block-store.ts'
import type { Load } from './running-loads.ts'

/** Ended reservations that are remembered, beside as many as there are open ones. */
const endedWritesMax = 256

export interface TierWrite {
  readonly evict: boolean
  readonly load: Load | undefined
  /** Undefined for a put. */
  reservation: BlockReservation | undefined
}

export class TierWrites {
  readonly #writing = new Map<number, TierWrite>()
  #forgetEndedAt = endedWritesMax

  /** The last write of a block that is not known to be in; it may have been given up. */
  get(blockId: number): TierWrite | undefined {
    return this.#writing.get(blockId)
  }

  isUnderWay(blockId: number): boolean {
    const write = this.#writing.get(blockId)
    return write !== undefined && write.reservation?.ended !== true
  }

  begin(blockId: number, write: TierWrite): void {
    if (this.#writing.size >= this.#forgetEndedAt) this.#forgetEnded()
    this.#writing.set(blockId, write)
  }

  /** The block is in, or will not be. */
  end(blockId: number, write: TierWrite): void {
    if (this.#writing.get(blockId) === write) this.#writing.delete(blockId)
  }

  /** The reservations that are open, and the loads that they are of. */
  *open(): Generator<{ readonly reservation: BlockReservation; readonly load: Load | undefined }> {
    for (const { reservation, load } of this.#writing.values())
      if (reservation?.ended === false) yield { reservation, load }
  }

  #forgetEnded(): void {
    for (const [blockId, write] of this.#writing) if (write.reservation?.ended === true) this.#writing.delete(blockId)
    this.#forgetEndedAt = 2 * this.#writing.size + endedWritesMax
  }
}
