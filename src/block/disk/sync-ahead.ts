// Why: a durable block is synced before it is committed, and its writer would wait until the disk
// has written all of it. How: while its bytes come, those that were written are synced, in the
// background, so that little is left at the end. One file at a time in a directory: syncs hold
// threads of the pool that readers need.
import { Budget } from '../../base/flow/budget.ts'
import { diskError, syncBytes } from './disk-calls.ts'

/** Bytes that are worth a sync. */
const syncedBytesMin = 8 * 1024 * 1024

/** The syncs of a directory. */
export function syncSlots(): Budget {
  return new Budget('files being synced ahead', 1)
}

/** Of one file that is being written. */
export class SyncAhead {
  readonly #fd: number
  readonly #slots: Pick<Budget, 'tryAcquire'>
  readonly #failed: (error: Error) => void
  #syncedBytes = 0
  #syncing: Promise<void> | undefined

  /**
   * @param failed called with the error of a sync: what the disk could not write then is lost, and
   *   no later sync tells of it
   */
  constructor(fd: number, slots: Pick<Budget, 'tryAcquire'>, failed: (error: Error) => void) {
    this.#fd = fd
    this.#slots = slots
    this.#failed = failed
  }

  /** So many bytes have been written from the start of the file on. */
  wrote(bytes: number): void {
    if (this.#syncing !== undefined || bytes - this.#syncedBytes < syncedBytesMin) return
    const slot = this.#slots.tryAcquire(1)
    if (slot === undefined) return
    this.#syncedBytes = bytes
    this.#syncing = syncBytes(this.#fd)
      .catch((thrown: unknown) => this.#failed(diskError(thrown, 'syncing a block')))
      .finally(() => {
        slot.release()
        this.#syncing = undefined
      })
  }

  /** Resolves when the descriptor is not used any more. Call it when nothing is written. */
  async settle(): Promise<void> {
    await this.#syncing
  }
}
