// Why: a range of a file has one meaning for all its readers: the bytes that the file has of it.
// Pure.
import { SkeinError } from '../base/errors.ts'
import type { ByteRange } from '../wire/data/data-client.ts'
import type { FileRange } from './file-system.ts'

/**
 * The bytes of the range that a file of `fileBytes` has.
 * @throws SkeinError invalid_argument when offset or length is not a whole number from 0 on
 */
export function rangeWithin({ offset, length }: FileRange, fileBytes: number): ByteRange {
  if (!isWhole(offset) || (length !== undefined && !isWhole(length)))
    throw new SkeinError('invalid_argument', `bytes ${offset}+${length ?? ''} are not a valid range of a file`)
  const left = Math.max(0, fileBytes - offset)
  return { offset, length: Math.min(length ?? left, left) }
}

function isWhole(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}
