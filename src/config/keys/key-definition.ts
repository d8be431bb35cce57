// Why: what there is to know of one configuration key, apart from its value. The tables of keys
// (keys-*.ts) are made of these; the parser, the loader and docs/configuration.md read nothing
// else.

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
 * Which process reads the key. Commands read those of `client` and `all`; all others are the
 * servers' (audience.ts).
 */
export type KeyScope = 'all' | 'client' | 'master' | 'worker' | 'job-master' | 'job-worker' | 'roles'

export interface KeyDefinition {
  readonly kind: KeyKind
  /**
   * As it would stand in a properties file. Absent: no default, or one that is worked out (then
   * `defaultDoc` says how).
   */
  readonly default?: string
  readonly defaultDoc?: string
  /** Default under `skein local`, where it is another. */
  readonly localDefault?: string
  /** Bounds, both inclusive, in the parsed unit (bytes, milliseconds). */
  readonly min?: number
  readonly max?: number
  /** The words of a `choice`. */
  readonly values?: readonly string[]
  readonly scope: KeyScope
  readonly doc: string
  /**
   * A key of GooseFS that is accepted, so that its files are read as they are, and has no effect
   * here; a warning says so.
   */
  readonly unused?: true
}

export type KeyTable = Readonly<Record<string, KeyDefinition>>
