// Why: which workers get a block is a matter of policy; how many, and whether they have room, is
// not. How: a policy puts the live workers into an order for a block, best first. `rendezvous`:
// each worker gets a pseudo-random number from the hash of the block group, weighted by its free
// space, so that data spreads by free space. `ring`: the order in which GooseFS's clients ask
// workers for the block (base/ring), so that they find it at the first one; free space weighs
// nothing.
import { blockIndexOf, blockIdOf, containerOf } from '../../base/block-id.ts'
import { nativeWorkerId } from '../../base/ring/native-worker-id.ts'
import { ringOwner, ringPoints, type RingKey } from '../../base/ring/hash-ring.ts'
import { hashNumbers, hashUnit } from './hash.ts'
import { freeOf, type LedgerEntry } from './worker-ledger.ts'

export type PlacementPolicy = 'rendezvous' | 'ring'

/** What is placed. */
export interface PlacementKey {
  /** 32 bits; the same for blocks that belong together. */
  readonly hash: number
  /** The first block. Undefined: not known, so that the hash decides. */
  readonly blockId?: number
}

/** The key of a block that belongs with no other one. */
export function blockKey(fileId: number, index: number): PlacementKey {
  return { hash: hashNumbers(fileId, index), blockId: blockIdOf(fileId, index) }
}

/** How many hashes clients try for a block (goosefs.user.client.hash.policy.max.attempt). */
const attemptsMax = 100

/** The workers that may get the block, best first. @param mayHold by room and host */
export function* ranked(
  policy: PlacementPolicy,
  { hash, blockId }: PlacementKey,
  workers: readonly LedgerEntry[],
  mayHold: (entry: LedgerEntry) => boolean,
): Generator<LedgerEntry, void, undefined> {
  let rest = workers
  if (policy === 'ring' && blockId !== undefined) {
    const seen = new Set<LedgerEntry>()
    for (const entry of byRing(workers, blockId)) {
      seen.add(entry)
      // A worker without room has its place in the order, as clients ask it too.
      if (mayHold(entry)) yield entry
    }
    rest = workers.filter((entry) => !seen.has(entry))
  }
  yield* byRendezvous(rest.filter(mayHold), hash)
}

/**
 * Weighted rendezvous: -weight / ln(u), u uniform in (0, 1) (Schindelhauer and Schomaker, "Weighted
 * distributed hash tables").
 */
function byRendezvous(entries: readonly LedgerEntry[], hash: number): LedgerEntry[] {
  return entries
    .map((entry) => ({ entry, score: -Math.max(freeOf(entry), 1) / Math.log(hashUnit(hash, entry.hash)) }))
    .sort((a, b) => b.score - a.score)
    .map(({ entry }) => entry)
}

/** The workers in the order of the attempts of a client, each once; few may be left out. */
function* byRing(workers: readonly LedgerEntry[], blockId: number): Generator<LedgerEntry, void, undefined> {
  const points = workers.map((entry) => (entry.points ??= ringPoints(nativeWorkerId(entry.worker.workerId))))
  const key = nativeBlockKey(blockId)
  const seen = new Set<number>()
  for (let attempt = 0; attempt < attemptsMax && seen.size < workers.length; attempt += 1) {
    const owner = ringOwner(points, key, attempt)
    const entry = workers[owner]
    if (entry === undefined || seen.has(owner)) continue
    seen.add(owner)
    yield entry
  }
}

/**
 * The halves of the id that clients know a block by: 40 bits of container and 24 of index
 * (goosefs-rpc/ids/native-ids.ts).
 */
export function nativeBlockKey(blockId: number): RingKey {
  const container = containerOf(blockId)
  return { high: Math.floor(container / 256), low: ((container % 256) * 2 ** 24 + blockIndexOf(blockId)) >>> 0 }
}
