// Why: messages name the Redis server, but never its password.
import { Secret } from '../base/secret.ts'
import { SkeinError } from '../base/errors.ts'

export interface RedisAddress {
  readonly host: string
  readonly port: number
  readonly database: number
  readonly tls: boolean
  readonly username: string | undefined
  readonly password: Secret | undefined
  /** `redis://host:port/0`, for messages. */
  readonly shown: string
}

/**
 * Parses `redis://[user[:password]@]host[:port][/database]`, or `rediss://` for TLS.
 * @throws SkeinError invalid_argument, without the text, which may contain a password
 */
export function parseRedisAddress(text: string): RedisAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const database = Number(url?.pathname.slice(1) || '0')
  const scheme = url?.protocol
  if (
    url === undefined ||
    (scheme !== 'redis:' && scheme !== 'rediss:') ||
    url.hostname === '' ||
    !Number.isInteger(database) ||
    database < 0
  ) {
    throw new SkeinError(
      'invalid_argument',
      'the queue URL is malformed: write inprocess:, redis://host:port or rediss://user:password@host:port/0',
    )
  }
  const port = url.port === '' ? 6379 : Number(url.port)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return {
    host,
    port,
    database,
    tls: scheme === 'rediss:',
    username: url.username === '' ? undefined : decodeURIComponent(url.username),
    password: url.password === '' ? undefined : new Secret(decodeURIComponent(url.password)),
    shown: `${scheme}//${url.hostname}:${port}/${database}`,
  }
}
