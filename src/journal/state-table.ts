// Why: the part of the state's interface that its owners use.

/** The part of the state that only the live file and the journal have, and no snapshot. */
export interface Uncopied {
  readonly entries: number
  /** Size of the commands in the journal. */
  readonly bytes: number
}

export interface KeyRange<Key> {
  readonly start?: Key
  /** Exclusive. */
  readonly end?: Key
  readonly limit?: number
}

/**
 * Reads see earlier writes, also within a transaction. Writes are allowed only inside `transact`.
 */
export interface StateTable<Key, Value> {
  /** The bytes are valid only until the next `get` of any table. */
  get(key: Key): Value | undefined
  put(key: Key, value: Value): void
  delete(key: Key): void
  /** Rows in the order of their keys. The iteration must end within one turn of the event loop. */
  range(range: KeyRange<Key>): Iterable<{ readonly key: Key; readonly value: Value }>
}
