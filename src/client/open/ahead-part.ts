// Why: one request ahead of the reader, from which several reads take their bytes while it is still
// coming. How: its memory goes back when it is not wanted any more, nobody takes from it, and its
// request has ended.
import { untilAborted } from '../../base/clock.ts'
import type { ByteRange } from '../../wire/data/data-client.ts'
import type { ReadTarget } from '../read/read-target.ts'
import { aheadPieceBytes, type AheadPieces } from './ahead-memory.ts'

export type FillPart = (
  range: ByteRange,
  target: ReadTarget,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
) => Promise<void>

export class AheadPart {
  readonly from: number
  readonly to: number
  readonly #memory: AheadPieces
  readonly #stop = new AbortController()
  #filledTo: number
  #mode: 'filling' | 'filled' | 'failed' = 'filling'
  #readers = 0
  #isDropped = false
  #isFreed = false
  #moved = Promise.withResolvers<void>()
  /** Resolves when nothing is written to its memory any more. Does not reject. */
  readonly ended: Promise<void>

  constructor({ offset, length }: ByteRange, memory: AheadPieces, fill: FillPart) {
    this.from = offset
    this.to = offset + length
    this.#memory = memory
    this.#filledTo = offset
    this.ended = fill({ offset, length }, { at: (position) => this.#at(position) }, this.#stop.signal, (bytes) => {
      this.#filledTo = offset + bytes
      this.#wake()
    }).then(
      () => this.#end('filled'),
      () => this.#end('failed'),
    )
  }

  get hasFailed(): boolean {
    return this.#mode === 'failed'
  }

  /** Whether nobody takes from it and its request has ended. */
  get isUnused(): boolean {
    return this.#readers === 0 && this.#mode !== 'filling'
  }

  /**
   * Copies the bytes from `position` on, and waits for those that are still coming.
   * @returns how many bytes were copied: fewer only if the request failed
   * @throws the signal's reason
   */
  async copy(into: Uint8Array, position: number, signal: AbortSignal): Promise<number> {
    this.#readers += 1
    try {
      const end = position + into.length
      while (this.#filledTo < end && this.#mode === 'filling') await untilAborted(this.#moved.promise, signal)
      const copied = Math.max(0, Math.min(end, this.#filledTo) - position)
      for (let done = 0; done < copied;) {
        const part = this.#at(position + done).subarray(0, copied - done)
        into.set(part, done)
        done += part.length
      }
      return copied
    } finally {
      this.#readers -= 1
      this.#freeUnused()
    }
  }

  /** Not wanted any more, except by reads that take from it. */
  drop(): void {
    this.#isDropped = true
    this.#freeUnused()
  }

  #at(position: number): Uint8Array {
    const index = Math.floor((position - this.from) / aheadPieceBytes)
    const piece = this.#memory.pieces[index] ?? new Uint8Array()
    return piece.subarray((position - this.from) % aheadPieceBytes)
  }

  #end(mode: 'filled' | 'failed'): void {
    this.#mode = mode
    this.#wake()
    this.#freeUnused()
  }

  #wake(): void {
    this.#moved.resolve()
    this.#moved = Promise.withResolvers()
  }

  #freeUnused(): void {
    if (!this.#isDropped || this.#readers > 0) return
    this.#stop.abort()
    if (this.#mode === 'filling' || this.#isFreed) return
    this.#isFreed = true
    this.#memory.giveBack(this.#mode === 'filled')
  }
}
