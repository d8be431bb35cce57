// Why: large blocks share a few streams. A load that is slowed down by its store or by its pace
// would occupy the streams of all loads. How: such a load gets its own streams, and returns to the
// shared ones when it is no longer slowed down. If it is slowed down while its blocks are being
// copied, they leave the shared streams, a bounded number of them.
import type { Budget } from '../../base/flow/budget.ts'
import { type Lend, waited } from '../../base/flow/lent-share.ts'
import type { StoreLease } from '../../ufs/store-cache.ts'
import type { ReadPace } from '../pace/read-pacer.ts'

interface BlockStreamsOptions {
  /** Shared by all loads (goosefs.job.worker.threadpool.size). */
  readonly streams: Budget
  readonly pace: Pick<ReadPace, 'ownStreams' | 'leaveShared'>
  readonly lease: StoreLease
  readonly signal: AbortSignal
}

/** Copies a block. `lend` runs its waits for the store. */
export type CopyInStream = (lend: Lend) => Promise<void>

/** Streams for the large blocks of one set. */
export class BlockStreams {
  readonly #options: BlockStreamsOptions

  constructor(options: BlockStreamsOptions) {
    this.#options = options
  }

  /** Runs a copy when a stream is free. Does not run it if the signal is aborted first. */
  async run(copy: CopyInStream): Promise<void> {
    const { streams, signal } = this.#options
    for (;;) {
      const own = this.#own()
      const stream = await (own ?? streams).acquire(1, signal).catch(() => undefined)
      if (stream === undefined) return
      let left: (() => void) | undefined
      try {
        // The load was slowed down, or is no longer, while the copy waited for its turn.
        if (this.#own() !== own) continue
        await copy(
          own !== undefined
            ? waited
            : (wait) => {
                left ??= this.#options.pace.leaveShared()
                // Released for good. A copy that waited for a stream again would hold bytes that
                // copies with a stream need.
                stream.release()
                return wait()
              },
        )
        return
      } finally {
        left?.()
        stream.release()
      }
    }
  }

  #own(): Budget | undefined {
    return this.#options.pace.ownStreams(this.#options.lease.store.gate?.isSlow === true)
  }
}
