// Why: an object may change or disappear while it is loaded. The load then continues with the
// current version. How: the new version is planned like a file of the listing. A file is given up
// with a reason if it is gone, was overwritten too often, or was wanted only in its listed version.
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
  /** The file as the store has it now; undefined: the object is gone. */
  readonly file: ListedFile | undefined
  readonly attempt: number
  /** Why the object is gone. Default: it was deleted. */
  readonly goneReason?: string | undefined
}

const deletedReason = 'the object was deleted from the store during the load'

/** Plans a file whose object changed or was deleted during the load. */
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
    return lost('failed_precondition', 'the object changed in the store, and only the listed version was requested')
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
