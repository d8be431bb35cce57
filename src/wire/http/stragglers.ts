// Why: clients that send or read nothing must not occupy limited resources while others wait for
// them. How: every request that holds such a resource is watched. While nobody waits, a slow peer
// is tolerated (idle-watch.ts ends only stalled ones). While others wait, a request that stays
// below the minimum rate for a whole window is aborted. A window in which this process itself was
// blocked does not count.
import type { Clock } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'

export interface StragglerOptions {
  readonly clock: Pick<Clock, 'monotonicMs' | 'schedule'>
  /** Minimum rate of one request while others wait for its resource. */
  readonly leastBytesPerSecond: number
  /** A request may be slower for this long. Default: 1 s. */
  readonly windowMs?: number
  /** Whether others wait for the resource of this kind of request. */
  readonly isWanted: (kind: string) => boolean
  /** Called for each aborted request. */
  readonly onCut?: () => void
}

/** A request in progress. */
export interface Watched {
  /** The kind of resource that it holds. */
  readonly kind: string
  readonly peer: string
  /** Whether it is waiting for its peer now, and not for this process. */
  readonly isWaiting: () => boolean
  /** Bytes received from or sent to the peer so far. */
  readonly movedBytes: () => number
  readonly cut: (error: SkeinError) => void
}

interface Entry {
  movedBytes: number
  waitedAtStart: boolean
  /** It was too slow in the last whole window. */
  isSlow: boolean
}

const windowDefaultMs = 1000
/** A window that ends later than this was delayed by this process. */
const lateMs = 500

export class Stragglers {
  readonly #options: StragglerOptions
  readonly #entries = new Map<Watched, Entry>()
  #windowFromMs = 0
  #ticking = false

  constructor(options: StragglerOptions) {
    this.#options = options
  }

  /** Watches a request. @returns a function that ends the watch */
  watch(watched: Watched): () => void {
    this.#entries.set(watched, { movedBytes: watched.movedBytes(), waitedAtStart: watched.isWaiting(), isSlow: false })
    if (!this.#ticking) this.#beginWindow()
    return () => this.#entries.delete(watched)
  }

  /**
   * Aborts the first request that was slow in the last window, of this peer if given. @returns
   * whether there was one
   */
  cutOne(peer: string | undefined): boolean {
    for (const [watched, entry] of this.#entries) {
      if (entry.isSlow && watched.isWaiting() && (peer === undefined || watched.peer === peer)) {
        this.#cut(watched)
        return true
      }
    }
    return false
  }

  #beginWindow(): void {
    this.#ticking = true
    const { clock, windowMs = windowDefaultMs } = this.#options
    this.#windowFromMs = clock.monotonicMs()
    clock.schedule(windowMs, () => this.#endWindow())
  }

  #endWindow(): void {
    const { clock, leastBytesPerSecond, isWanted, windowMs = windowDefaultMs } = this.#options
    const tookMs = clock.monotonicMs() - this.#windowFromMs
    const leastBytes = (leastBytesPerSecond * windowMs) / 1000
    for (const [watched, entry] of [...this.#entries]) {
      const movedBytes = watched.movedBytes()
      const isWaiting = watched.isWaiting()
      entry.isSlow =
        tookMs < windowMs + lateMs && isWaiting && entry.waitedAtStart && movedBytes - entry.movedBytes < leastBytes
      entry.movedBytes = movedBytes
      entry.waitedAtStart = isWaiting
      if (entry.isSlow && isWanted(watched.kind)) this.#cut(watched)
    }
    this.#ticking = false
    if (this.#entries.size > 0) this.#beginWindow()
  }

  #cut(watched: Watched): void {
    this.#entries.delete(watched)
    this.#options.onCut?.()
    const { leastBytesPerSecond } = this.#options
    watched.cut(
      new SkeinError(
        'resource_exhausted',
        `the client moved less than ${leastBytesPerSecond} bytes per second while others waited`,
        {
          reason: 'too_slow',
          retryable: true,
        },
      ),
    )
  }
}
