// Why: a job master starts with its state and with the exclusive right to write it. How: campaigns
// in the journal, opens the state, replays the journal, and passes all of it to the role.
import { join } from 'node:path'
import { toSkeinError } from '../base/errors.ts'
import { loadCommandProblem } from '../load/state/load-command-checks.ts'
import type { LoadCommand, LoadEffect } from '../load/state/load-commands.ts'
import { CommandLog } from '../journal/command-log.ts'
import { LmdbState } from '../journal/state/lmdb-state.ts'
import { decodeValue, encodeValue } from './row-codec.ts'
import { LoadTables } from './stored-tables.ts'
import type { JobMaster, JobMasterDependencies } from './job-master-contract.ts'
import { JobMasterRole } from './job-master-loops.ts'

/**
 * Opens the state and replays the journal.
 * @throws SkeinError data_loss, failed_precondition from the journal
 */
export async function createJobMaster(deps: JobMasterDependencies): Promise<JobMaster> {
  const { journal, logger, onFailure } = deps
  const { checkpointEntries, checkpointBytes } = deps.options
  // Get the right to write first, then open the state: another job master may have written until
  // now.
  const term = await journal.campaign('job-master', new AbortController().signal)
  const state = await LmdbState.open({ directory: join(deps.directory, 'state'), logger, onDamage: onFailure })
  try {
    const store = new LoadTables(state)
    const log = await CommandLog.open<LoadCommand, LoadEffect>({
      journal,
      term,
      state: store,
      check: loadCommandProblem,
      ...(deps.skip === undefined ? {} : { skip: deps.skip }),
      encode: encodeValue,
      decode: (bytes) => decodeValue(bytes) as LoadCommand,
      logger,
      checkpointEntries,
      checkpointBytes,
    })
    log.stopped.addEventListener('abort', () => onFailure(toSkeinError(log.stopped.reason)), { once: true })
    return new JobMasterRole(deps, store.tables, log, state)
  } catch (error) {
    await state.close()
    throw error
  }
}

export type { JobMaster, JobMasterDependencies } from './job-master-contract.ts'
