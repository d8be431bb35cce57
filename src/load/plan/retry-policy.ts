// Why: what happens after a part of a set failed. How: a pure function from what failed to the next
// sets: blocks that could not be read go to the same targets again, replicas that a worker refused
// go to another worker, a file that cannot be read at all is given up alone, and the rest of its
// set is in.
import { backoffMs, type RetryPolicy } from '../../base/flow/retry.ts'
import type { Random } from '../../base/clock.ts'
import { hashNumbers } from '../placing/hash.ts'
import { carve, pieceBytes, setBytes, type FileFailure, type NewSet, type Piece } from '../load.ts'
import type { Placement, PlacementWish } from '../placing/placement.ts'
import { type BatchLimits, SetBatches } from './set-batches.ts'

/** A block that is not on a target (wire: BlockFailure). */
export interface BlockFailure {
  readonly fileId: number
  readonly blockIndex: number
  /** Empty: the read failed, so it is missing on every target. */
  readonly workerId: string
  readonly code: string
  /** The error's reason; empty when it has none. */
  readonly reason?: string
  readonly retryable: boolean
  readonly message: string
}

/**
 * `permanent`: no retry mends it. `throttled`: the store asks for time. `transient`: anything else
 * that may pass.
 */
export type ErrorClass = 'transient' | 'throttled' | 'permanent'

/** The class of a block's failure. */
export function errorClassOf({
  workerId,
  reason,
  retryable,
}: Pick<BlockFailure, 'workerId' | 'reason' | 'retryable'>): ErrorClass {
  if (reason === 'slow_down') return 'throttled'
  // What a cache worker refuses for good, another one may take.
  return retryable || workerId !== '' ? 'transient' : 'permanent'
}

/**
 * An object that its store fails to give while it answers other requests
 * (job-worker/set/lone-fault.ts) is tried so often at most, by fewer attempts than a store that is
 * down is waited for. With the defaults one attempt is 11 requests (fs.cosn.maxRetries) over at
 * most 43 s of back-off, half of that on average (100 ms doubled up to 10 s, full jitter), besides
 * what the requests themselves take; so such a file fails within 135 s, about 70 s on average. A
 * store that is down: 5 attempts (skein.load.attempts.max), within 4 minutes, about 2 on average.
 */
const loneAttemptsMax = 3

/** A store that asks for time gets more of it: as after so many more attempts. */
const throttledSteps = 3
/** A writer that died holds its blocks for seconds: asking again sooner is of no use. */
const heldWaitMs = 1000
/**
 * A worker hears within seconds that a load has ended whose blocks may go: all attempts within less
 * would find it full.
 */
const fullWaitMs = 1000

export interface RetryContext {
  readonly policy: RetryPolicy
  readonly planner: BatchLimits
  readonly placement: Placement
  readonly wish?: PlacementWish
  readonly random: Random
  readonly nowMs: number
  /** Who tried: named in the list of failed files where no cache worker is to blame. */
  readonly jobWorkerId?: string
}

export interface RetryPlan {
  readonly retries: NewSet[]
  readonly failed: FileFailure[]
}

interface Missing {
  readonly piece: Piece
  /** The targets of the attempt that lack it, and those that shall get it now. */
  readonly lacking: readonly string[]
  readonly targets: readonly string[]
  /** See NewSet. */
  readonly elsewhere: readonly string[]
}

/** What planRetries asks of a set. */
type TriedSet = Omit<NewSet, 'notBeforeMs'>

/**
 * The next sets after one attempt. Failures of files or blocks that the set does not hold are
 * ignored. A target that is down and has no substitute costs no attempt: the set waits for it, and
 * the load's own patience ends that. A block that another writer holds costs none either: soon it
 * is there, or its reservation has run out. A target that is full and has no substitute is given
 * some time between attempts. Nor does a straggler, whose read was ended so that the rest of its
 * set can be reported: it goes on in a set of its own. Reservations follow: what arrived is no
 * longer under way, what moved is reserved at its new target.
 */
export function planRetries(set: TriedSet, failures: readonly BlockFailure[], context: RetryContext): RetryPlan {
  const byFile = Map.groupBy(failures, (failure) => failure.fileId)
  const failed = new Map<number, FileFailure>()
  const waiting: Missing[] = []
  const held: Missing[] = []
  const stragglers: Missing[] = []
  const throttled: Missing[] = []
  const full: Missing[] = []
  const again: Missing[] = []
  const underWay = new Map(set.targets.map((target) => [target, 0]))
  const count = (targets: readonly string[], bytes: number): void => {
    for (const target of targets) underWay.set(target, (underWay.get(target) ?? 0) + bytes)
  }
  for (const piece of set.pieces) {
    const ofPiece = byFile.get(piece.fileId)?.filter((failure) => inPiece(piece, failure.blockIndex)) ?? []
    if (ofPiece.length === 0 || failed.has(piece.fileId)) continue
    const final = finalFailure(ofPiece, set.attempt, context)
    if (final !== undefined) {
      failed.set(piece.fileId, failureOf(piece, final, set.attempt, context))
      continue
    }
    for (const missing of missingOf(piece, ofPiece, set, context)) {
      count(missing.lacking, pieceBytes(missing.piece))
      const stays = (failure: BlockFailure): boolean => missing.targets.includes(failure.workerId)
      if (ofPiece.some((failure) => stays(failure) && isHeld(failure))) held.push(missing)
      else if (ofPiece.some((failure) => stays(failure) && isPatient(failure))) waiting.push(missing)
      else if (ofPiece.every(isStraggler)) stragglers.push(missing)
      else if (ofPiece.some((failure) => errorClassOf(failure) === 'throttled')) throttled.push(missing)
      else if (ofPiece.some((failure) => stays(failure) && failure.reason === 'no_capacity')) full.push(missing)
      else again.push(missing)
    }
  }
  const dropped = set.pieces.filter((piece) => failed.has(piece.fileId))
  for (const piece of dropped) context.placement.release(set.targets, pieceBytes(piece))
  count(set.targets, setBytes({ pieces: dropped }))
  for (const target of set.targets) context.placement.arrived([target], setBytes(set) - (underWay.get(target) ?? 0))
  const keep = (missing: Missing): boolean => !failed.has(missing.piece.fileId)
  const backOff = (steps: number): number =>
    context.nowMs + backoffMs(context.policy, set.attempt + steps, context.random)
  return {
    retries: [
      ...batch(stragglers.filter(keep), set.attempt, context.nowMs, context),
      ...batch(throttled.filter(keep), set.attempt + 1, backOff(throttledSteps), context),
      ...batch(again.filter(keep), set.attempt + 1, backOff(0), context),
      ...batch(
        full.filter(keep),
        set.attempt + 1,
        Math.max(backOff(0), context.nowMs + fullWaitMs * (1 + context.random())),
        context,
      ),
      ...batch(waiting.filter(keep), set.attempt, context.nowMs + context.policy.initialMs, context),
      ...batch(held.filter(keep), set.attempt, context.nowMs + heldWaitMs * (1 + context.random()), context),
    ],
    failed: [...failed.values()],
  }
}

/** Another writer has the block at this target, alive or dead. */
function isHeld(failure: BlockFailure): boolean {
  return failure.workerId !== '' && failure.code === 'already_exists' && failure.reason === 'being_written'
}

/** Its read was ended early, as the last of its set (job-worker/pace/slow-reads.ts). */
function isStraggler(failure: BlockFailure): boolean {
  return failure.workerId === '' && failure.reason === 'straggler'
}

/** The store answers, but does not give this object. */
function isLone(failure: BlockFailure): boolean {
  return failure.workerId === '' && failure.reason === 'store_answers'
}

/** Time alone may mend it. */
function isPatient(failure: BlockFailure): boolean {
  if (isStraggler(failure)) return true
  return failure.workerId !== '' && (failure.code === 'unavailable' || isHeld(failure))
}

/**
 * The failure that ends the file: one that no retry mends, or any when the attempts are used up.
 */
function finalFailure(
  failures: readonly BlockFailure[],
  attempt: number,
  context: RetryContext,
): BlockFailure | undefined {
  const unreadable = failures.find((failure) => errorClassOf(failure) === 'permanent')
  if (unreadable !== undefined) return unreadable
  const lone = failures.find(isLone)
  if (lone !== undefined && attempt >= Math.min(loneAttemptsMax, context.policy.attemptsMax)) return lone
  if (attempt < context.policy.attemptsMax) return undefined
  return failures.find((failure) => !isPatient(failure))
}

/**
 * What is missing of a piece, by the targets that it is missing on; failed targets are replaced
 * where another worker has room.
 */
function missingOf(
  piece: Piece,
  failures: readonly BlockFailure[],
  { targets, elsewhere: others = [] }: TriedSet,
  context: RetryContext,
): Missing[] {
  const byBlock = Map.groupBy(failures, (failure) => failure.blockIndex)
  const groups = Map.groupBy(byBlock.keys(), (index) => {
    const ofBlock = byBlock.get(index) ?? []
    const lacking = ofBlock.some((failure) => failure.workerId === '')
      ? targets
      : targets.filter((target) => ofBlock.some((f) => f.workerId === target))
    const refused = lacking.filter((target) =>
      ofBlock.some((failure) => failure.workerId === target && !isHeld(failure)),
    )
    return JSON.stringify([lacking, refused])
  })
  return [...groups].flatMap(([name, indexes]) => {
    const [lacking, refused] = JSON.parse(name) as [string[], string[]]
    const wanted = new Set(indexes)
    if (lacking.length === 0) return []
    return carve(piece, (index) => wanted.has(index)).map((part) => {
      const used = [...others, ...targets]
      const next = lacking.map((target) => {
        const other = refused.includes(target) ? substitute(part, target, used, context) : target
        used.push(other)
        return other
      })
      const elsewhere = [...others, ...targets.filter((target) => !lacking.includes(target))]
      return { piece: part, lacking, targets: next, elsewhere }
    })
  })
}

/** Another worker for a piece, with its reservation; the same one when there is none. */
function substitute(piece: Piece, target: string, used: readonly string[], context: RetryContext): string {
  const bytes = pieceBytes(piece)
  const [other] = context.placement.place(hashNumbers(piece.fileId, piece.firstBlock), bytes, 1, used, context.wish)
  if (other === undefined) return target
  context.placement.release([target], bytes)
  context.placement.reserve([other], bytes)
  return other
}

function batch(missing: readonly Missing[], attempt: number, notBeforeMs: number, context: RetryContext): NewSet[] {
  const batches = new SetBatches(context.planner, attempt, Math.ceil(notBeforeMs))
  for (const run of missing) batches.add(run)
  return batches.finish()
}

/**
 * The two halves of a set whose job workers were lost again and again: whichever holds the cause,
 * the other half is freed of it.
 */
export function splitSet({ pieces, targets, attempt, elsewhere }: TriedSet): NewSet[] {
  const middle = Math.ceil(pieces.length / 2)
  return [pieces.slice(0, middle), pieces.slice(middle)]
    .filter((half) => half.length > 0)
    .map((half) => ({ pieces: half, targets, attempt: attempt + 1, notBeforeMs: 0, elsewhere }))
}

/** Gives up every file of a set for one reason. */
export function giveUp(
  set: { readonly pieces: readonly Piece[]; readonly attempt: number },
  code: string,
  reason: string,
): FileFailure[] {
  const byFile = new Map(set.pieces.map((piece) => [piece.fileId, piece]))
  return [...byFile.values()].map(({ fileId, key, length }) => ({
    fileId,
    key,
    length,
    code,
    reason,
    attempts: set.attempt,
    workerId: '',
  }))
}

function failureOf(
  piece: Piece,
  failure: BlockFailure,
  attempts: number,
  { jobWorkerId = '' }: RetryContext,
): FileFailure {
  const { fileId, key, length } = piece
  const workerId = failure.workerId === '' ? jobWorkerId : failure.workerId
  return {
    fileId,
    key,
    length,
    code: failure.code,
    reason: failure.message,
    attempts,
    workerId,
    class: errorClassOf(failure),
  }
}

function inPiece(piece: Piece, index: number): boolean {
  return index >= piece.firstBlock && index < piece.firstBlock + piece.blockCount
}
