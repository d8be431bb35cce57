// Why: stores want bodies of known lengths, callers have chunks of any size. How: chunks are gathered into parts that are
// full but for the last; more or fewer bytes than were announced is an error, before the last part is given out.
import { throwIfAborted } from '../base/clock.ts'
import { SkeinError } from '../base/errors.ts'

/**
 * Parts of `partBytes` (the last one shorter) that add up to `length`; one empty part for an empty object. Each is a buffer of its own.
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
    if (chunk.length > left) throw new SkeinError('invalid_argument', `there are more than the ${length} bytes that were announced`)
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
  if (left > 0) throw new SkeinError('invalid_argument', `there are ${length - left} bytes, not the ${length} that were announced`)
  yield part
}
