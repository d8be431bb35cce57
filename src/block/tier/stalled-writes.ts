// Why: a writer reserves a block's bytes before it has them, and one that then sends nothing, or
// next to nothing, would keep others out with a few hundred bytes of its own. How: nobody is looked
// at while there is room. A writer that finds none may ask: reservations that hold what is missing
// are watched for a while, and those that grow by less than the least rate in that time are
// aborted. Their writers may begin again. Who writes for the same load as the asker has been
// planned together with it.
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import type { BlockReservation } from '../block-store.ts'

export interface OpenWrite {
  readonly reservation: BlockReservation
  /** The load that writes it. */
  readonly load: object | undefined
}

export interface StalledWritesOptions {
  readonly clock: Pick<Clock, 'monotonicMs' | 'sleep'>
  readonly signal: AbortSignal
  /** The reservations that are open. */
  readonly writes: () => Iterable<OpenWrite>
  /** How long a reservation is watched before it is given up. Default 3 s. */
  readonly stallMs?: number | undefined
  /** Of a reservation, when others want its room. Default 64 KiB. */
  readonly leastBytesPerSecond?: number | undefined
  readonly logger: Logger
  readonly metrics: Pick<MetricRegistry, 'add'>
}

const stallMsDefault = 3000
const leastBytesPerSecondDefault = 64 * 1024

interface Watched {
  readonly write: OpenWrite
  readonly writtenBytes: number
  readonly sinceMs: number
}

export class StalledWrites {
  readonly #options: StalledWritesOptions
  /** Of each open reservation, what it had when somebody first wanted room. */
  #watched = new Map<BlockReservation, Watched>()
  #looking: Promise<boolean> | undefined

  constructor(options: StalledWritesOptions) {
    this.#options = options
  }

  /**
   * Aborts reservations that do not grow and together hold `bytes` or more, if there are such.
   * @returns whether any was aborted
   */
  async makeRoom(bytes: number, load: object | undefined): Promise<boolean> {
    // One look serves all who ask meanwhile.
    while (this.#looking !== undefined) if (await this.#looking) return true
    this.#looking = this.#look(bytes, load).finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  async #look(bytes: number, load: object | undefined): Promise<boolean> {
    const { clock, signal, stallMs = stallMsDefault } = this.#options
    await this.#mark()
    const mayGo = [...this.#watched.values()].filter(({ write }) => load === undefined || write.load !== load)
    const unfilled = mayGo.reduce(
      (sum, { write, writtenBytes }) => sum + write.reservation.header.length - writtenBytes,
      0,
    )
    if (unfilled < bytes) return false
    const fromMs = Math.min(...mayGo.map(({ sinceMs }) => sinceMs))
    const leftMs = fromMs + stallMs - clock.monotonicMs()
    if (leftMs > 0) await clock.sleep(leftMs, signal)
    return await this.#abortStalled(mayGo)
  }

  /**
   * Notes how far every open reservation is; those that moved on since they were noted begin anew.
   */
  async #mark(): Promise<void> {
    const { clock, writes } = this.#options
    const nowMs = clock.monotonicMs()
    const marks = new Map<BlockReservation, Watched>()
    for (const write of writes()) {
      const { reservation } = write
      if (reservation.ended) continue
      const before = this.#watched.get(reservation)
      const writtenBytes = await writtenOf(reservation)
      const isSlow = before !== undefined && this.#isSlow(before, writtenBytes, nowMs)
      marks.set(reservation, isSlow ? before : { write, writtenBytes, sinceMs: nowMs })
    }
    this.#watched = marks
  }

  async #abortStalled(watched: readonly Watched[]): Promise<boolean> {
    const { clock, stallMs = stallMsDefault, logger, metrics } = this.#options
    const nowMs = clock.monotonicMs()
    let aborted = false
    for (const entry of watched) {
      const { reservation } = entry.write
      if (reservation.ended || nowMs - entry.sinceMs < stallMs) continue
      if (!this.#isSlow(entry, await writtenOf(reservation), nowMs)) continue
      metrics.add('skein_worker_reservations_aborted_total', 1)
      logger.warn('a reservation that hardly grew was aborted, since another writer found no room', {
        blockId: reservation.header.blockId,
      })
      await reservation.abort()
      aborted = true
    }
    return aborted
  }

  #isSlow({ writtenBytes, sinceMs }: Watched, nowBytes: number, nowMs: number): boolean {
    const { leastBytesPerSecond = leastBytesPerSecondDefault } = this.#options
    return (nowBytes - writtenBytes) * 1000 < leastBytesPerSecond * Math.max(1, nowMs - sinceMs)
  }
}

async function writtenOf(reservation: BlockReservation): Promise<number> {
  return (await reservation.written?.()) ?? 0
}
