// Why: a load that may evict must not evict blocks that it has found cached, or it would read them
// again. How: before a page is planned, the workers are told which of their blocks the load relies
// on, and which loads are running, because blocks of a load that has ended may be evicted. Blocks
// that a worker no longer has are planned as not cached. For a worker that does not answer, the
// listing is trusted, and the audit checks the result.
import { blockIdOf } from '../../base/block-id.ts'
import { throwIfAborted } from '../../base/clock.ts'
import { toSkeinError } from '../../base/errors.ts'
import { formatLoadId } from '../../load/load.ts'
import { runningLoadsOf } from '../dispatch/named-loads.ts'
import type { RunningLoad } from '../running-load.ts'
import type { ListingPage } from './file-pages.ts'

const blocksPerCall = 10_000

/**
 * Returns the page without the replicas that are gone. The remaining ones are kept while the load
 * runs.
 * @throws the signal's reason
 */
export async function holdCached(runner: RunningLoad, page: ListingPage, signal: AbortSignal): Promise<ListingPage> {
  const { cluster, holdBlocks } = runner.context
  if (runner.load().options.evict !== true || holdBlocks === undefined) return page
  const byWorker = new Map(cluster.placement.liveWorkers().map(({ workerId }) => [workerId, [] as number[]]))
  for (const { fileId, blocks } of page.files)
    for (const [index, { workerIds }] of blocks.entries())
      for (const workerId of workerIds) byWorker.get(workerId)?.push(blockIdOf(fileId, index))
  const missing = new Map<string, ReadonlySet<number>>()
  await Promise.all(
    [...byWorker].map(async ([workerId, ids]) => missing.set(workerId, await hold(runner, workerId, ids, signal))),
  )
  if ([...missing.values()].every(({ size }) => size === 0)) return page
  const files = page.files.map((file) => ({
    ...file,
    blocks: file.blocks.map(({ workerIds }, index) => ({
      workerIds: workerIds.filter((workerId) => missing.get(workerId)?.has(blockIdOf(file.fileId, index)) !== true),
    })),
  }))
  return { ...page, files }
}

/** Returns the blocks that the worker does not have. */
async function hold(
  runner: RunningLoad,
  workerId: string,
  blockIds: readonly number[],
  signal: AbortSignal,
): Promise<Set<number>> {
  const { cluster, holdBlocks, tables, logger } = runner.context
  const loadId = formatLoadId(runner.loadId)
  const missing = new Set<number>()
  try {
    for (let from = 0; from === 0 || from < blockIds.length; from += blocksPerCall) {
      const { ids, before = 0 } = runningLoadsOf(tables)
      const request = { loadId, blockIds: blockIds.slice(from, from + blocksPerCall), runningLoads: ids, before }
      const answer = await holdBlocks?.(cluster.targetOf(workerId), request, signal)
      for (const blockId of answer?.missing ?? []) missing.add(blockId)
    }
  } catch (thrown) {
    throwIfAborted(signal)
    logger.debug('cannot hold the blocks of a load on a worker', {
      workerId,
      loadId,
      error: toSkeinError(thrown).message,
    })
  }
  return missing
}
