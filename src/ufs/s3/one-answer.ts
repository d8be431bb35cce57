// Why: where no answer names its version, bytes of two answers may be of two versions; those of one
// answer are not. How: the whole object as one request, under the same pace and budgets as ranges.
// Nothing is resumed: whoever gets an error drops what came and may begin again with nothing.
import type { Share } from '../../base/flow/budget.ts'
import type { SkeinError } from '../../base/errors.ts'
import { LentShare } from '../../base/flow/lent-share.ts'
import { lending, type ReadAheadOptions } from '../read-ahead.ts'
import { unprovenReason } from '../trust/s3-errors.ts'
import type { ReadRequest, UnderFileSystem } from '../under-file-system.ts'

/** How often the object is begun again as a whole. */
export const wholeAttemptsMax = 3
/** Bytes that a stream of the store may hold unread, about. */
const heldBytes = 2.5 * 1024 * 1024

/** Whether an error says that reading the object in one answer may help. */
export function isUnproven(error: SkeinError): boolean {
  return error.reason === unprovenReason
}

/**
 * The whole object: `request.offset` 0 and `request.length` all of it. @throws what `store.read`
 * throws, and the signal's reason
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
