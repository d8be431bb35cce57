// Why: declares once what the parts of a job master need. How: each part takes what it needs with
// `Pick`, and adds its own fields.
import type { LoadCommand, LoadEffect } from '../load/state/load-commands.ts'
import type { SetTarget } from '../wire/generated/job.ts'
import type { HoldBlocksRequest, HoldBlocksResponse } from '../wire/generated/worker.ts'
import type { DispatchContext } from './dispatch/dispatch-context.ts'
import type { Dispatcher } from './dispatch/dispatcher.ts'

/** Tells a worker which of its blocks a load relies on. */
export type HoldBlocks = (
  worker: SetTarget,
  request: HoldBlocksRequest,
  signal: AbortSignal,
) => Promise<HoldBlocksResponse>

export interface JobMasterContext extends DispatchContext {
  /**
   * Journals a command and applies it.
   * @throws SkeinError when the journal refuses it
   */
  readonly submit: (command: LoadCommand) => Promise<LoadEffect>
  readonly dispatcher: Dispatcher
  /** Undefined: cached blocks that a load found are not protected on the workers. */
  readonly holdBlocks?: HoldBlocks
}
