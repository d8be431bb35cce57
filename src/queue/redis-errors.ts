// Why: the errors of a Redis client are not one line and not safe to print (a refused AUTH has the
// password in its arguments). How: only the text of the message is used, never the error object.
import { SkeinError } from '../base/errors.ts'

/**
 * Messages of the client that only say that there is no connection. The connection's last error has
 * the reason.
 */
const noConnection = /Stream isn't writeable|max retries per request|Connection is closed|Command timed out/i

/**
 * Converts an error of a Redis client to `unavailable`, with the address. `lastConnectionError`:
 * why there is no connection, if there is none.
 */
export function redisUnavailable(
  thrown: unknown,
  shownAddress: string,
  lastConnectionError: string | undefined,
): SkeinError {
  if (thrown instanceof SkeinError) return thrown
  const text = redisErrorText(thrown)
  const reason = noConnection.test(text) ? (lastConnectionError ?? text) : text
  return new SkeinError('unavailable', `Redis at ${shownAddress} cannot be used (${reason}): ${adviceFor(reason)}`, {
    reason: 'queue_unavailable',
  })
}

/** The message of a client error, in one line. */
export function redisErrorText(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown).split('\n', 1)[0] ?? ''
  const { code, errors } = thrown as { code?: unknown; errors?: unknown }
  const inner: unknown = Array.isArray(errors) ? errors[0] : undefined
  const text = thrown.message !== '' || inner === undefined ? thrown.message : redisErrorText(inner)
  return text.split('\n', 1)[0] || (typeof code === 'string' ? code : thrown.name)
}

function adviceFor(reason: string): string {
  if (/WRONGPASS|NOAUTH|NOPERM|AUTH/.test(reason)) return 'check the user and password in the queue URL'
  if (reason.startsWith('OOM') || reason.includes('maxmemory')) return 'give it more memory'
  if (/certificate|SSL|TLS/i.test(reason)) return 'check rediss:// and its certificate'
  return 'is it running?'
}
