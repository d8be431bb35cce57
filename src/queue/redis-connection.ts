// Why: producers, consumers and timers connect to the same Redis in the same way. How: the options
// of all connections, as plain data. Each user adds its wait behavior.
import type { RedisAddress } from './redis-address.ts'

/** Pause before another attempt to connect. */
export const reconnectMs = (attempt: number): number => Math.min(100 * attempt, 1000)

/** The options of all connections to this Redis server. */
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
