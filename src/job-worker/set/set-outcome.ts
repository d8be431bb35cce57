// Why: collects the result of a set while its blocks are copied. How: only failures are recorded,
// so a set of thousands of small blocks that all arrived costs nothing to report.
import type { SkeinError } from '../../base/errors.ts'
import { shortText } from '../../load/state/short-texts.ts'
import type { BlockFailure, FileReplacement, SetPiece } from '../../wire/generated/job.ts'

export class SetOutcome {
  readonly failures: BlockFailure[] = []
  readonly replacements: FileReplacement[] = []
  /** Bytes read from the store. */
  originBytes = 0
  /** Bytes of blocks in flight or copied, counted once per block. */
  bytesDone = 0
  /** Block replicas written. */
  replicasWritten = 0

  /** The block could not be read, so it is missing on every target. */
  readFailed(piece: SetPiece, blockIndex: number, error: SkeinError): void {
    this.#failed(piece, blockIndex, '', error)
  }

  /** The block is missing on this target. */
  targetFailed(piece: SetPiece, blockIndex: number, workerId: string, error: SkeinError): void {
    this.#failed(piece, blockIndex, workerId, error)
  }

  #failed(piece: SetPiece, blockIndex: number, workerId: string, error: SkeinError): void {
    const { code, message, reason = '' } = error
    // Another attempt is writing the block: it will be complete soon, or its reservation expires.
    // The job master waits for that.
    const retryable = error.retryable || (code === 'already_exists' && reason === 'being_written')
    this.failures.push({
      fileId: piece.fileId,
      blockIndex,
      workerId,
      code,
      reason,
      retryable,
      message: shortText(message),
    })
  }
}
