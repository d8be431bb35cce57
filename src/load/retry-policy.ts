// Why: what happens after a part of a set failed. How: a pure function from what failed to the next sets: blocks that
// could not be read go to the same targets again, replicas that a worker refused go to another worker, a file that
// cannot be read at all is given up alone, and the rest of its set is in.
import { backoffMs, type RetryPolicy } from '../base/retry.ts'
import type { Random } from '../base/clock.ts'
import { hashNumbers } from './hash.ts'
import { carve, pieceBytes, setBytes, type FileFailure, type NewSet, type Piece } from './load.ts'
import type { Placement } from './placement.ts'
import { SetBatches, type PlannerOptions } from './planner.ts'

/** A block that is not on a target (wire: BlockFailure). */
export interface BlockFailure {
  readonly fileId: number
  readonly blockIndex: number
  /** Empty: the read failed, so it is missing on every target. */
  readonly workerId: string
  readonly code: string
  readonly retryable: boolean
  readonly message: string
}

export interface RetryContext {
  readonly policy: RetryPolicy
  readonly planner: Pick<PlannerOptions, 'batchFiles' | 'batchBytes'>
  readonly placement: Placement
  readonly random: Random
  readonly nowMs: number
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
}

/**
 * The next sets after one attempt. Failures of files or blocks that the set does not hold are ignored. A target that is
 * down and has no substitute costs no attempt: the set waits for it, and the load's own patience ends that.
 * Reservations follow: what arrived is no longer under way, what moved is reserved at its new target.
 */
export function planRetries(
  set: { readonly pieces: readonly Piece[]; readonly targets: readonly string[]; readonly attempt: number },
  failures: readonly BlockFailure[],
  context: RetryContext,
): RetryPlan {
  const byFile = Map.groupBy(failures, (failure) => failure.fileId)
  const failed = new Map<number, FileFailure>()
  const waiting: Missing[] = []
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
      failed.set(piece.fileId, failureOf(piece, final, set.attempt))
      continue
    }
    for (const missing of missingOf(piece, ofPiece, set.targets, context)) {
      count(missing.lacking, pieceBytes(missing.piece))
      const patient = missing.targets.some((target) =>
        ofPiece.some((failure) => failure.workerId === target && failure.code === 'unavailable'),
      )
      ;(patient ? waiting : again).push(missing)
    }
  }
  const dropped = set.pieces.filter((piece) => failed.has(piece.fileId))
  for (const piece of dropped) context.placement.release(set.targets, pieceBytes(piece))
  count(set.targets, setBytes({ pieces: dropped }))
  for (const target of set.targets) context.placement.arrived([target], setBytes(set) - (underWay.get(target) ?? 0))
  const keep = (missing: Missing): boolean => !failed.has(missing.piece.fileId)
  return {
    retries: [
      ...batch(again.filter(keep), set.attempt + 1, context.nowMs + backoffMs(context.policy, set.attempt, context.random), context),
      ...batch(waiting.filter(keep), set.attempt, context.nowMs + context.policy.initialMs, context),
    ],
    failed: [...failed.values()],
  }
}

/** The failure that ends the file: one that no retry mends, or any when the attempts are used up. */
function finalFailure(failures: readonly BlockFailure[], attempt: number, context: RetryContext): BlockFailure | undefined {
  const unreadable = failures.find((failure) => failure.workerId === '' && !failure.retryable)
  if (unreadable !== undefined) return unreadable
  if (attempt < context.policy.attemptsMax) return undefined
  return failures.find((failure) => failure.workerId === '' || failure.code !== 'unavailable') ?? undefined
}

/** What is missing of a piece, by the targets that it is missing on; failed targets are replaced where another worker has room. */
function missingOf(piece: Piece, failures: readonly BlockFailure[], targets: readonly string[], context: RetryContext): Missing[] {
  const byBlock = Map.groupBy(failures, (failure) => failure.blockIndex)
  const groups = Map.groupBy(byBlock.keys(), (index) => {
    const ofBlock = byBlock.get(index) ?? []
    const lacking = ofBlock.some((failure) => failure.workerId === '')
      ? targets
      : targets.filter((target) => ofBlock.some((f) => f.workerId === target))
    const refused = lacking.filter((target) => ofBlock.some((failure) => failure.workerId === target))
    return JSON.stringify([lacking, refused])
  })
  return [...groups].flatMap(([name, indexes]) => {
    const [lacking, refused] = JSON.parse(name) as [string[], string[]]
    const wanted = new Set(indexes)
    if (lacking.length === 0) return []
    return carve(piece, (index) => wanted.has(index)).map((part) => ({
      piece: part,
      lacking,
      targets: lacking.map((target) => (refused.includes(target) ? substitute(part, target, targets, context) : target)),
    }))
  })
}

/** Another worker for a piece, with its reservation; the same one when there is none. */
function substitute(piece: Piece, target: string, targets: readonly string[], context: RetryContext): string {
  const bytes = pieceBytes(piece)
  const [other] = context.placement.place(hashNumbers(piece.fileId, piece.firstBlock), bytes, 1, targets)
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

/** The two halves of a set whose job workers were lost again and again: whichever holds the cause, the other half is freed of it. */
export function splitSet(set: {
  readonly pieces: readonly Piece[]
  readonly targets: readonly string[]
  readonly attempt: number
}): NewSet[] {
  const { targets, attempt, pieces } = set
  const middle = Math.ceil(pieces.length / 2)
  return [pieces.slice(0, middle), pieces.slice(middle)]
    .filter((half) => half.length > 0)
    .map((half) => ({ pieces: half, targets, attempt: attempt + 1, notBeforeMs: 0 }))
}

/** Gives up every file of a set for one reason. */
export function giveUp(set: { readonly pieces: readonly Piece[]; readonly attempt: number }, code: string, reason: string): FileFailure[] {
  const byFile = new Map(set.pieces.map((piece) => [piece.fileId, piece]))
  return [...byFile.values()].map(({ fileId, key, length }) => ({ fileId, key, length, code, reason, attempts: set.attempt, workerId: '' }))
}

function failureOf(piece: Piece, failure: BlockFailure, attempts: number): FileFailure {
  const { fileId, key, length } = piece
  return { fileId, key, length, code: failure.code, reason: failure.message, attempts, workerId: failure.workerId }
}

function inPiece(piece: Piece, index: number): boolean {
  return index >= piece.firstBlock && index < piece.firstBlock + piece.blockCount
}
