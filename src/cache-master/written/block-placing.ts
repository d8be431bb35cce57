// Why: of the workers that live, one takes a block that is being written. How: the more room it
// has, the more often it is chosen.
import type { Random } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import type { PlaceBlockRequest } from '../../wire/generated/lifecycle.ts'
import type { WorkerInfo } from '../../wire/generated/master.ts'
import type { MasterContext } from '../master-context.ts'

/** @throws SkeinError resource_exhausted (reason `no_capacity`), unavailable without workers */
export function placeForBlock(
  { workers }: Pick<MasterContext, 'workers'>,
  random: Random,
  request: PlaceBlockRequest,
): WorkerInfo {
  const { length } = request
  const live = workers.list().filter((worker) => worker.live && worker.decommissioning !== true)
  const others = live.filter(({ workerId }) => !request.excludedWorkerIds.includes(workerId))
  if (others.length === 0)
    throw new SkeinError('unavailable', 'no worker can store the block: all live workers were tried')
  const roomy = others.filter((worker) => freeBytes(worker) >= length)
  const most = Math.max(...others.map(freeBytes))
  // A writer of unknown length reserves a whole block and may need little of it. If all room is
  // reserved, a worker may take it from writers that stand still: the roomiest one is asked.
  if (roomy.length === 0 && request.openEnded === true)
    roomy.push(...others.filter((worker) => worker.capacityBytes >= length && freeBytes(worker) === most).slice(0, 1))
  if (roomy.length === 0) {
    const message = `no worker has room for ${length} bytes: the most that is free on one is ${most}`
    throw new SkeinError('resource_exhausted', message, { reason: 'no_capacity' })
  }
  return draw(roomy, random)
}

function draw(workers: readonly WorkerInfo[], random: Random): WorkerInfo {
  const total = workers.reduce((sum, worker) => sum + freeBytes(worker), 0)
  let left = random() * total
  for (const worker of workers) {
    left -= freeBytes(worker)
    if (left < 0) return worker
  }
  const last = workers.at(-1)
  if (last === undefined) throw new SkeinError('unavailable', 'no worker can store the block')
  return last
}

function freeBytes(worker: WorkerInfo): number {
  return Math.max(0, worker.capacityBytes - worker.usedBytes)
}
