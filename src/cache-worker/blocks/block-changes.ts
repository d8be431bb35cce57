// Why: blocks are added and removed at any moment, but the master is told in batches, one call at a
// time. How: the latest change of each block is kept until a batch takes it. Batches are numbered.
// An order of the master names the last batch that the master knew, so changes reported after that
// batch can be recognized. Without a session nothing is recorded, because the full report that
// follows covers all blocks.
import type { BlockStoreEvents, KeptBlock } from '../../block/block-store.ts'

export interface ChangeBatch {
  readonly added: number[]
  readonly removed: number[]
  /** Of `added`: their bytes exist nowhere else. */
  readonly durable: number[]
  readonly number: number
}

/** `again`: the block is here, and its durability was reported before. */
type Change = 'added' | 'added durable' | 'again' | 'removed'

export class BlockChanges implements BlockStoreEvents {
  readonly #waiting = new Map<number, Change>()
  #mode: 'ignoring' | 'recording' = 'ignoring'
  #wake: (() => void) | undefined
  #number = 0
  #acknowledged = 0
  /** Added blocks of batches that an order may not know yet -> batch number. */
  readonly #sent = new Map<number, number>()

  added({ blockId, durable }: KeptBlock): void {
    this.#note(blockId, durable === true ? 'added durable' : 'added')
  }

  removed(blockId: number): void {
    this.#note(blockId, 'removed')
  }

  /** Reports again that a block is here. A change that still waits is kept. */
  addedAgain(blockId: number): void {
    const waiting = this.#waiting.get(blockId)
    if (waiting === undefined || waiting === 'removed') this.#note(blockId, 'again')
  }

  /** The block was moved into memory or out of it. */
  moved(blockId: number): void {
    this.addedAgain(blockId)
  }

  /**
   * The master's answers from now on know every acknowledged batch.
   * @param atMost orders that know only up to this batch are still being carried out
   */
  answerBegins(atMost: number): number {
    const known = Math.min(this.#acknowledged, atMost)
    for (const [blockId, number] of this.#sent) if (number <= known) this.#sent.delete(blockId)
    return this.#acknowledged
  }

  /** Whether the block was reported as present after batch `asOf`. */
  isSaidAfter(blockId: number, asOf: number): boolean {
    const waiting = this.#waiting.get(blockId)
    return (waiting !== undefined && waiting !== 'removed') || (this.#sent.get(blockId) ?? 0) > asOf
  }

  acknowledged({ number }: ChangeBatch): void {
    this.#acknowledged = number
  }

  get waiting(): number {
    return this.#waiting.size
  }

  /** Forgets everything and records from now on. Take the full report's ids in the same turn. */
  restart(): void {
    this.#waiting.clear()
    this.#mode = 'recording'
  }

  /** Forgets everything and records nothing until the next restart. */
  stop(): void {
    this.#waiting.clear()
    this.#mode = 'ignoring'
  }

  /** Takes up to `idsMax` changes, the oldest first. */
  take(idsMax: number): ChangeBatch {
    this.#number += 1
    const batch: ChangeBatch = { added: [], removed: [], durable: [], number: this.#number }
    let left = idsMax
    for (const [blockId, change] of this.#waiting) {
      if (left === 0) break
      left -= 1
      this.#waiting.delete(blockId)
      batch[change === 'removed' ? 'removed' : 'added'].push(blockId)
      if (change === 'added durable') batch.durable.push(blockId)
      if (change === 'removed') this.#sent.delete(blockId)
      else this.#sent.set(blockId, this.#number)
    }
    return batch
  }

  /**
   * Puts back a batch that could not be reported. Changes recorded since then are newer and win.
   */
  giveBack(batch: ChangeBatch): void {
    if (this.#mode === 'ignoring') return
    const give = (blockIds: readonly number[], change: Change): void => {
      for (const blockId of blockIds) {
        const newer = this.#waiting.get(blockId)
        if (newer === undefined || (newer === 'again' && change !== 'removed')) this.#waiting.set(blockId, change)
      }
    }
    give(batch.durable, 'added durable')
    give(batch.added, 'added')
    give(batch.removed, 'removed')
  }

  /**
   * Resolves when there is a change to take, or when the signal is aborted. One caller at a time.
   */
  async untilAny(signal: AbortSignal): Promise<void> {
    if (this.#waiting.size > 0 || signal.aborted) return
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#wake = undefined
        signal.removeEventListener('abort', wake)
        resolve()
      }
      this.#wake = wake
      signal.addEventListener('abort', wake, { once: true })
    })
  }

  #note(blockId: number, change: Change): void {
    if (this.#mode === 'ignoring') return
    this.#waiting.set(blockId, change)
    this.#wake?.()
  }
}
