// Why: turns one page of a listing into sets. How: files whose blocks all have their replicas count
// as cached. The other files are cut into runs of blocks that lack the same replicas. Each run gets
// targets, and small runs with the same targets share a set. Consecutive small files get the same
// targets, and more of them in larger loads, so that sets are full however many workers there are.
// Room is reserved immediately. What does not fit is reported, never planned.
import { blockCount, blockLength, sizeProblem } from '../../base/block-id.ts'
import type { PageCounts } from '../state/load-commands.ts'
import { pieceBytes, type FileFailure, type NewSet, type Piece } from '../load.ts'
import type { Placement, PlacementWish } from '../placing/placement.ts'
import { blockKey } from '../placing/ranking.ts'
import { FileGroups } from './file-groups.ts'
import { type BatchLimits, type BlockRun, SetBatches } from './set-batches.ts'

/** One object of the listing, from the master (wire: SyncedFile). */
export interface ListedFile {
  readonly fileId: number
  readonly key: string
  readonly length: number
  readonly etag: string
  readonly blockSizeBytes: number
  /** Replicas by block. Empty when no block has one. */
  readonly blocks: readonly { readonly workerIds: readonly string[] }[]
  /** Why the object cannot be loaded. Empty: it can. */
  readonly problem: string
  /** Error code of the problem. Default: failed_precondition. */
  readonly problemCode?: string | undefined
  /** Replicas of this file, if they differ from the load's. */
  readonly replication?: number | undefined
  /** The replication was set on the file. */
  readonly replicationKept?: boolean
  /** Minimum replication that was set on the file. Undefined: none was set. */
  readonly replicationMin?: number | undefined
  readonly replicationMax?: number | undefined
  readonly crc64?: string | undefined
}

export interface PlannerOptions extends BatchLimits {
  readonly replication: number
  /** Bytes per set of blocks of one large file; at least one block. */
  readonly largeSetBytes: number
  /** Number of consecutive one-block files with the same targets, see groupFilesOf. Default: 1. */
  readonly groupFiles?: number
  /** Which workers get blocks, and whether colder blocks of others may be evicted. */
  readonly wish?: PlacementWish
  /** Cached files become sets that are compared with the checksums of the store. */
  readonly verify?: boolean
  /**
   * After a file without room: the ledger as if the file had got the room that there was, see
   * PagePlan.
   */
  readonly shortBooks?: Placement | undefined
}

export interface PagePlan {
  readonly sets: NewSet[]
  readonly cached: Piece[]
  readonly failed: FileFailure[]
  readonly counts: PageCounts
  /**
   * Bytes (times missing replicas) that fit nowhere if all files are loaded. Files without room are
   * listed in `failed`. To count the bytes as they would be placed, block by block on distinct
   * workers, files without room take the remaining room in a separate ledger, and so do all later
   * files.
   */
  readonly missingBytes: number
  /** The separate ledger, for the next page. Undefined while all files had room. */
  readonly shortBooks?: Placement | undefined
  /** Only with eviction: bytes per worker that are cached already and must be kept. */
  readonly held?: ReadonlyMap<string, number>
}

/** Maximum number of sets per file. Sets of larger files have more bytes than `largeSetBytes`. */
const setsPerFileMax = 10_000

/**
 * Returns how many of the first files make at most `setsMax` sets (an upper bound of what planPage
 * makes of them); at least one.
 */
export function filesWithin(
  files: readonly ListedFile[],
  options: Pick<PlannerOptions, 'replication' | 'largeSetBytes' | 'wish'>,
  placement: Placement,
  setsMax: number,
): number {
  let sets = 0
  for (const [index, file] of files.entries()) {
    sets += setsAtMost(file, options, placement)
    if (sets > setsMax) return Math.max(1, index)
  }
  return files.length
}

function setsAtMost(
  file: ListedFile,
  options: Pick<PlannerOptions, 'replication' | 'largeSetBytes' | 'wish'>,
  placement: Placement,
): number {
  if (file.blocks.length === 0)
    return Math.ceil(
      blockCount(file.length, file.blockSizeBytes) / blocksPerSet(file, options.largeSetBytes, placement),
    )
  // In a partly cached file, every block may lack another replica.
  const wanted = file.replication ?? options.replication
  const isShort = ({ workerIds }: { readonly workerIds: readonly string[] }): boolean =>
    workerIds.length < wanted ||
    workerIds.filter((workerId) => placement.holdsFor(workerId, options.wish?.hosts)).length < wanted
  return file.blocks.filter(isShort).length
}

/** On the ring each block has a place of its own. */
function blocksPerSet(file: ListedFile, largeSetBytes: number, { policy }: Placement): number {
  const most = Math.ceil(blockCount(file.length, file.blockSizeBytes) / setsPerFileMax)
  return Math.max(1, policy === 'ring' ? 1 : Math.floor(largeSetBytes / file.blockSizeBytes), most)
}

/** Plans a page. Changes only the reservations of the placement; releasePlan undoes them. */
export function planPage(
  files: readonly ListedFile[],
  options: PlannerOptions,
  placement: Placement,
  attempt = 1,
): PagePlan {
  const counts = { files: 0, bytes: 0, filesCached: 0, filesSkipped: 0, bytesCached: 0 }
  const cached: Piece[] = []
  const failed: FileFailure[] = []
  const batches = new SetBatches(options, attempt)
  const checks = new SetBatches(options, attempt)
  const groups = new FileGroups(options)
  let missingBytes = 0
  let shortBooks = options.shortBooks?.copy()
  const shortGroups = new FileGroups(options)
  const held = holdCached(files, options, placement)
  for (const file of files) {
    if (isDirectoryMarker(file)) {
      counts.filesSkipped += 1
      continue
    }
    counts.files += 1
    counts.bytes += file.length
    const problem = file.problem === '' ? sizeProblem(file.length, file.blockSizeBytes) : file.problem
    if (problem !== undefined) {
      failed.push(failureOf(file, file.problemCode ?? 'failed_precondition', problem))
      continue
    }
    const plan = planFile(file, options, placement, groups)
    if (plan.missingBytes > 0) shortBooks ??= placement.copy()
    const short = shortBooks === undefined ? 0 : planFile(file, options, shortBooks, shortGroups, true).missingBytes
    missingBytes += short
    const isWhole = plan.missingBytes === 0 && plan.runs.length === 0
    if (isWhole && options.verify === true && file.length > 0) {
      checks.add({ piece: wholePiece(file), targets: holdersOf(file, options, placement), elsewhere: [] })
      continue
    }
    counts.bytesCached += plan.cachedBytes
    if (plan.missingBytes > 0) {
      failed.push(
        failureOf(
          file,
          'resource_exhausted',
          whyNotPlaced(plan.missingBytes, file.replication ?? options.replication, placement),
        ),
      )
    } else if (plan.runs.length === 0) {
      counts.filesCached += 1
      cached.push(wholePiece(file))
    } else {
      for (const run of plan.runs) batches.add(run)
    }
  }
  const toCheck = checks.finish().map((set) => ({ ...set, verify: true }))
  const books = shortBooks === undefined ? {} : { shortBooks }
  const plan = { sets: [...batches.finish(), ...toCheck], cached, failed, counts, missingBytes, ...books }
  return held.size === 0 ? plan : { ...plan, held }
}

/**
 * Before any file of the page gets targets, holds the cached blocks that a load with eviction
 * relies on, so that it does not evict them.
 */
function holdCached(
  files: readonly ListedFile[],
  { wish }: Pick<PlannerOptions, 'wish'>,
  placement: Placement,
): Map<string, number> {
  const held = new Map<string, number>()
  if (wish?.evict !== true) return held
  for (const { blocks, length, blockSizeBytes } of files) {
    for (const [index, { workerIds }] of blocks.entries()) {
      for (const workerId of workerIds.filter((one) => placement.holdsFor(one, wish.hosts)))
        held.set(workerId, (held.get(workerId) ?? 0) + blockLength(length, blockSizeBytes, index))
    }
  }
  for (const [workerId, bytes] of held) placement.hold([workerId], bytes)
  return held
}

function whyNotPlaced(missingBytes: number, replication: number, placement: Placement): string {
  const live = placement.liveWorkers().length
  if (replication > live)
    return `replication ${replication} needs ${replication} live workers, ${live} ${live === 1 ? 'is' : 'are'} live`
  return `no room in the cache: ${missingBytes} bytes do not fit`
}

/** Workers that have any block of a file. */
function holdersOf({ blocks }: ListedFile, { wish }: Pick<PlannerOptions, 'wish'>, placement: Placement): string[] {
  const holders = new Set(blocks.flatMap(({ workerIds }) => workerIds))
  return [...holders].filter((workerId) => placement.holdsFor(workerId, wish?.hosts)).toSorted()
}

function wholePiece(file: ListedFile): Piece {
  return pieceOf(file, 0, blockCount(file.length, file.blockSizeBytes), true)
}

/** Releases the reservations of planPage when the plan is dropped. */
export function releasePlan(
  plan: { readonly sets: readonly NewSet[]; readonly held?: ReadonlyMap<string, number> },
  placement: Placement,
): void {
  for (const [workerId, bytes] of plan.held ?? []) placement.hold([workerId], -bytes)
  for (const set of plan.sets) {
    if (set.verify === true) continue
    for (const piece of set.pieces) placement.release(set.targets, pieceBytes(piece))
  }
}

interface FilePlan {
  readonly runs: BlockRun[]
  readonly cachedBytes: number
  readonly missingBytes: number
}

/**
 * Reserves room for the file, all or nothing. In the ledger for missing room: as much as there is.
 */
function planFile(
  file: ListedFile,
  options: PlannerOptions,
  placement: Placement,
  groups: FileGroups,
  isShort = false,
): FilePlan {
  const runs: BlockRun[] = []
  let cachedBytes = 0
  let missingBytes = 0
  const waiting = runsOf(file, options, placement).toReversed()
  for (let run = waiting.pop(); run !== undefined; run = waiting.pop()) {
    const { first, count, replicas } = run
    const piece = pieceOf(file, first, count, runs.length === 0)
    const bytes = pieceBytes(piece)
    const wanted = (file.replication ?? options.replication) - replicas.length
    if (wanted <= 0) {
      cachedBytes += bytes
      continue
    }
    const isSmall = file.length <= file.blockSizeBytes && replicas.length === 0
    const block = blockKey(file.fileId, first)
    const key = isSmall ? { ...block, hash: groups.hashOf(file.fileId, bytes) } : block
    const targets = placement.place(key, bytes, wanted, replicas, options.wish)
    if (targets.length < wanted && count > 1) {
      // No worker has room for the whole run: its halves may go to different workers.
      const half = Math.ceil(count / 2)
      waiting.push({ first: first + half, count: count - half, replicas }, { first, count: half, replicas })
      continue
    }
    placement.reserve(targets, bytes)
    if (targets.length < wanted) {
      const lacking = wanted - targets.length
      // Room that is too small for a block still reduces the room that is missing.
      const remainders = isShort
        ? placement.reserveRemainders(bytes, lacking, [...replicas, ...targets], options.wish)
        : 0
      missingBytes += bytes * lacking - remainders
    }
    runs.push({ piece, targets, elsewhere: replicas })
  }
  if (missingBytes > 0 && !isShort) for (const run of runs) placement.release(run.targets, pieceBytes(run.piece))
  return { runs, cachedBytes, missingBytes }
}

/**
 * Consecutive blocks with the same live replicas, with at most the bytes of a set (whole blocks).
 */
function runsOf(
  file: ListedFile,
  { largeSetBytes, wish }: Pick<PlannerOptions, 'largeSetBytes' | 'wish'>,
  placement: Placement,
): { first: number; count: number; replicas: string[] }[] {
  const blocksMax = blocksPerSet(file, largeSetBytes, placement)
  const runs: { first: number; count: number; replicas: string[]; name: string }[] = []
  const blocks = blockCount(file.length, file.blockSizeBytes)
  for (let index = 0; index < blocks; index += 1) {
    const replicas =
      file.blocks[index]?.workerIds.filter((workerId) => placement.holdsFor(workerId, wish?.hosts)).toSorted() ?? []
    const name = replicas.join(' ')
    const last = runs.at(-1)
    if (last !== undefined && last.name === name && last.count < blocksMax) last.count += 1
    else runs.push({ first: index, count: 1, replicas, name })
  }
  return runs
}

/** Yields index and length of each block of a piece. */
export function* blocksOf(piece: Piece): Iterable<{ readonly index: number; readonly bytes: number }> {
  for (let index = piece.firstBlock; index < piece.firstBlock + piece.blockCount; index += 1) {
    yield { index, bytes: blockLength(piece.length, piece.blockSizeBytes, index) }
  }
}

function isDirectoryMarker(file: ListedFile): boolean {
  return file.length === 0 && file.problem === '' && (file.key === '' || file.key.endsWith('/'))
}

function failureOf(file: ListedFile, code: string, reason: string): FileFailure {
  return { fileId: file.fileId, key: file.key, length: file.length, code, reason, attempts: 0, workerId: '' }
}

function pieceOf(file: ListedFile, firstBlock: number, count: number, lead: boolean): Piece {
  const { fileId, key, etag, length, blockSizeBytes, replication, replicationKept = false, crc64 = '' } = file
  const own = {
    ...(replication !== undefined && { replication }),
    ...(replicationKept && { replicationKept }),
    ...(crc64 !== '' && { crc64 }),
  }
  return { fileId, key, etag, length, blockSizeBytes, firstBlock, blockCount: count, lead, ...own }
}
