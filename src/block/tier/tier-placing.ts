// Why: a new block goes to the highest tier that has room, or can make some, whoever else writes at
// the same time. How: tier by tier; room is made by moving or evicting, in turn; a disk that is
// full below its quota is asked again a few times, and writes that stand still give their room up.
import { SkeinError } from '../../base/errors.ts'
import { checkHeader } from '../disk/block-file.ts'
import { noCapacity } from '../segment/block-ledger.ts'
import type { BlockHeader } from '../block-store.ts'
import type { DirectoryUsage } from '../block-store.ts'
import type { StalledWrites } from './stalled-writes.ts'
import type { TierMover } from './tier-moves.ts'
import type { TierRoom } from './tier-room.ts'
import { type TierStore } from './tier-room.ts'
import { type TierWrite } from './tier-writes.ts'

/** How often a writer tries again that others overtook. */
const attemptsMax = 64
/**
 * The same for a disk that is full below its quota: what is deleted may not be given back at once.
 */
const diskFullAttemptsMax = 4

export interface TierPlacingParts {
  readonly tiers: readonly TierStore[]
  readonly room: TierRoom
  readonly mover: TierMover
  readonly stalled: StalledWrites
  readonly usage: () => readonly DirectoryUsage[]
}

export class TierPlacing {
  readonly #tiers: readonly TierStore[]
  readonly #room: TierRoom
  readonly #mover: TierMover
  readonly #stalled: StalledWrites
  readonly #usage: () => readonly DirectoryUsage[]

  constructor({ tiers, room, mover, stalled, usage }: TierPlacingParts) {
    this.#tiers = tiers
    this.#room = room
    this.#mover = mover
    this.#stalled = stalled
    this.#usage = usage
  }

  /** Whether the block is on the top tier now, with nobody waited for. */
  async putOnTop(header: BlockHeader, bytes: Uint8Array): Promise<boolean> {
    const [top] = this.#tiers
    if (top === undefined || this.#room.isWaiting(0)) return false
    try {
      await top.put(header, bytes)
      return true
    } catch (thrown) {
      if (isElsewhere(thrown)) return false
      throw thrown
    }
  }

  /**
   * Writes the block into the first tier that takes it.
   * @throws SkeinError resource_exhausted when none does; what a disk said, if it was not for want
   *   of room
   */
  async place<T>(header: BlockHeader, { evict, load }: TierWrite, write: (tier: TierStore) => Promise<T>): Promise<T> {
    for (let attempt = 0, stallsLeft = 1; ; attempt += 1) {
      let failure: unknown
      for (const [level, tier] of this.#tiers.entries()) {
        const written = await this.#placeIn(level, () => write(tier), { bytes: header.length, mayDelete: evict })
        if (written.value !== undefined) return written.value.result
        failure = written.failure ?? failure
      }
      // A block on its way has its bytes in two tiers: that must not refuse what fits.
      if (this.#mover.underWay > 0 && attempt < attemptsMax) await this.#mover.oneDone()
      else if (
        failure === undefined &&
        stallsLeft > 0 &&
        (await this.#stalled.makeRoom(this.#missingBytes(header), load))
      )
        stallsLeft -= 1
      else throw failure ?? this.#noRoom(header)
    }
  }

  /**
   * Undefined value: not in this tier. `failure` is what the disk said, if it was not for want of
   * room.
   */
  async #placeIn<T>(
    level: number,
    write: () => Promise<T>,
    request: { bytes: number; mayDelete: boolean },
  ): Promise<{ value?: { result: T }; failure?: unknown }> {
    let failure: unknown
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      // First come, first served; who was made room for need not queue up again.
      if (attempt > 0 || !this.#room.isWaiting(level)) {
        try {
          return { value: { result: await write() } }
        } catch (thrown) {
          if (!isElsewhere(thrown)) throw thrown
          if (thrown.reason !== 'no_capacity') failure = thrown
          if (thrown.reason === 'disk_full' && attempt < diskFullAttemptsMax) this.#room.diskWasFull(level)
          else if (thrown.reason !== 'no_capacity') return { failure }
        }
      }
      if (!(await this.#room.make(level, request))) return { failure }
    }
    return { failure }
  }

  #noRoom(header: BlockHeader): SkeinError {
    checkHeader(header)
    return noCapacity(header, this.#mostFreeBytes())
  }

  #missingBytes({ length }: BlockHeader): number {
    return Math.max(1, length - this.#mostFreeBytes())
  }

  #mostFreeBytes(): number {
    return Math.max(...this.#usage().map((usage) => usage.quotaBytes - usage.usedBytes))
  }
}

/** Whether what refused a block here says nothing about other tiers. */
function isElsewhere(thrown: unknown): thrown is SkeinError {
  return thrown instanceof SkeinError && ['no_capacity', 'disk_full', 'disk_fault'].includes(thrown.reason ?? '')
}
