// Why: a body comes from a peer that may be slow, stop, or send more than it said. How: its bytes
// are counted, waits for the peer are watched (idle-watch.ts), and a peer that waits to be asked
// for the body is asked when the first byte is read. The memory of each chunk is freed when the
// next one is asked for: left to the garbage collector, it costs more than everything else.
import type { IncomingMessage } from 'node:http'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import { freeAtOnce } from '../base/flow/free-memory.ts'
import type { IdleWatch } from '../wire/http/idle-watch.ts'
import { chunksOf } from '../wire/http/stream-chunks.ts'

/**
 * Yields the body as sent. A chunk is the consumer's until it asks for the next one: then its
 * memory is freed. Leaving the loop early keeps the connection open.
 * @param begin called before the first byte is read
 * @param cut the error of a body that ended too early, from what happened
 * @throws what `cut` returns when the peer stopped, or the SkeinError that ended the request
 */
export async function* requestBody(
  request: IncomingMessage,
  watch: IdleWatch,
  begin: () => void,
  cut: (message: string) => SkeinError,
): AsyncGenerator<Uint8Array> {
  begin()
  watch.begin()
  try {
    for await (const chunk of chunksOf(request)) {
      watch.end()
      watch.moved(chunk.length)
      yield chunk
      freeAtOnce(chunk)
      watch.begin()
    }
  } catch (thrown) {
    if (thrown instanceof SkeinError) throw thrown
    const { message } = toSkeinError(thrown)
    throw cut(`The connection broke before the end of the body (${message}).`)
  } finally {
    watch.end()
  }
  if (!request.complete) throw cut('The connection broke before the end of the body.')
}
