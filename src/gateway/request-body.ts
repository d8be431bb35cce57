// Why: a body comes from a peer that may be slow, stop, or send more than it said. How: its bytes
// are counted, waits for the peer are watched (idle-watch.ts), and a peer that waits to be asked
// for the body is asked when the first byte is read.
import type { IncomingMessage } from 'node:http'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import type { IdleWatch } from '../wire/http/idle-watch.ts'

/**
 * Yields the body as sent. Leaving the loop early keeps the connection open.
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
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      watch.end()
      watch.moved((chunk as Buffer).length)
      yield chunk as Buffer
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
