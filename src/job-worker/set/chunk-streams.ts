// Why: a block's bytes on their way are counted and held back without their reader or writer
// knowing of it.
import type { ReadPace } from '../pace/read-pacer.ts'
import type { SetOutcome } from './set-outcome.ts'

/** The chunks, each counted as read from the store. */
export async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  outcome: SetOutcome,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of chunks) {
    outcome.originBytes += chunk.length
    yield chunk
  }
}

/** The chunks, each held back while a reader on demand goes first. */
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
