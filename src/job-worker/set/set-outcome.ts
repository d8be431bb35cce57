// Why: collects the result of a set while its blocks are copied. How: only failures are recorded,
// so a set of thousands of small blocks that all arrived costs nothing to report. So does what is
// stored with objects, where that is nothing but the default.
import type { StoredMetadata } from '../../base/attributes/object-metadata.ts'
import type { SkeinError } from '../../base/errors.ts'
import { shortText } from '../../load/state/short-texts.ts'
import type { BlockFailure, FileReplacement, ReadMetadata, SetPiece } from '../../wire/generated/job.ts'
import type { FileMetadata } from '../../wire/generated/master.ts'

/** Of one report. What is left out is learned from the next look at the object. */
const metadataBytesMax = 4 * 1024 * 1024

export class SetOutcome {
  readonly failures: BlockFailure[] = []
  readonly replacements: FileReplacement[] = []
  /** By file id, of the objects that have some. */
  readonly #metadata = new Map<number, FileMetadata>()
  #metadataBytes = 0
  /** Bytes read from the store. */
  originBytes = 0
  /** Bytes of blocks in flight or copied, counted once per block. */
  bytesDone = 0
  /** Block replicas written. */
  replicasWritten = 0

  /** What is stored with the objects that were read; undefined when there is none. */
  get metadata(): ReadMetadata | undefined {
    return this.#metadata.size === 0 ? undefined : { files: [...this.#metadata.values()] }
  }

  /** Takes what is stored with an object, as long as the report stays small. */
  described(fileId: number, { contentType, userMetadata }: StoredMetadata): void {
    if ((contentType === undefined && userMetadata === undefined) || this.#metadata.has(fileId)) return
    const texts = [contentType ?? '', ...Object.entries(userMetadata ?? {}).flat()]
    const bytes = texts.reduce((sum, text) => sum + text.length, 0)
    if (this.#metadataBytes + bytes > metadataBytesMax) return
    this.#metadataBytes += bytes
    this.#metadata.set(fileId, {
      fileId,
      ...(contentType === undefined ? {} : { contentType }),
      ...(userMetadata === undefined ? {} : { userMetadata: { values: { ...userMetadata } } }),
    })
  }

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
