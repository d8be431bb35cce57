// Why: producers, consumers and timers reach the same Redis in the same way. How: the options that
// every connection has, as plain data; each adds how it waits.
import type { RedisAddress } from './redis-address.ts'

/** Pause before another attempt to connect. */
export const reconnectMs = (attempt: number): number => Math.min(100 * attempt, 1000)

/** What every connection to this Redis has. */
export function connectionOptions(address: RedisAddress) {
  return {
    db: address.database,
    connectTimeout: 5000,
    keepAlive: 10_000,
    ...(address.username === undefined ? {} : { username: address.username }),
    ...(address.password === undefined ? {} : { password: address.password.reveal() }),
    ...(address.tls ? { tls: {} } : {}),
  }
}
