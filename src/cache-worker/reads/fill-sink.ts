// Why: caching a block must never delay the reader that reads it. How: space is reserved when the
// fill starts. Bytes that arrive before the reservation are held in memory, up to a bound. Beyond
// the bound, or if the store refuses, the block is not cached. After the reservation, writes wait
// for the disk. Small blocks are written with one call at the end.
//
//   gathering (small) ----------------------------------commit--> put
//   reserving --granted--> writing --commit--> kept
//   any refusal or failure, too much waiting, abort: given up
import { isSkeinError, type SkeinError, toSkeinError } from '../../base/errors.ts'
import type { BlockHeader, BlockReservation, BlockStore, WriteHints } from '../../block/block-store.ts'

const putBytesMax = 1024 * 1024
const hints: WriteHints = { evict: true }

export class FillSink {
  readonly #store: Pick<BlockStore, 'reserve' | 'put'>
  readonly #header: BlockHeader
  readonly #waitingBytesMax: number
  readonly #reserving: Promise<void> | undefined
  #mode: 'gathering' | 'reserving' | 'writing' | 'given up' = 'gathering'
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #reservation: BlockReservation | undefined
  /** Why the block is not cached. */
  failure: SkeinError | undefined

  constructor(store: Pick<BlockStore, 'reserve' | 'put'>, header: BlockHeader, waitingBytesMax: number) {
    this.#store = store
    this.#header = header
    this.#waitingBytesMax = waitingBytesMax
    if (header.length <= putBytesMax) return
    this.#mode = 'reserving'
    this.#reserving = this.#reserve()
  }

  /**
   * Resolves when the next chunk may be written. Does not throw. The caller must not change the
   * chunk afterwards.
   */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.#mode === 'given up') return
    this.#waiting.push(chunk)
    this.#waitingBytes += chunk.length
    if (this.#mode === 'writing') await this.#flush()
    else if (this.#mode === 'reserving' && this.#waitingBytes > this.#waitingBytesMax) this.#giveUp(undefined)
  }

  /** Resolves to whether the store has the block. Does not throw. */
  async commit(): Promise<boolean> {
    if (this.#isOver()) return false
    await this.#reserving
    if (this.#isOver()) return false
    try {
      if (this.#mode === 'gathering') await this.#store.put(this.#header, Buffer.concat(this.#waiting), hints)
      else {
        await this.#flush()
        if (this.#isOver()) return false
        await this.#reservation?.commit()
      }
      return true
    } catch (thrown) {
      // Another block with the same id has the same bytes.
      if (isSkeinError(thrown, 'already_exists', 'committed')) return true
      await this.abort(toSkeinError(thrown))
      return false
    } finally {
      this.#waiting = []
    }
  }

  /**
   * When it resolves, nothing of the block remains. Space that is granted later is released then.
   */
  async abort(why?: SkeinError): Promise<void> {
    this.#giveUp(why)
    await this.#reservation?.abort()
  }

  async #reserve(): Promise<void> {
    try {
      const reservation = await this.#store.reserve(this.#header, hints)
      if (this.#isOver()) await reservation.abort()
      else {
        this.#reservation = reservation
        this.#mode = 'writing'
      }
    } catch (thrown) {
      this.#giveUp(toSkeinError(thrown))
    }
  }

  async #flush(): Promise<void> {
    const chunks = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    try {
      for (const chunk of chunks) await this.#reservation?.write(chunk)
    } catch (thrown) {
      await this.abort(toSkeinError(thrown))
    }
  }

  #isOver(): boolean {
    return this.#mode === 'given up'
  }

  #giveUp(why: SkeinError | undefined): void {
    this.#mode = 'given up'
    this.failure ??= why
    this.#waiting = []
    this.#waitingBytes = 0
  }
}
