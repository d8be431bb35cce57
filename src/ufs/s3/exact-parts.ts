// Why: stores need bodies of a known length, while callers supply chunks of any size. How: chunks
// are collected into full parts; only the last part may be shorter. A total that differs from the
// announced length is an error, raised before the last part is returned. A few parts are sent
// concurrently.
import { throwIfAborted } from '../../base/clock.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'

/** Parts that are sent concurrently. One more is being filled. */
const partsAtOnce = 3

/**
 * Parts of `partBytes` (the last one shorter) that add up to `length`. An empty object has one
 * empty part. Each part has its own buffer.
 * @throws SkeinError invalid_argument when the chunks have more or fewer bytes than `length`
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
      throw new SkeinError('invalid_argument', `the data has more than the announced ${length} bytes`)
    left -= chunk.length
    for (let from = 0; from < chunk.length;) {
      const take = Math.min(chunk.length - from, part.length - filled)
      part.set(chunk.subarray(from, from + take), filled)
      from += take
      filled += take
      // Hold back the last part until the chunks end, because there may be too many bytes.
      if (filled < part.length || (left === 0 && from === chunk.length)) continue
      yield part
      part = Buffer.allocUnsafeSlow(Math.min(partBytes, left + chunk.length - from))
      filled = 0
    }
  }
  throwIfAborted(signal)
  if (left > 0)
    throw new SkeinError('invalid_argument', `the data has ${length - left} bytes instead of the announced ${length}`)
  yield part
}

/**
 * Passes each part to `send`, a few concurrently. Settles when no part is being sent any more. The
 * first error stops the rest.
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
