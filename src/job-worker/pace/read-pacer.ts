// Why: the job master decides how fast a load may read, and every read of the under file system
// must obey. How: each load has a token bucket with the rate that the job master sent last. A pause
// of a namespace stops all its reads. On-demand readers go first. Without limits a check costs only
// a few comparisons.
import type { Clock } from '../../base/clock.ts'
import { Budget } from '../../base/flow/budget.ts'
import type { DemandGauge } from '../../base/flow/demand-gauge.ts'
import { TokenBucket } from '../../base/flow/token-bucket.ts'
import type { Pacing } from '../../wire/generated/job.ts'
import { StandAside } from './stand-aside.ts'

/** Paces the reads of one set. */
export interface ReadPace {
  /** Takes the bytes from the bucket. False: they may not be read now. */
  tryTake(bytes: number): boolean
  /**
   * Waits until the bytes may be read, and takes them.
   * @throws the signal's reason
   */
  take(bytes: number, signal: AbortSignal): Promise<void>
  /**
   * Returns a promise while a read in progress must wait for an on-demand reader; else undefined.
   * @throws the signal's reason
   */
  standAside(signal: AbortSignal): Promise<void> | undefined
  /** Longest range that keeps the rate smooth. */
  rangeBytes(wanted: number): number
  /**
   * The load's own streams for large blocks if the load is slowed down: by its pace, because its
   * store `isSlow`, or because several of its blocks have left the shared streams. Undefined if it
   * is not.
   */
  ownStreams(isSlow: boolean): Budget | undefined
  /** Counts a block that leaves the shared streams. Call the result when its copy has ended. */
  leaveShared(): () => void
  /** Call at the end of the set. */
  close(): void
}

interface LoadReads {
  readonly bucket: TokenBucket
  /**
   * Streams for large blocks of this load while it is slowed down. In the shared streams they would
   * block other loads while they wait for bytes.
   */
  readonly streams: Budget
  /** Blocks that have left the shared streams and are still being copied. */
  left: number
  sets: number
}

const streamsOfPacedLoad = 4
/**
 * One request of a paced load covers at most this time at its rate, but is not below the minimum.
 */
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

  /**
   * Whether the job master's last answer limited anything. If so, heartbeats are sent more often.
   */
  get limited(): boolean {
    return this.#limited
  }

  /** Applies the answer to a heartbeat. Loads that it does not name have no limit. */
  apply(pacing: Pacing | undefined): void {
    this.#limited = pacing !== undefined
    const rates = new Map((pacing?.allowances ?? []).map(({ loadId, bytesPerSecond }) => [loadId, bytesPerSecond]))
    for (const [loadId, reads] of this.#loads) reads.bucket.setRate(rates.get(loadId) ?? Number.POSITIVE_INFINITY)
    for (const { namespaceId, pauseMs } of pacing?.pauses ?? [])
      this.#pausedUntilMs.set(namespaceId, this.#clock.monotonicMs() + pauseMs)
  }

  /**
   * Opens the pace of a new set. `bytesPerSecond` is the rate of its load in the answer to
   * StartSet.
   */
  open(loadId: string, namespaceId: string, bytesPerSecond = Number.POSITIVE_INFINITY): ReadPace {
    const reads = this.#loads.get(loadId) ?? {
      bucket: new TokenBucket(this.#clock, bytesPerSecond),
      streams: new Budget('streams of a slow load', streamsOfPacedLoad),
      left: 0,
      sets: 0,
    }
    this.#loads.set(loadId, reads)
    reads.sets += 1
    reads.bucket.setRate(bytesPerSecond)
    if (bytesPerSecond !== Number.POSITIVE_INFINITY) this.#limited = true
    const { bucket } = reads
    return {
      tryTake: (bytes) => !this.#demand.active && !this.isPaused(namespaceId) && bucket.tryTake(bytes),
      take: async (bytes, signal) => {
        await this.standAside(signal)
        for (let left = this.#pauseLeftMs(namespaceId); left > 0; left = this.#pauseLeftMs(namespaceId))
          await this.#clock.sleep(left, signal)
        await bucket.take(bytes, signal)
      },
      standAside: (signal) => this.standAside(signal),
      rangeBytes: (wanted) => Math.min(wanted, Math.max(rangeBytesMin, Math.floor(bucket.perSecond * rangeSeconds))),
      ownStreams: (isSlow) =>
        isSlow || reads.left >= streamsOfPacedLoad || bucket.perSecond !== Number.POSITIVE_INFINITY
          ? reads.streams
          : undefined,
      leaveShared: () => {
        reads.left += 1
        return () => void (reads.left -= 1)
      },
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

  /** Whether no read of the namespace may begin now. */
  isPaused(namespaceId: string): boolean {
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
