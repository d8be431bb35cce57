// Why: decides what happens after a part of a set has failed. How: a pure function from the
// failures to the next sets. Blocks that could not be read are retried on the same targets.
// Replicas that a worker refused go to another worker. A file that cannot be read is given up
// alone; the rest of its set counts as loaded.
import { backoffMs, type RetryPolicy } from '../../base/flow/retry.ts'
import type { Random } from '../../base/clock.ts'
import { blockKey } from '../placing/ranking.ts'
import { carve, pieceBytes, setBytes, type FileFailure, type NewSet, type Piece } from '../load.ts'
import type { Placement, PlacementWish } from '../placing/placement.ts'
import { type BatchLimits, SetBatches } from './set-batches.ts'

/** A block that is missing on a target (wire: BlockFailure). */
export interface BlockFailure {
  readonly fileId: number
  readonly blockIndex: number
  /** Empty: the read failed, so the block is missing on every target. */
  readonly workerId: string
  readonly code: string
  /** Reason of the error; empty if it has none. */
  readonly reason?: string
  readonly retryable: boolean
  readonly message: string
}

/**
 * `permanent`: a retry cannot help. `throttled`: the store asks for time. `transient`: any other
 * error that may pass.
 */
export type ErrorClass = 'transient' | 'throttled' | 'permanent'

/** Returns the class of a block's failure. */
export function errorClassOf({
  workerId,
  reason,
  retryable,
}: Pick<BlockFailure, 'workerId' | 'reason' | 'retryable'>): ErrorClass {
  if (reason === 'slow_down') return 'throttled'
  // If one cache worker refuses a block for good, another one may accept it.
  return retryable || workerId !== '' ? 'transient' : 'permanent'
}

/**
 * Attempts for an object that its store fails to return while it answers other requests
 * (job-worker/set/lone-fault.ts). They are fewer than for a store that is down. With the defaults
 * one attempt is 11 requests (fs.cosn.maxRetries) with at most 43 s of back-off, half of that on
 * average (100 ms doubled up to 10 s, full jitter), plus the time of the requests. So such a file
 * fails within 135 s, in about 70 s on average. With a store that is down: 5 attempts
 * (skein.load.attempts.max), within 4 minutes, about 2 on average.
 */
const loneAttemptsMax = 3

/** A store that asks for time gets the delay of this many additional attempts. */
const throttledSteps = 3
/** The blocks of a dead writer stay reserved for seconds: earlier retries are useless. */
const heldWaitMs = 1000
/**
 * A worker learns within seconds that a load has ended and its blocks may be evicted. Attempts
 * before that would all find it full.
 */
const fullWaitMs = 1000

export interface RetryContext {
  readonly policy: RetryPolicy
  readonly planner: BatchLimits
  readonly placement: Placement
  readonly wish?: PlacementWish
  readonly random: Random
  readonly nowMs: number
  /**
   * The job worker of the attempt. Named in the list of failed files if no cache worker caused the
   * failure.
   */
  readonly jobWorkerId?: string
}

export interface RetryPlan {
  readonly retries: NewSet[]
  readonly failed: FileFailure[]
}

interface Missing {
  readonly piece: Piece
  /** The targets of the attempt that lack the blocks, and the targets that must get them now. */
  readonly lacking: readonly string[]
  readonly targets: readonly string[]
  /** See NewSet. */
  readonly elsewhere: readonly string[]
}

/** The fields of a set that planRetries needs. */
type TriedSet = Omit<NewSet, 'notBeforeMs'>

/**
 * Plans the next sets after one attempt. Ignores failures of files or blocks that are not in the
 * set. These cases use up no attempt: a target that is down without a substitute (the set waits for
 * it, limited by the patience of the load); a block that another writer holds (it will soon be
 * complete, or its reservation expires); a straggler, whose read was aborted so that the rest of
 * its set could be reported (it continues in its own set). A target that is full without a
 * substitute gets some time between attempts. Reservations are updated: arrived bytes are no longer
 * in flight, and moved bytes are reserved on the new target.
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

/** Another writer, alive or dead, holds the block on this target. */
function isHeld(failure: BlockFailure): boolean {
  return failure.workerId !== '' && failure.code === 'already_exists' && failure.reason === 'being_written'
}

/** The read was aborted early as one of the last of its set (job-worker/pace/slow-reads.ts). */
function isStraggler(failure: BlockFailure): boolean {
  return failure.workerId === '' && failure.reason === 'straggler'
}

/** The store answers, but does not return this object. */
function isLone(failure: BlockFailure): boolean {
  return failure.workerId === '' && failure.reason === 'store_answers'
}

/** Waiting alone may help. */
function isPatient(failure: BlockFailure): boolean {
  if (isStraggler(failure)) return true
  return failure.workerId !== '' && (failure.code === 'unavailable' || isHeld(failure))
}

/**
 * The failure that ends the file: a permanent one, or any failure when the attempts are used up.
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
 * The missing blocks of a piece, by the targets that lack them. Failed targets are replaced if
 * another worker has room.
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

/** Returns another worker for a piece, with a reservation; the same worker if there is none. */
function substitute(piece: Piece, target: string, used: readonly string[], context: RetryContext): string {
  const bytes = pieceBytes(piece)
  const [other] = context.placement.place(blockKey(piece.fileId, piece.firstBlock), bytes, 1, used, context.wish)
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
 * Splits a set whose job workers were lost repeatedly in two halves: the half without the cause can
 * then be loaded.
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
