// Why: an object may change or go while it is loaded, and the load then goes on with what the store
// has now. How: the new version is planned like a file of the listing; a file that is gone, was
// overwritten too often, or was wanted in its listed version only, is given up with a reason.
import type { LoadRecord } from '../../load/load.ts'
import { wishOf } from '../../load/load.ts'
import { planPage, type ListedFile } from '../../load/plan/planner.ts'
import type { Replacement } from '../../load/state/load-commands.ts'
import type { JobMasterContext } from '../job-master-context.ts'

/** A file of a set whose object changed or was deleted while it was loaded. */
interface ReplacedFile {
  readonly load: LoadRecord
  readonly set: number
  readonly old: {
    readonly fileId: number
    readonly key: string
    readonly length: number
    readonly replication?: number | undefined
  }
  /** The file as the store has it now; undefined when the object is gone. */
  readonly file: ListedFile | undefined
  readonly attempt: number
  /** Why the object is gone; without it, the object was deleted. */
  readonly goneReason?: string | undefined
}

const deletedReason = 'the object was deleted at the store during the load'

/** What becomes of a file whose object changed or was deleted while it was loaded. */
export function planReplacement(
  context: Pick<JobMasterContext, 'options' | 'cluster'>,
  { load, set, old, file, attempt, goneReason = deletedReason }: ReplacedFile,
): Replacement {
  const lost = (code: string, reason: string): Replacement => ({
    oldFileId: old.fileId,
    set,
    file: undefined,
    failure: { fileId: old.fileId, key: old.key, length: old.length, code, reason, attempts: attempt, workerId: '' },
    sets: [],
  })
  if (file === undefined) return lost('not_found', goneReason)
  if (attempt >= context.options.retry.attemptsMax)
    return lost('aborted', `the object was overwritten ${attempt} times during the load`)
  if (load.exactVersions === true)
    return lost('failed_precondition', 'the object changed at the store, and only the listed version was wanted')
  const { batchBytes, largeSetBytes } = context.options
  const { replication } = load.options
  const planner = {
    replication,
    batchFiles: load.options.batchSize,
    batchBytes,
    largeSetBytes,
    wish: wishOf(load.options),
  }
  const plan = planPage(
    [{ ...file, replication: old.replication }],
    planner,
    context.cluster.placementOf(load.loadId),
    attempt + 1,
  )
  const failure = plan.failed[0]
  if (failure !== undefined) return lost(failure.code, failure.reason)
  return {
    oldFileId: old.fileId,
    set,
    file: { fileId: file.fileId, length: file.length },
    failure: undefined,
    sets: plan.sets,
  }
}
