// Why: turns one page of a listing into sets. How: files whose blocks all have their replicas are
// counted as cached; the rest is cut into runs of blocks that lack the same thing, each run gets
// its targets, and small runs with the same targets share a set. Small files in a row get the same
// targets, the more of them the larger the load is, so that sets are full however many workers
// there are. Room is reserved as it is given out; what does not fit is reported, never planned.
import { blockCount, blockLength, sizeProblem } from '../../base/block-id.ts'
import type { PageCounts } from '../state/load-commands.ts'
import { hashNumbers } from '../placing/hash.ts'
import { pieceBytes, type FileFailure, type NewSet, type Piece } from '../load.ts'
import type { Placement, PlacementWish } from '../placing/placement.ts'
import { FileGroups } from './file-groups.ts'
import { type BatchLimits, type BlockRun, SetBatches } from './set-batches.ts'

/** What the master says of one object of the listing (wire: SyncedFile). */
export interface ListedFile {
  readonly fileId: number
  readonly key: string
  readonly length: number
  readonly etag: string
  readonly blockSizeBytes: number
  /** Replicas by block; empty when no block has one. */
  readonly blocks: readonly { readonly workerIds: readonly string[] }[]
  /** Not empty: it cannot be loaded, and why. */
  readonly problem: string
  /** The error code of the problem; failed_precondition when it says none. */
  readonly problemCode?: string | undefined
  /** Replicas of this file, where they are others than the load's. */
  readonly replication?: number | undefined
  /** That is what was set on it. */
  readonly replicationKept?: boolean
  /** What was set on it, as the master says; undefined: nothing was. */
  readonly replicationMin?: number | undefined
  readonly replicationMax?: number | undefined
  readonly crc64?: string | undefined
}

export interface PlannerOptions extends BatchLimits {
  readonly replication: number
  /** Bytes of a set of blocks of one large file; at least one block. */
  readonly largeSetBytes: number
  /** Files of one block in a row that get the same targets, see groupFilesOf; 1 when not given. */
  readonly groupFiles?: number
  /** Which workers get blocks, and whether others' colder ones may go for them. */
  readonly wish?: PlacementWish
  /** What is cached becomes sets that are held against the store's checksums. */
  readonly verify?: boolean
  /** Once a file had no room: the books as if it had got what there was, see PagePlan. */
  readonly shortBooks?: Placement | undefined
}

export interface PagePlan {
  readonly sets: NewSet[]
  readonly cached: Piece[]
  readonly failed: FileFailure[]
  readonly counts: PageCounts
  /**
   * Bytes (times missing replicas) that fit nowhere if all files are to be in; of the files that
   * have no room alone, their whole is in `failed`. So that bytes are counted as they are placed,
   * block by block on distinct workers, what is short takes what there is in books of their own,
   * and so does all that comes after it.
   */
  readonly missingBytes: number
  /** Those books; undefined while all had room. For the next page. */
  readonly shortBooks?: Placement | undefined
  /** Of a load that may evict: bytes by worker of what is there already and shall stay. */
  readonly held?: ReadonlyMap<string, number>
}

/**
 * One file makes no more sets than this: those of larger files hold more blocks than
 * `largeSetBytes`.
 */
const setsPerFileMax = 10_000

/**
 * How many of the first files make at most `setsMax` sets (an upper bound of what planPage makes of
 * them); at least one file.
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
    return Math.ceil(blockCount(file.length, file.blockSizeBytes) / blocksPerSet(file, options.largeSetBytes))
  // A file that is there in part may lack another replica at every block.
  const wanted = file.replication ?? options.replication
  const isShort = ({ workerIds }: { readonly workerIds: readonly string[] }): boolean =>
    workerIds.length < wanted ||
    workerIds.filter((workerId) => placement.holdsFor(workerId, options.wish?.hosts)).length < wanted
  return file.blocks.filter(isShort).length
}

function blocksPerSet(file: ListedFile, largeSetBytes: number): number {
  const most = Math.ceil(blockCount(file.length, file.blockSizeBytes) / setsPerFileMax)
  return Math.max(1, Math.floor(largeSetBytes / file.blockSizeBytes), most)
}

/**
 * Plans a page. The placement's reservations are the only thing it changes; releasePlan undoes
 * them.
 */
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
 * A load that may evict must not make room of what it counts on: before any file of the page gets
 * its targets.
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

/** The workers that have any block of a file. */
function holdersOf({ blocks }: ListedFile, { wish }: Pick<PlannerOptions, 'wish'>, placement: Placement): string[] {
  const holders = new Set(blocks.flatMap(({ workerIds }) => workerIds))
  return [...holders].filter((workerId) => placement.holdsFor(workerId, wish?.hosts)).toSorted()
}

function wholePiece(file: ListedFile): Piece {
  return pieceOf(file, 0, blockCount(file.length, file.blockSizeBytes), true)
}

/** Gives back what planPage reserved, when the plan is thrown away. */
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
 * Reserves room for the file, all or nothing; in the books of what is short: as much as there is.
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
    const hash = isSmall ? groups.hashOf(file.fileId, bytes) : hashNumbers(file.fileId, first)
    const targets = placement.place(hash, bytes, wanted, replicas, options.wish)
    if (targets.length < wanted && count > 1) {
      // No worker has room for all of the run: its halves may go to others.
      const half = Math.ceil(count / 2)
      waiting.push({ first: first + half, count: count - half, replicas }, { first, count: half, replicas })
      continue
    }
    placement.reserve(targets, bytes)
    if (targets.length < wanted) {
      const lacking = wanted - targets.length
      // What is too small for a block is room all the same for whoever adds to it.
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

/** Consecutive blocks with the same live replicas, cut at the bytes of a set (whole blocks). */
function runsOf(
  file: ListedFile,
  { largeSetBytes, wish }: Pick<PlannerOptions, 'largeSetBytes' | 'wish'>,
  placement: Placement,
): { first: number; count: number; replicas: string[] }[] {
  const blocksMax = blocksPerSet(file, largeSetBytes)
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

/** The bytes of each block of a piece: index and length. */
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
