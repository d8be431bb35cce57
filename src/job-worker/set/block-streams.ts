// Why: large blocks take turns in a few streams, and a load that is held back would hold the
// streams of all loads for as long as its store or its pace makes it wait. How: such a load has
// streams of its own; one that is held back when its blocks are under way leaves the shared
// streams.
import type { Budget } from '../../base/flow/budget.ts'
import type { Lend } from '../../base/flow/lent-share.ts'
import type { StoreLease } from '../../ufs/store-cache.ts'
import type { ReadPace } from '../pace/read-pacer.ts'

interface BlockStreamsOptions {
  /** Of all loads (goosefs.job.worker.threadpool.size). */
  readonly streams: Budget
  readonly pace: Pick<ReadPace, 'runStream'>
  readonly lease: StoreLease
  readonly signal: AbortSignal
}

/** Copies a block; `lend` carries out its waits for the store. */
export type CopyInStream = (lend: Lend) => Promise<void>

const waited: Lend = (wait) => wait()

/** The streams of one set's large blocks. */
export class BlockStreams {
  readonly #options: BlockStreamsOptions

  constructor(options: BlockStreamsOptions) {
    this.#options = options
  }

  /** Runs a copy when there is a stream for it; not at all when an abort comes first. */
  async run(copy: CopyInStream): Promise<void> {
    if (this.#own() === undefined && (await this.#runInShared(copy))) return
    const own = this.#own()
    await (own === undefined ? copy(waited) : own(() => copy(waited)))
  }

  /** False: meanwhile the load is held back, and the copy has not begun. */
  async #runInShared(copy: CopyInStream): Promise<boolean> {
    const { streams, signal } = this.#options
    const stream = streams.tryAcquire(1) ?? (await streams.acquire(1, signal).catch(() => undefined))
    if (stream === undefined) return true
    try {
      if (this.#own() !== undefined) return false
      await copy((wait) => {
        // For good: whoever waited for a stream again would hold bytes that those with one wait
        // for.
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
