// Why: the one interface for making commands durable before they are applied. LocalJournal (one
// master, files) implements it here. An etcd journal (several masters) is the second implementation
// and passes the same test suite. The journal owns the order of the entries, and does not interpret
// them.

/** The right to append, until `signal` aborts. */
export interface Term {
  readonly epoch: bigint
  /** Aborts when the right is lost. */
  readonly signal: AbortSignal
  leaseLeftMs(): number
}

export interface JournalEntry {
  readonly seq: bigint
  readonly epoch: bigint
  readonly bytes: Uint8Array
}

export interface Journal {
  /**
   * Waits for the right to append.
   * @throws SkeinError failed_precondition when another process holds it permanently
   */
  campaign(id: string, signal: AbortSignal): Promise<Term>
  /**
   * Appends entry `seq` (one more than the last). `ok`: durable. `fenced`: another term has begun;
   * stop. `unknown`: it may or may not be durable; only read() can tell. Calls may overlap, and
   * become durable in order.
   */
  append(term: Term, seq: bigint, bytes: Uint8Array): Promise<'ok' | 'fenced' | 'unknown'>
  /**
   * The entries from `from` on, in order, up to the end at the time of the call.
   * @throws SkeinError data_loss on a gap or damage before the tail
   */
  read(from: bigint): AsyncIterable<JournalEntry>
  /**
   * The seq of the last durable entry (0n if there is none). All entries before it are durable,
   * too.
   */
  barrier(term: Term): Promise<bigint>
  /** Allows the journal to drop entries up to and including `upTo`. */
  truncate(term: Term, upTo: bigint): Promise<void>
  close(): Promise<void>
}
