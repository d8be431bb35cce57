// Why: large blocks share a few streams. A load that is slowed down by its store or by its pace
// would occupy the streams of all loads. How: such a load gets its own streams. If it is slowed
// down while its blocks are being copied, they leave the shared streams.
import type { Budget } from '../../base/flow/budget.ts'
import type { Lend } from '../../base/flow/lent-share.ts'
import type { StoreLease } from '../../ufs/store-cache.ts'
import type { ReadPace } from '../pace/read-pacer.ts'

interface BlockStreamsOptions {
  /** Shared by all loads (goosefs.job.worker.threadpool.size). */
  readonly streams: Budget
  readonly pace: Pick<ReadPace, 'runStream'>
  readonly lease: StoreLease
  readonly signal: AbortSignal
}

/** Copies a block. `lend` runs its waits for the store. */
export type CopyInStream = (lend: Lend) => Promise<void>

const waited: Lend = (wait) => wait()

/** Streams for the large blocks of one set. */
export class BlockStreams {
  readonly #options: BlockStreamsOptions

  constructor(options: BlockStreamsOptions) {
    this.#options = options
  }

  /** Runs a copy when a stream is free. Does not run it if the signal is aborted first. */
  async run(copy: CopyInStream): Promise<void> {
    if (this.#own() === undefined && (await this.#runInShared(copy))) return
    const own = this.#own()
    await (own === undefined ? copy(waited) : own(() => copy(waited)))
  }

  /** @returns false when the load was slowed down meanwhile and the copy has not started */
  async #runInShared(copy: CopyInStream): Promise<boolean> {
    const { streams, signal } = this.#options
    const stream = streams.tryAcquire(1) ?? (await streams.acquire(1, signal).catch(() => undefined))
    if (stream === undefined) return true
    try {
      if (this.#own() !== undefined) return false
      await copy((wait) => {
        // Released for good. A copy that waited for a stream again would hold bytes that copies
        // with a stream need.
        stream.release()
        return wait()
      })
      return true
    } finally {
      stream.release()
    }
  }

  #own(): ReturnType<ReadPace['runStream']> {
    return this.#options.pace.runStream(this.#options.lease.store.gate?.isSlow === true)
  }
}
