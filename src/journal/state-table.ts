// Why: what owners of a state see of it.

/** Part of the state that only the live file and the journal hold, no snapshot. */
export interface Uncopied {
  readonly entries: number
  /** Of the commands in the journal. */
  readonly bytes: number
}

export interface KeyRange<Key> {
  readonly start?: Key
  /** Not part of the range. */
  readonly end?: Key
  readonly limit?: number
}

/**
 * Reads see what was written before, in the same transaction too. Writes belong inside `transact`.
 */
export interface StateTable<Key, Value> {
  /** Bytes are valid until the next `get` of any table only. */
  get(key: Key): Value | undefined
  put(key: Key, value: Value): void
  delete(key: Key): void
  /**
   * Rows in the order of their keys. To be left or read to the end within one turn of the event
   * loop.
   */
  range(range: KeyRange<Key>): Iterable<{ readonly key: Key; readonly value: Value }>
}
