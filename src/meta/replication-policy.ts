// Why: how many replicas a block gets, where, and which go, is one decision that must never lose
// the last one. How: a pure function of a file's settings, a block's live replicas and the live
// workers. Replicas on workers that are being taken out of service do not count, and go once the
// others are enough.
import { assert } from '../base/assert.ts'
import type { Random } from '../base/clock.ts'

export interface ReplicationSettings {
  readonly min: number
  /** -1 = no limit; 0 = not cached at all. */
  readonly max: number
  readonly pinned: boolean
  /** Whether the bytes are at the store beneath too. */
  readonly persisted: boolean
}

export interface ReplicationWorker {
  readonly workerId: string
  readonly hostname: string
  readonly capacityBytes: number
  /** What may still be copied to it. */
  readonly freeBytes: number
  readonly decommissioning: boolean
  /** Whether it can be told of one more copy now. */
  readonly hasSlot: boolean
}

export interface BlockReplicas {
  readonly bytes: number
  /** Live workers that hold it. */
  readonly workerIds: readonly string[]
  /** Workers that a copy is on its way to. */
  readonly pendingIds: readonly string[]
  /** Replicas that were lost a moment ago and may come back by themselves. */
  readonly awaited: number
}

export interface BlockPlan {
  readonly copies: readonly { readonly sourceId: string; readonly targetId: string }[]
  /** Workers whose replica goes. */
  readonly drops: readonly string[]
  /** Replicas that are missing and that no worker has room for. */
  readonly unplaced: number
  /** Replicas that must wait until a worker can be told of one more copy. */
  readonly postponed: number
}

const nothingToDo: BlockPlan = { copies: [], drops: [], unplaced: 0, postponed: 0 }

/** The fewest replicas that may be left of a block that has any. */
export function replicasKept({ max, pinned, persisted }: ReplicationSettings): number {
  return max === 0 && persisted && !pinned ? 0 : 1
}

/**
 * What to do about one block. Nothing for a block without a live replica: it can only come from the
 * store. `workers`: all live ones by id; ids of `block` that are not among them are passed over.
 */
export function planBlock(
  settings: ReplicationSettings,
  block: BlockReplicas,
  workers: ReadonlyMap<string, ReplicationWorker>,
  random: Random,
): BlockPlan {
  const held = block.workerIds.flatMap((id) => workers.get(id) ?? [])
  if (held.length === 0) return nothingToDo
  const kept = replicasKept(settings)
  if (kept === 0) return { ...nothingToDo, drops: held.map((worker) => worker.workerId) }

  const staying = held.filter((worker) => !worker.decommissioning)
  const leaving = held.filter((worker) => worker.decommissioning)
  const most = settings.max < 0 ? Number.POSITIVE_INFINITY : Math.max(settings.max, kept)
  const wanted = Math.min(Math.max(settings.min, kept), most)
  const coming = block.pendingIds.filter(
    (id) => workers.get(id)?.decommissioning === false && !block.workerIds.includes(id),
  )
  // One replica that leaves and none that stays: whoever may return, this one must be copied before
  // it goes.
  const awaited = staying.length === 0 ? 0 : block.awaited
  const missing = wanted - staying.length - coming.length - awaited
  if (missing > 0) return planCopies(block, held, coming, missing, workers, random)

  const drops = surplus(staying, staying.length - most)
  if (staying.length >= wanted) drops.push(...leaving.map((worker) => worker.workerId))
  assert(held.length - drops.length >= kept, 'a plan would drop the last replica of a block')
  return drops.length === 0 ? nothingToDo : { ...nothingToDo, drops }
}

function planCopies(
  block: BlockReplicas,
  held: readonly ReplicationWorker[],
  coming: readonly string[],
  missing: number,
  workers: ReadonlyMap<string, ReplicationWorker>,
  random: Random,
): BlockPlan {
  const taken = new Set([...block.workerIds, ...block.pendingIds])
  const roomy = [...workers.values()].filter(
    (worker) => !worker.decommissioning && !taken.has(worker.workerId) && worker.freeBytes >= block.bytes,
  )
  const targets = chooseTargets(
    roomy.filter((worker) => worker.hasSlot),
    [
      ...held.filter((worker) => !worker.decommissioning).map(({ hostname }) => hostname),
      ...coming.map((id) => workers.get(id)?.hostname),
    ],
    missing,
    random,
  )
  const copies = targets.map((targetId) => ({ sourceId: pick(held, random).workerId, targetId }))
  const open = missing - targets.length
  const busy = Math.min(open, roomy.length - targets.length)
  return { copies, drops: [], unplaced: open - busy, postponed: busy }
}

/**
 * Up to `count` workers, drawn with their free bytes as weight; hosts that have no replica yet come
 * first.
 */
function chooseTargets(
  candidates: readonly ReplicationWorker[],
  hostsTaken: readonly (string | undefined)[],
  count: number,
  random: Random,
): string[] {
  // Weighted draw without replacement: the largest u^(1/w), u uniform in (0, 1) (Efraimidis and
  // Spirakis 2006), in logarithms.
  const ranked = candidates
    .map((worker) => ({
      worker,
      score: Math.log(Math.max(random(), Number.MIN_VALUE)) / Math.max(worker.freeBytes, 1),
    }))
    .sort((a, b) => b.score - a.score)
    .map(({ worker }) => worker)
  const hosts = new Set(hostsTaken)
  const chosen: ReplicationWorker[] = []
  for (const worker of ranked) {
    if (chosen.length === count) break
    if (hosts.has(worker.hostname)) continue
    hosts.add(worker.hostname)
    chosen.push(worker)
  }
  for (const worker of ranked) {
    if (chosen.length === count) break
    if (!chosen.includes(worker)) chosen.push(worker)
  }
  return chosen.map((worker) => worker.workerId)
}

/**
 * `count` replicas to drop: first those that share a host with another one, of these the fullest
 * worker's.
 */
function surplus(replicas: readonly ReplicationWorker[], count: number): string[] {
  const left = [...replicas].sort((a, b) => fullness(b) - fullness(a))
  const drops: string[] = []
  while (drops.length < count && left.length > 0) {
    const doubled = left.findIndex((worker) =>
      left.some((other) => other !== worker && other.hostname === worker.hostname),
    )
    drops.push(...left.splice(Math.max(doubled, 0), 1).map((worker) => worker.workerId))
  }
  return drops
}

function fullness({ capacityBytes, freeBytes }: ReplicationWorker): number {
  return capacityBytes > 0 ? 1 - freeBytes / capacityBytes : 1
}

function pick<T>(items: readonly T[], random: Random): T {
  const item = items[Math.floor(random() * items.length)] ?? items[0]
  assert(item !== undefined, 'nothing to pick from')
  return item
}
