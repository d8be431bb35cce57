// Why: counts the bytes of a block and delays its chunks, without changes to its reader or its
// writer. How: wraps the stream of chunks.
import type { ReadPace } from '../pace/read-pacer.ts'
import type { SetOutcome } from './set-outcome.ts'

/** Passes the chunks on and counts them as read from the store. */
export async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  outcome: SetOutcome,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of chunks) {
    outcome.originBytes += chunk.length
    yield chunk
  }
}

/** Passes the chunks on; waits while an on-demand reader goes first. */
export async function* givingWay(
  chunks: AsyncIterable<Uint8Array>,
  pace: ReadPace,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of chunks) {
    const wait = pace.standAside(signal)
    if (wait !== undefined) await wait
    yield chunk
  }
}
