// Why: the definition of a configuration key, without its value. The tables in keys-*.ts consist of
// these definitions; the parser, the loader and docs/configuration.md use nothing else.

export type KeyKind =
  | 'text'
  | 'path'
  | 'boolean'
  | 'integer'
  | 'number'
  | 'port'
  /** `128MB` -> bytes */
  | 'bytes'
  /** `10m`, bare number = ms -> milliseconds; -1 where `min` allows it */
  | 'duration'
  /** bare number of seconds, or a duration -> milliseconds */
  | 'seconds'
  | 'choice'
  /** comma-separated words */
  | 'list'
  | 'bytesList'
  | 'secret'

/**
 * Which processes read the key. Commands read `client` and `all`; the others are for servers
 * (audience.ts).
 */
export type KeyScope = 'all' | 'client' | 'master' | 'worker' | 'job-master' | 'job-worker' | 'gateway' | 'roles'

export interface KeyDefinition {
  readonly kind: KeyKind
  /**
   * The default, as written in a properties file. Absent: no default, or a computed one, which
   * `defaultDoc` describes.
   */
  readonly default?: string
  readonly defaultDoc?: string
  /** The default under `skein local`, if it differs. */
  readonly localDefault?: string
  /** Inclusive bounds in the parsed unit (bytes, milliseconds). */
  readonly min?: number
  readonly max?: number
  /** The values of a `choice`. */
  readonly values?: readonly string[]
  /** Of a `text`: an empty value means that the default does not apply. */
  readonly mayBeEmpty?: true
  readonly scope: KeyScope
  readonly doc: string
  /**
   * A key of GooseFS that is accepted, so that its files can be used unchanged, but has no effect.
   * A warning reports it.
   */
  readonly unused?: true
}

export type KeyTable = Readonly<Record<string, KeyDefinition>>
