// Why: a block is refused for the same reasons, and in the same words, wherever it goes. How: pure
// checks that both kinds of reservation (directory-reservation.ts, segment-reservation.ts) and of
// store call.
import { SkeinError } from '../../base/errors.ts'
import { pageCount } from './block-file.ts'
import type { BlockHeader } from '../block-store.ts'

/** The error of a call on a reservation that was committed or aborted. */
export function reservationEnded({ blockId }: BlockHeader): SkeinError {
  return new SkeinError('aborted', `block ${blockId} is no longer being written: its reservation has ended`, {
    reason: 'reservation_ended',
  })
}

export function tooManyBytes({ blockId, length }: BlockHeader): SkeinError {
  return new SkeinError('invalid_argument', `block ${blockId} was given more than its ${length} bytes`)
}

/**
 * The header of a block that ends after `length` bytes; undefined: as reserved.
 * @throws SkeinError invalid_argument when that is no length of it
 */
export function endedAt(header: BlockHeader, length: number | undefined): BlockHeader {
  if (length === undefined || length === header.length) return header
  if (!Number.isSafeInteger(length) || length < 0 || length > header.length) {
    throw new SkeinError(
      'invalid_argument',
      `block ${header.blockId} cannot end after ${length} bytes: ${header.length} were reserved`,
    )
  }
  return { ...header, length }
}

/** @throws SkeinError invalid_argument when a block that is put has not the length in its header */
export function mustBeGivenWhole({ blockId, length }: BlockHeader, bytes: Uint8Array): void {
  if (bytes.length !== length)
    throw new SkeinError('invalid_argument', `block ${blockId} has ${bytes.length} bytes, not ${length}`)
}

/** @throws SkeinError data_loss when not all bytes were written */
export function mustBeWhole({ blockId, length }: BlockHeader, receivedBytes: number): void {
  if (receivedBytes !== length) throw incomplete(`block ${blockId} has ${receivedBytes} of ${length} bytes`)
}

/**
 * Somebody else wrote the file: its size and the number of checksums must fit; its bytes are
 * checked on each read.
 * @param fileBytes undefined when it was not written by somebody else alone
 * @throws SkeinError data_loss
 */
export function checkForeignFile(
  { blockId, length }: BlockHeader,
  fileBytes: number | undefined,
  checksums: readonly number[],
): void {
  if (checksums.length !== pageCount(length) || checksums.some((checksum) => checksum >>> 0 !== checksum))
    throw incomplete(`block ${blockId} came with ${checksums.length} checksums for ${pageCount(length)} pages`)
  if (fileBytes !== length) throw incomplete(`the file of block ${blockId} does not have its ${length} bytes`)
}

function incomplete(message: string): SkeinError {
  return new SkeinError('data_loss', message, { reason: 'incomplete' })
}
