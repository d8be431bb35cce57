// Why: stores want bodies of known lengths, callers have chunks of any size. How: chunks are
// gathered into parts that are full but for the last; more or fewer bytes than were announced is an
// error, before the last part is given out. They are sent a few at a time.
import { throwIfAborted } from '../../base/clock.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'

/** Parts that are sent at the same time; one more is being filled. */
const partsAtOnce = 3

/**
 * Parts of `partBytes` (the last one shorter) that add up to `length`; one empty part for an empty
 * object. Each is a buffer of its own.
 * @throws SkeinError invalid_argument when the chunks are more or fewer bytes than `length`
 */
export async function* exactParts(
  chunks: AsyncIterable<Uint8Array>,
  length: number,
  partBytes: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  let left = length
  let part = Buffer.allocUnsafeSlow(Math.min(partBytes, length))
  let filled = 0
  for await (const chunk of chunks) {
    throwIfAborted(signal)
    if (chunk.length > left)
      throw new SkeinError('invalid_argument', `there are more than the ${length} bytes that were announced`)
    left -= chunk.length
    for (let from = 0; from < chunk.length;) {
      const take = Math.min(chunk.length - from, part.length - filled)
      part.set(chunk.subarray(from, from + take), filled)
      from += take
      filled += take
      // The last part waits for the end of the chunks: there may be too many.
      if (filled < part.length || (left === 0 && from === chunk.length)) continue
      yield part
      part = Buffer.allocUnsafeSlow(Math.min(partBytes, left + chunk.length - from))
      filled = 0
    }
  }
  throwIfAborted(signal)
  if (left > 0)
    throw new SkeinError('invalid_argument', `there are ${length - left} bytes, not the ${length} that were announced`)
  yield part
}

/**
 * Gives each part to `send`, a few at a time. Resolves or throws when none is being sent any more;
 * the first error ends all.
 */
export async function sendAll(
  parts: AsyncGenerator<Buffer>,
  signal: AbortSignal,
  send: (bytes: Buffer, index: number, ending: AbortSignal) => Promise<void>,
): Promise<void> {
  const failing = new AbortController()
  const ending = AbortSignal.any([signal, failing.signal])
  const inFlight = new Set<Promise<void>>()
  let failure: SkeinError | undefined
  let index = 0
  try {
    for await (const bytes of parts) {
      const sending: Promise<void> = send(bytes, index, ending)
        .catch((thrown: unknown) => {
          failure ??= toSkeinError(thrown)
          failing.abort(failure)
        })
        .finally(() => inFlight.delete(sending))
      inFlight.add(sending)
      index += 1
      while (inFlight.size >= partsAtOnce) await Promise.race(inFlight)
      if (failure !== undefined) throw failure
    }
  } catch (thrown) {
    failing.abort(toSkeinError(thrown))
    throw thrown
  } finally {
    await Promise.all(inFlight)
  }
  if (failure !== undefined) throw failure
}
