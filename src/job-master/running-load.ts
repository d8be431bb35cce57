// Why: planning, auditing and retargeting are steps of one running load, and must not know the
// runner that calls them. How: what they need of it, as an interface.
import type { LoadCommand, LoadEffect } from '../load/state/load-commands.ts'
import type { LoadRecord } from '../load/load.ts'
import type { JobMasterContext } from './job-master-context.ts'

/** One load that has not ended, as its steps see it. */
export interface RunningLoad {
  readonly loadId: number
  readonly context: JobMasterContext
  /** The load as it is now. @throws SkeinError cancelled once it has ended by other hands */
  load(): LoadRecord
  submit(command: LoadCommand): Promise<LoadEffect>
  /** A file was in and has been freed since, by others. */
  noteFreed(fileId: number): void
  /** Files got another replication than had been set on them. */
  noteReplicationChanged(files: number): void
  /** What people are told that the load waits for; empty when it does not. */
  waitFor(reason: string): void
  /**
   * Something happened to the load. `readError`: why its blocks could not be read just now;
   * progress ends that.
   */
  notify(madeProgress: boolean, readError?: string): void
  /** Waits for a change of this load, or `ms`. @throws the signal's reason */
  pause(ms: number, signal: AbortSignal): Promise<void>
  /** Whether nothing of the load has moved for the time of its patience. */
  outOfPatience(): boolean
  /** Fails the files of the sets that wait for workers, when the patience is used up. */
  giveUpStalled(): Promise<void>
}
