// Why: what is bounded must not be held by those who send nothing, or take nothing, while others
// wait for it. How: every request that holds some of it is watched. As long as nobody waits, a slow
// peer may take its time (idle-watch.ts ends only who stands still). While somebody waits, whoever
// let a whole window pass with less than the least rate is cut. A window in which this process
// itself stood still says nothing of its peers.
import type { Clock } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'

export interface StragglerOptions {
  readonly clock: Pick<Clock, 'monotonicMs' | 'schedule'>
  /** Of one request, when others wait for what it holds. */
  readonly leastBytesPerSecond: number
  /** Whether somebody waits for what requests of this kind hold. */
  readonly isWanted: (kind: string) => boolean
  /** Told of each that is cut. */
  readonly onCut?: () => void
}

/** A request in progress. */
export interface Watched {
  /** What it holds. */
  readonly kind: string
  readonly peer: string
  /** Whether it waits for its peer now, and not for this process. */
  readonly isWaiting: () => boolean
  /** Bytes that have come from the peer, or were taken by it, so far. */
  readonly movedBytes: () => number
  readonly cut: (error: SkeinError) => void
}

interface Entry {
  movedBytes: number
  waitedAtStart: boolean
  /** It let the last whole window pass. */
  isSlow: boolean
}

const windowMs = 1000
/** A window that came later than this was held up here. */
const lateMs = 500

export class Stragglers {
  readonly #options: StragglerOptions
  readonly #entries = new Map<Watched, Entry>()
  #windowFromMs = 0
  #ticking = false

  constructor(options: StragglerOptions) {
    this.#options = options
  }

  /** Watches a request. @returns what ends it */
  watch(watched: Watched): () => void {
    this.#entries.set(watched, { movedBytes: watched.movedBytes(), waitedAtStart: watched.isWaiting(), isSlow: false })
    if (!this.#ticking) this.#beginWindow()
    return () => this.#entries.delete(watched)
  }

  /**
   * Cuts the first that was slow in the last window, of this peer where one is given. @returns
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
    this.#windowFromMs = this.#options.clock.monotonicMs()
    this.#options.clock.schedule(windowMs, () => this.#endWindow())
  }

  #endWindow(): void {
    const { clock, leastBytesPerSecond, isWanted } = this.#options
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
        `the client moved less than ${leastBytesPerSecond} bytes a second while others waited`,
        {
          reason: 'too_slow',
          retryable: true,
        },
      ),
    )
  }
}
