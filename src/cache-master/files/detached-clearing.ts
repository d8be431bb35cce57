// Why: what was deleted is out of sight at once, but its inodes are still in the tables, and
// clearing away many of them in one command would stop the event loop. How: piece by piece, the
// first pieces while the caller waits, the rest behind.
import { toSkeinError } from '../../base/errors.ts'
import { detachedParentId } from '../../meta/meta-tables.ts'
import type { MasterContext } from '../master-context.ts'

/** Inodes that one command clears away: the event loop stands still for it. */
const clearedPerCommand = 1000
/** Commands that a caller waits for; what is more goes on behind. */
const clearingCommandsAwaited = 50
/**
 * Blocks that a worker may still have to be told to delete before more are added, and how long that
 * is waited for.
 */
const freesWaitingMax = 250_000
const freesWaitMs = 50
const freesWaits = 20

export class DetachedClearing {
  readonly #context: Pick<MasterContext, 'clock' | 'log' | 'logger' | 'tables' | 'workers'>

  constructor(context: Pick<MasterContext, 'clock' | 'log' | 'logger' | 'tables' | 'workers'>) {
    this.#context = context
  }

  /** Whether there is anything to clear away. */
  get isNeeded(): boolean {
    for (const _edge of this.#context.tables.edges(detachedParentId, '')) return true
    return false
  }

  /**
   * Clears away what was deleted; also after a restart in the middle of it. Much of it goes on
   * behind, so that callers hear in time.
   */
  async run(): Promise<void> {
    for (let commands = 0; commands < clearingCommandsAwaited; commands += 1) if (!(await this.#clearSome())) return
    this.#clearRest().catch((error: unknown) => {
      this.#context.logger.warn('clearing away what was deleted did not end; the next start goes on with it', {
        error: toSkeinError(error),
      })
    })
  }

  async #clearRest(): Promise<void> {
    const { workers, clock } = this.#context
    const { signal } = new AbortController()
    for (let more = true; more; more = await this.#clearSome()) {
      // What workers have still to be told lies in memory; one that is silent holds up nobody for
      // long.
      for (let waits = 0; waits < freesWaits && workers.freesWaiting() > freesWaitingMax; waits += 1)
        await clock.sleep(freesWaitMs, signal)
    }
  }

  /** @returns whether there may be more */
  async #clearSome(): Promise<boolean> {
    const { log, clock } = this.#context
    const { changed } = await log.submit({ type: 'clear_detached', atMs: clock.nowMs(), limit: clearedPerCommand })
    return changed >= clearedPerCommand
  }
}
