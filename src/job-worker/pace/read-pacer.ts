// Why: what a load may read is decided elsewhere, and must hold here, in front of every read of the
// origin. How: a bucket of bytes for each load, at the rate that the job master last said; a pause
// of a namespace holds all its reads; a reader on demand is let by. While nothing is limited,
// asking costs a few comparisons.
import pLimit from 'p-limit'
import type { Clock } from '../../base/clock.ts'
import type { DemandGauge } from '../../base/flow/demand-gauge.ts'
import { TokenBucket } from '../../base/flow/token-bucket.ts'
import type { Pacing } from '../../wire/generated/job.ts'
import { StandAside } from './stand-aside.ts'

/** How one set reads. */
export interface ReadPace {
  /** True when these bytes may be read now; they count as read. */
  tryTake(bytes: number): boolean
  /** Waits for that. @throws the signal's reason */
  take(bytes: number, signal: AbortSignal): Promise<void>
  /**
   * Undefined, or a wait of a read that is under way, so that a reader on demand goes first.
   * @throws the signal's reason
   */
  standAside(signal: AbortSignal): Promise<void> | undefined
  /** The longest range that keeps the rate smooth. */
  rangeBytes(wanted: number): number
  /**
   * Runs a large block of a load that is held back, by its pace or because its store `isSlow`;
   * undefined when it is not.
   */
  runStream(isSlow: boolean): ((copy: () => Promise<void>) => Promise<void>) | undefined
  /** The set has ended. */
  close(): void
}

interface LoadReads {
  readonly bucket: TokenBucket
  /**
   * Large blocks of a held-back load have streams of their own: waiting for bytes, they would hold
   * those of other loads.
   */
  readonly streams: ReturnType<typeof pLimit>
  sets: number
}

const streamsOfPacedLoad = 4
/** A request of a held-back load is at most so much of a second long, but not below the minimum. */
const rangeSeconds = 0.5
const rangeBytesMin = 64 * 1024
export class ReadPacer {
  readonly #clock: Clock
  readonly #demand: DemandGauge
  readonly #standAside: StandAside
  readonly #loads = new Map<string, LoadReads>()
  readonly #pausedUntilMs = new Map<string, number>()
  #limited = false

  constructor(clock: Clock, demand: DemandGauge) {
    this.#clock = clock
    this.#demand = demand
    this.#standAside = new StandAside(clock, demand)
  }

  /** Whether the job master's last answer held anything back: then it is asked more often. */
  get limited(): boolean {
    return this.#limited
  }

  /** A heartbeat's answer. What it does not name may be read as fast as it can. */
  apply(pacing: Pacing | undefined): void {
    this.#limited = pacing !== undefined
    const rates = new Map((pacing?.allowances ?? []).map(({ loadId, bytesPerSecond }) => [loadId, bytesPerSecond]))
    for (const [loadId, reads] of this.#loads) reads.bucket.setRate(rates.get(loadId) ?? Number.POSITIVE_INFINITY)
    for (const { namespaceId, pauseMs } of pacing?.pauses ?? [])
      this.#pausedUntilMs.set(namespaceId, this.#clock.monotonicMs() + pauseMs)
  }

  /**
   * The pace of a set that begins; `bytesPerSecond` is of its load, as the answer to StartSet says
   * it.
   */
  open(loadId: string, namespaceId: string, bytesPerSecond = Number.POSITIVE_INFINITY): ReadPace {
    const reads = this.#loads.get(loadId) ?? {
      bucket: new TokenBucket(this.#clock, bytesPerSecond),
      streams: pLimit(streamsOfPacedLoad),
      sets: 0,
    }
    this.#loads.set(loadId, reads)
    reads.sets += 1
    reads.bucket.setRate(bytesPerSecond)
    if (bytesPerSecond !== Number.POSITIVE_INFINITY) this.#limited = true
    const { bucket } = reads
    return {
      tryTake: (bytes) => !this.#demand.active && !this.#isPaused(namespaceId) && bucket.tryTake(bytes),
      take: async (bytes, signal) => {
        await this.standAside(signal)
        for (let left = this.#pauseLeftMs(namespaceId); left > 0; left = this.#pauseLeftMs(namespaceId))
          await this.#clock.sleep(left, signal)
        await bucket.take(bytes, signal)
      },
      standAside: (signal) => this.standAside(signal),
      rangeBytes: (wanted) => Math.min(wanted, Math.max(rangeBytesMin, Math.floor(bucket.perSecond * rangeSeconds))),
      runStream: (isSlow) =>
        isSlow || bucket.perSecond !== Number.POSITIVE_INFINITY ? (copy) => reads.streams(copy) : undefined,
      close: () => {
        reads.sets -= 1
        if (reads.sets === 0) this.#loads.delete(loadId)
      },
    }
  }

  /** See ReadPace. */
  standAside(signal: AbortSignal): Promise<void> | undefined {
    return this.#standAside.wait(signal)
  }

  #isPaused(namespaceId: string): boolean {
    return this.#pausedUntilMs.size > 0 && this.#pauseLeftMs(namespaceId) > 0
  }

  #pauseLeftMs(namespaceId: string): number {
    const until = this.#pausedUntilMs.get(namespaceId)
    if (until === undefined) return 0
    const left = until - this.#clock.monotonicMs()
    if (left <= 0) this.#pausedUntilMs.delete(namespaceId)
    return left
  }
}
