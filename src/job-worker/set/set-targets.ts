// Why: a target that is down fails every block of a set, each after a time-out. A few attempts are
// enough. How: after some "unreachable" failures in a row, the set stops using the target. The job
// master decides what to do with the blocks that are missing there.
import { type SkeinError, toSkeinError } from '../../base/errors.ts'
import type { BlockTarget } from '../../client/write/block-target.ts'
import type { WriteHints } from '../../wire/data/data-plane.ts'
import type { SetPiece } from '../../wire/generated/job.ts'
import type { SetOutcome } from './set-outcome.ts'

const failuresInARowMax = 3

/** One target of one set. */
export class SetTarget {
  readonly target: BlockTarget
  readonly #outcome: SetOutcome
  #failuresInARow = 0
  #lastFailure: SkeinError | undefined

  /** @param hints write hints for the blocks of the set, sent to the target with each block */
  constructor(target: BlockTarget, outcome: SetOutcome, hints: WriteHints = {}) {
    this.target = {
      workerId: target.workerId,
      open: (header, signal) => target.open(header, signal, hints),
      put: (block, signal) => target.put(block, signal, hints),
    }
    this.#outcome = outcome
  }

  /** Why the target is no longer used, or undefined. */
  get givenUp(): SkeinError | undefined {
    return this.#failuresInARow >= failuresInARowMax ? this.#lastFailure : undefined
  }

  succeeded(): void {
    this.#failuresInARow = 0
    this.#outcome.replicasWritten += 1
  }

  failed(piece: SetPiece, blockIndex: number, thrown: unknown): void {
    const error = toSkeinError(thrown)
    // All blocks of one request share its error: count one failure, not hundreds.
    const unreachable = error.code === 'unavailable' || error.code === 'deadline_exceeded'
    if (unreachable && error !== this.#lastFailure) this.#failuresInARow += 1
    this.#lastFailure = error
    this.#outcome.targetFailed(piece, blockIndex, this.target.workerId, error)
  }
}

/** Returns the targets that are still in use, and reports the block as missing on the others. */
export function usableTargets(
  targets: readonly SetTarget[],
  piece: SetPiece,
  blockIndex: number,
): readonly SetTarget[] {
  if (!targets.some((target) => target.givenUp !== undefined)) return targets
  for (const target of targets) {
    if (target.givenUp !== undefined) target.failed(piece, blockIndex, target.givenUp)
  }
  return targets.filter((target) => target.givenUp === undefined)
}
