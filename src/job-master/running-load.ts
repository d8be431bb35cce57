// Why: planning, auditing and retargeting are steps of a running load and must not depend on the
// runner that calls them. How: an interface with what they need.
import type { LoadCommand, LoadEffect } from '../load/state/load-commands.ts'
import type { LoadRecord } from '../load/load.ts'
import type { JobMasterContext } from './job-master-context.ts'

/** One unfinished load, as seen by its steps. */
export interface RunningLoad {
  readonly loadId: number
  readonly context: JobMasterContext
  /**
   * The current record of the load.
   * @throws SkeinError cancelled when the load was ended elsewhere
   */
  load(): LoadRecord
  submit(command: LoadCommand): Promise<LoadEffect>
  /** Records that a loaded file was freed by another client. */
  noteFreed(fileId: number): void
  /** Records the number of files whose replication was changed. */
  noteReplicationChanged(files: number): void
  /** Sets the reason for waiting that users see. Empty: the load does not wait. */
  waitFor(reason: string): void
  /**
   * Records progress, or another event, of the load.
   * @param readError why its blocks could not be read just now; cleared by progress
   */
  notify(madeProgress: boolean, readError?: string): void
  /**
   * Waits for a change of this load, or `ms`.
   * @throws the signal's reason
   */
  pause(ms: number, signal: AbortSignal): Promise<void>
  /** Whether the load has made no progress for longer than its patience. */
  outOfPatience(): boolean
  /** Fails the files of sets that wait for workers, if the patience is used up. */
  giveUpStalled(): Promise<void>
}
