// Why: if responses carry no version, the bytes of two responses may belong to two versions; the
// bytes of one response do not. How: read the whole object in one request, under the same rate
// limit and budgets as ranges. Nothing is resumed: on an error the caller drops what it has and may
// start over.
import type { Share } from '../../base/flow/budget.ts'
import type { SkeinError } from '../../base/errors.ts'
import { LentShare } from '../../base/flow/lent-share.ts'
import { lending, type ReadAheadOptions } from '../read-ahead.ts'
import { unprovenReason } from '../trust/s3-errors.ts'
import type { ReadRequest, UnderFileSystem } from '../under-file-system.ts'

/** Maximum attempts to read the whole object. */
export const wholeAttemptsMax = 3
/** Approximate maximum of unread bytes that a stream of the store holds. */
const heldBytes = 2.5 * 1024 * 1024

/** Whether the error may go away when the object is read in one response. */
export function isUnproven(error: SkeinError): boolean {
  return error.reason === unprovenReason
}

/**
 * Reads the whole object: `request.offset` is 0 and `request.length` is its size.
 * @throws the errors of `store.read`, and the signal's reason
 */
export async function* readInOneAnswer(
  store: Pick<UnderFileSystem, 'read'>,
  request: ReadRequest,
  { pace, bytes, slots }: Pick<ReadAheadOptions, 'pace' | 'bytes' | 'slots'>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const shares: Share[] = []
  try {
    await pace?.take(request.length, signal)
    shares.push(await bytes.acquire(Math.min(heldBytes, request.length), signal))
    const slot = new LentShare(slots, 1, await slots.acquire(1, signal), signal)
    shares.push(slot)
    const lend = lending(slot, request.lend)
    yield* store.read({ ...request, inOneAnswer: true, objectLength: request.length, lend }, signal)
  } finally {
    for (const share of shares) share.release()
  }
}
