// Why: what every part of a job master may be given is said once. How: each part takes its share by
// `Pick`, and adds what is its own.
import type { LoadCommand, LoadEffect } from '../load/state/load-commands.ts'
import type { SetTarget } from '../wire/generated/job.ts'
import type { HoldBlocksRequest, HoldBlocksResponse } from '../wire/generated/worker.ts'
import type { DispatchContext } from './dispatch/dispatch-context.ts'
import type { Dispatcher } from './dispatch/dispatcher.ts'

/** Tells a worker which of its blocks a load counts on. */
export type HoldBlocks = (
  worker: SetTarget,
  request: HoldBlocksRequest,
  signal: AbortSignal,
) => Promise<HoldBlocksResponse>

export interface JobMasterContext extends DispatchContext {
  /** Journals a command and applies it. @throws SkeinError when the journal refuses it */
  readonly submit: (command: LoadCommand) => Promise<LoadEffect>
  readonly dispatcher: Dispatcher
  /** Undefined: what a load finds cached is not protected at the workers. */
  readonly holdBlocks?: HoldBlocks
}
