// Why: a list of paths is sent before its load, in parts that may arrive twice. How: each part is
// checked and journaled. A list that no load uses expires.
import { SkeinError } from '../../base/errors.ts'
import { firstNameOf } from '../../base/paths.ts'
import { indexToDrop, isWhole, type IndexPartStaged, severalNamesOfIndex } from '../../load/state/apply-lists.ts'
import type { IndexItem, IndexRecord } from '../../load/state/list-parts.ts'
import type { Tables } from '../../load/state/load-tables.ts'
import type { StageIndexRequest } from '../../wire/generated/job.ts'
import type { JobMasterContext } from '../job-master-context.ts'
import { partItemsMax } from '../plan/file-pages.ts'

/** Ten million paths. */
const partsMax = 10_000
/** Maximum number of lists, including those of loads that are kept. */
const listsMax = 10_000
const replicationMax = 1000
/** Lifetime of a list without a load. */
const keepMs = 3_600_000
const rowsPerCommand = 64

type StagingContext = Pick<JobMasterContext, 'tables' | 'submit' | 'clock'>

/**
 * Stages one part. Resolves when the part is durable.
 * @throws SkeinError invalid_argument
 */
export async function stageIndex(context: StagingContext, request: StageIndexRequest): Promise<void> {
  const { indexId, part, items } = request
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(indexId))
    throw new SkeinError('invalid_argument', 'an index id has up to 64 letters, digits, _ and -')
  if (!Number.isInteger(part) || part < 0 || part >= partsMax)
    throw new SkeinError('invalid_argument', `a list has at most ${partsMax * partItemsMax} paths`)
  if (items.length === 0 || items.length > partItemsMax)
    throw new SkeinError('invalid_argument', `a part of a list has 1 to ${partItemsMax} paths, not ${items.length}`)
  if (
    context.tables.indexes.get([indexId]) === undefined &&
    context.tables.stagedIndexes.scan([], 0, listsMax).length >= listsMax
  )
    throw new SkeinError(
      'resource_exhausted',
      `there are ${listsMax} lists of paths already: wait until some of their loads have ended`,
    )
  const checked = items.map(checkedItem)
  const names = new Set(checked.map(({ path }) => firstNameOf(path)))
  const [namespace = ''] = names.size === 1 ? names : [severalNamesOfIndex]
  const command: IndexPartStaged = {
    type: 'IndexPartStaged',
    nowMs: context.clock.nowMs(),
    indexId,
    namespace,
    part,
    items: checked,
  }
  await context.submit(command)
  if (context.tables.indexParts.get([indexId, part]) === undefined)
    throw new SkeinError('failed_precondition', 'the list of paths is closed: it is being loaded')
}

function checkedItem({ path, replication, etag }: IndexItem): IndexItem {
  if (firstNameOf(path) === '')
    throw new SkeinError('invalid_argument', `${path} cannot be in a list of paths: name a file or a directory`, {
      reason: 'usage',
    })
  if (replication !== undefined && (!Number.isInteger(replication) || replication < 1 || replication > replicationMax))
    throw new SkeinError(
      'invalid_argument',
      `${path}: ${replication} replicas: a whole number from 1 to ${replicationMax}`,
      {
        reason: 'usage',
      },
    )
  return { path, ...(replication !== undefined && { replication }), ...(etag !== undefined && etag !== '' && { etag }) }
}

/**
 * Returns the list that a load of a namespace (empty: the root mount) names.
 * @throws SkeinError not_found, failed_precondition (parts are missing), invalid_argument (another
 *   namespace)
 */
export function checkIndex(tables: Tables, indexId: string, namespace: string): IndexRecord {
  const record = tables.indexes.get([indexId])
  if (record === undefined)
    throw new SkeinError('not_found', 'the list of paths does not exist or has expired: submit the load again')
  if (!isWhole(record))
    throw new SkeinError(
      'failed_precondition',
      `the list of paths has only ${record.parts} of ${record.lastPart + 1} parts: submit the load again`,
    )
  // What a list for the root mount names of a namespace fails by itself.
  if (namespace === '' || record.namespace === namespace) return record
  if (record.namespace === severalNamesOfIndex)
    throw new SkeinError(
      'invalid_argument',
      `all paths of a load must be in one namespace: not all are in /${namespace}`,
      {
        reason: 'usage',
      },
    )
  throw new SkeinError('invalid_argument', `the paths are in /${record.namespace}, not in /${namespace}`, {
    reason: 'usage',
  })
}

/** Deletes expired lists without a load. */
export async function forgetIndexes(context: StagingContext, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    const nowMs = context.clock.nowMs()
    const indexId = indexToDrop(context.tables, nowMs, keepMs)
    if (indexId === undefined) return
    await context.submit({ type: 'IndexDropped', nowMs, indexId, rowsMax: rowsPerCommand })
  }
}
